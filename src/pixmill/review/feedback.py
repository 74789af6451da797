"""Corrections in the inbox: cases for their images, and the decisions on them.

Decisions on images of the manifest are lines of ``review.csv``. A new image that is accepted is
copied to ``data/<class>/feedback-<date>-<id>``; the name records its origin in the manifest, and
split puts it into train. Those of a random sample begin with ``sample-`` and are split by hash,
like all others. The inbox keeps an image until the ``data.dvc`` of a commit holds it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pixmill.core.errors import DataError
from pixmill.core.files.writing import place_within, storage_errors, write_durably
from pixmill.core.manifest import CORRECTION
from pixmill.core.names import class_folder
from pixmill.dataset.decision_log import DecisionLog
from pixmill.dataset.inbox import Correction, Entry
from pixmill.dataset.review_file import ReviewFile
from pixmill.images.verified_reading import UndecodableError, read_verified
from pixmill.review.cases import Case
from pixmill.review.recovery import DecisionStatus, check_decisions
from pixmill.review.review_tables import ReviewTables
from pixmill.validate.decisions import Decision

_NONE = "none of the classes"


class ReviewImages:
    """Images under review: those of the manifest, followed by new images of the inbox.

    Args:
        tables: Tables of the stages.
        entries: Images of the inbox.
        classes: Declared labels; other labels of corrections count as none.
        accepted: Ids of accepted images that wait for a commit; they need no decision.

    Attributes:
        entries: Images of the inbox.
        known: Images of the inbox that are in the manifest under another label.
        agreed: Images of the inbox that are in the manifest under the same label.
        new: Images of the inbox that are not in the manifest, by id.
        ids: Id of each row.
        labels: Label of each row.
    """

    def __init__(
        self,
        tables: ReviewTables,
        entries: Sequence[Entry],
        classes: Sequence[str],
        accepted: Collection[str] = (),
    ) -> None:
        self._tables = tables
        self.entries = entries
        self.known: list[Entry] = []
        self.agreed: list[Entry] = []
        self.new: dict[str, Entry] = {}
        for entry in entries:
            if entry.id in accepted:
                continue
            if (row := tables.row(entry.original)) is None:
                self.new[entry.id] = entry
            else:
                (
                    self.agreed if tables.labels[row] == entry.corrections[0].label else self.known
                ).append(entry)
        self._first = len(tables.ids)
        self._rows = {name: self._first + place for place, name in enumerate(self.new)}
        self.ids = [*tables.ids, *self.new]
        labels = [entry.corrections[0].label for entry in self.new.values()]
        self.labels = [*tables.labels, *(label if label in classes else None for label in labels)]

    def row(self, name: str) -> int | None:
        """Return the row of an image; ``None`` for an unknown id."""
        return self._rows.get(name, self._tables.row(name))

    def facts(self, row: int) -> dict[str, Any]:
        """Return the facts about an image for the page; the verdict of a new image is ``new``."""
        if row < self._first:
            return self._tables.facts(row)
        entry = self.new[self.ids[row]]
        newest = entry.corrections[0]
        return {
            "label": self.labels[row],
            "came_as": sorted({item.label or _NONE for item in entry.corrections}),
            "size": None,
            "format": newest.extension,
            "bytes": newest.bytes,
            "verdict": "new",
            "reason": None,
            "places": [
                {
                    "source": "feedback",
                    "label": newest.label or _NONE,
                    "query": None,
                    "title": f"received {newest.received:%Y-%m-%d %H:%M} UTC",
                    "url": f"inbox/{entry.names[0]}",
                }
            ],
            "more_places": 0,
        }

    def cases(self) -> Iterator[Case]:
        """Yield a case for each image of the inbox that needs a decision, last corrected first."""
        shown = [*self.known, *self.new.values()]
        for entry in sorted(shown, key=lambda entry: entry.corrections[0].received, reverse=True):
            row = self.row(entry.id if entry.id in self.new else entry.original)
            assert row is not None
            label = entry.corrections[0].label
            description = _describe(entry.corrections)
            if entry.id not in self.new:
                why = (
                    f"The manifest has it as '{self.labels[row] or 'conflicting'}'. Your "
                    "decision goes to review.csv."
                )
                yield Case(
                    "feedback",
                    "Feedback: known image",
                    f"{description} {why}",
                    (row,),
                    suggestion=label,
                )
                continue
            why = "Accept it to put it into data/, or drop it for good."
            if label is not None and self.labels[row] is None:
                why = f"'{label}' is not one of the classes: choose one, or drop it."
            yield Case("feedback", "Feedback: new image", f"{description} {why}", (row,))


class DecisionStore:
    """Apply decisions: to ``data/`` and the inbox for new images, to ``review.csv`` for others.

    Nothing is lost if the process is killed, or if uncommitted files are removed: an accepted image
    stays in the inbox until :meth:`release` finds it in a commit, and each decision is logged until
    then.

    Args:
        review_file: ``review.csv``.
        images: Images under review.
        folder: Folder of the class folders.
        log: Log of decisions that no commit holds yet.
        is_sample: Whether the corrections are those of a random sample of all served images.
    """

    def __init__(
        self,
        review_file: ReviewFile,
        images: ReviewImages,
        folder: Path,
        log: DecisionLog,
        *,
        is_sample: bool = False,
    ) -> None:
        self._review_file = review_file
        self._inbox = log.inbox
        self._log = log
        self._images = images
        self._folder = folder
        self._prefix = "sample-" if is_sample else CORRECTION
        self._decided: dict[str, Decision] = {}

    def read(self) -> Mapping[str, Decision]:
        """Return all decisions by id.

        Raises:
            DecisionsError: A line of ``review.csv`` is malformed.
        """
        return {**self._review_file.read(), **self._decided}

    def change(self, changes: Mapping[str, Decision | None]) -> dict[str, Decision | None]:
        """Apply decisions by id, and return the earlier ones; ``None`` clears a decision.

        Raises:
            DataError: An image of the inbox has changed.
            LockedError: Another process has locked ``review.csv`` or the inbox.
            DecisionsError: A line of ``review.csv`` is malformed.
            StorageError: The disk is full, or a file may not be written.
        """
        others = {
            name: decision for name, decision in changes.items() if name not in self._images.new
        }
        before: dict[str, Decision | None] = {}
        if others:
            # Logged first: a line that vanishes from review.csv is always known.
            self._log.change(self._review_file.lines(others))
            before = self._review_file.change(others)
        for name in changes.keys() - others.keys():
            before[name] = self._apply(self._images.new[name], changes[name])
        return before

    def count(self) -> tuple[int, int]:
        """Return the numbers of accepted and of dropped new images."""
        dropped = sum(decision.verb == "drop" for decision in self._decided.values())
        return len(self._decided) - dropped, dropped

    def clean_inbox(self) -> None:
        """Remove images from the inbox that were dropped, or are in the manifest and decided or correctly labelled.

        Raises:
            LockedError: The inbox was locked for ten seconds.
            StorageError: The inbox may not be written.
        """
        decided = self.read()
        done = [
            *self._images.agreed,
            *(entry for entry in self._images.known if entry.original in decided),
        ]
        if done or self._inbox.dropped_ids():
            self._inbox.remove([name for entry in done for name in entry.names])

    def release(self) -> DecisionStatus:
        """Remove accepted images from the inbox that a commit holds, and return the status of logged decisions.

        Raises:
            DataError: A line of the log is malformed.
            LockedError: The inbox was locked for ten seconds.
            StorageError: The inbox may not be written.
        """
        status = check_decisions(self._log)
        names = {entry.id: entry.names for entry in self._images.entries}
        # The reviewer has not seen later corrections, or any of an image that was labelled in the
        # grid.
        reviewed = [item for item in status.accepted if item.corrections]
        done = [
            name for item in reviewed for name in names.get(item.image, ())[-item.corrections :]
        ]
        if done:
            self._inbox.remove(done)
        self._log.forget([*status.accepted, *status.written])
        return status

    def _apply(self, entry: Entry, decision: Decision | None) -> Decision | None:
        before = self._decided.get(entry.id)
        old = self._path(entry, before)
        new = self._path(entry, decision)
        if new is not None and new != old:
            try:
                content = read_verified(self._inbox.read_image(entry), entry.id)
            except UndecodableError as error:
                place = f"{self._inbox.place}/{entry.names[0]}"
                raise DataError(
                    f"{place} cannot be accepted: {error.reason}", next="drop it"
                ) from None
            # Logged first: an image that vanishes from data/ is always known.
            self._log.accept(entry.id, new, content, len(entry.corrections))
            with storage_errors(then="repeat the decision"):
                write_durably(new, content)
        if decision is not None and decision.verb == "drop":
            self._inbox.drop([entry.id])
        elif before is not None and before.verb == "drop":
            self._inbox.restore(entry.id)
        if old is not None and new != old:
            with storage_errors(then="repeat the decision"):
                old.unlink(missing_ok=True)
        if new is None:
            self._log.forget(
                item for item in self._log.read()[0].values() if item.image == entry.id
            )
        if decision is None:
            self._decided.pop(entry.id, None)
        else:
            self._decided[entry.id] = decision
        return before

    def _path(self, entry: Entry, decision: Decision | None) -> Path | None:
        """Return the file of an accepted image; no part of it comes from the client."""
        if decision is None or decision.verb == "drop":
            return None
        row = self._images.row(entry.id)
        label = decision.label or (None if row is None else self._images.labels[row])
        if label is None:
            raise ValueError(f"expected a label, received {decision}")
        newest = entry.corrections[0]
        name = f"{self._prefix}{newest.received:%Y-%m-%d}-{entry.id[:16]}.{newest.extension}"
        return place_within(self._folder / class_folder(label) / name, self._folder)


def _describe(corrections: Sequence[Correction]) -> str:
    """Return a sentence with the prediction and the labels of users."""
    newest = corrections[0]
    model = " ".join(str(newest.model[key]) for key in ("name", "version") if newest.model.get(key))
    prediction = newest.prediction
    doubt = (
        ", unlike the training images"
        if prediction.get("unlike")
        else ", not sure"
        if prediction.get("sure") is False
        else ""
    )
    confidence = prediction.get("confidence")
    share = f" ({confidence:.0%}{doubt})" if isinstance(confidence, int | float) else ""
    labels = ", ".join(
        dict.fromkeys(f"'{item.label}'" if item.label else _NONE for item in corrections)
    )
    return (
        f"The model{model and f' {model}'} predicted '{prediction.get('label')}'{share}; users "
        f"say {labels}."
    )
