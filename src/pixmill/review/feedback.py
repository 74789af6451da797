"""Corrections in the inbox: cases for their images, accepting and dropping them.

A new image that is accepted is copied to ``data/<class>/feedback-<date>-<id>``, and its label is a
row of ``decisions.csv``; the name records its origin in the manifest, and split puts it into train.
Those of a random sample begin with ``sample-`` and are split by hash, like all others. The inbox
keeps an image until the ``data.dvc`` of a commit holds it.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pixmill.core.decisions import Decided, Row
from pixmill.core.errors import DataError
from pixmill.core.files.writing import place_within, storage_errors, write_durably
from pixmill.core.manifest import CORRECTION, RANDOM
from pixmill.core.params import Params
from pixmill.core.words import percent
from pixmill.dataset.deciding import Accepted, Action, DecisionTable
from pixmill.dataset.inbox import Correction, Entry, Inbox
from pixmill.heads import head_of
from pixmill.images.verified_reading import UndecodableError, read_verified
from pixmill.review.cases import Case
from pixmill.review.labelling import labelling_of
from pixmill.review.recovery import pending_images, release
from pixmill.review.review_tables import ReviewTables

_NONE = "none of the classes"

_AGAIN = "repeat the decision"


class Corrections:
    """The images of the inbox, and decisions on those that are new.

    Nothing is lost if the process is killed, or if uncommitted files are removed: an accepted image
    stays in the inbox until a commit holds it, and is logged until then.

    Args:
        table: The decisions.
        tables: Tables of the stages.
        params: Parameters of the project; labels that are no class count as none.
        is_sample: Whether the corrections are those of a random sample of all served images.

    Attributes:
        malformed: Number of files that cannot be read.
        foreign: Number of images that were labelled for another task.
        known: Images that are in the manifest under another label.
        agreed: Images that need no decision: in the manifest under the same label, or dropped.
        new: Images that are not in the manifest, by id.
        dropped: What is decided on the images that were dropped in this session.
        accepted: Number of images accepted in this session.

    Raises:
        DataError: A line of the log is malformed.
    """

    def __init__(
        self,
        table: DecisionTable,
        tables: ReviewTables,
        params: Params,
        *,
        is_sample: bool = False,
    ) -> None:
        self._table = table
        self._tables = tables
        self._params = params
        self._labelling = labelling_of(params.task)
        self._prefix = RANDOM if is_sample else CORRECTION
        self._inbox = Inbox(table.root / "inbox")
        entries, self.malformed = self._inbox.entries()
        is_one = head_of(params.task).is_exclusive
        self._entries = [*filter(lambda of: (of.corrections[0].labels is None) is is_one, entries)]
        self.foreign = len(entries) - len(self._entries)
        self.known: list[Entry] = []
        self.agreed: list[Entry] = []
        self.new: dict[str, Entry] = {}
        self.dropped: dict[str, Decided] = {}
        self._changed: dict[str, str | None] = {}
        self.accepted = 0
        pending = pending_images(table.actions())
        for entry in self._entries:
            row = tables.row(entry.original)
            if entry.id in pending:
                continue
            decided = table.decided.get(entry.id)
            if row is None and decided is not None and decided.fate == "drop":
                self.agreed.append(entry)  # such as a forgotten image that was sent again
            elif row is None:
                self.new[entry.id] = entry
            elif self._labelling.agree(tables.labels[row], entry.corrections[0].answer):
                self.agreed.append(entry)
            else:
                self.known.append(entry)

    def read(self, image: str) -> bytes:
        """Return the bytes of a new image."""
        return self._inbox.read_image(self.new[image])

    def label(self, image: str) -> str | None:
        """Return what a new image is accepted as.

        It is the label that users gave it last, if it is a class.
        """
        if image in self._changed:
            return self._changed[image]
        answer = self.new[image].corrections[0].answer
        return self._labelling.known(answer, self._params.classes)

    def change(self, image: str, label: str) -> Callable[[], None]:
        """Change the answer to one of several labels with which a new image is accepted.

        Returns:
            A function that undoes it.
        """
        before = self.label(image)
        self._changed[image] = self._labelling.change(before, label)
        return partial(self._changed.__setitem__, image, before)

    def facts(self, image: str) -> dict[str, Any]:
        """Return the facts about a new image for the page; its verdict is ``new``."""
        entry = self.new[image]
        newest = entry.corrections[0]
        return {
            "label": self.label(image),
            "came_as": sorted({item.answer or _NONE for item in entry.corrections}),
            "size": None,
            "format": newest.extension,
            "bytes": newest.bytes,
            "verdict": "new",
            "reason": None,
            "places": [
                {
                    "source": "correction",
                    "label": self._labelling.show(newest.answer) or _NONE,
                    "query": None,
                    "title": f"received {newest.received:%Y-%m-%d %H:%M} UTC",
                    "url": None,
                }
            ],
            "more_places": 0,
        }

    def cases(self) -> Iterator[Case]:
        """Yield a case for each image that needs a decision, last corrected first.

        The rows of new images follow those of the manifest.
        """
        first = len(self._tables.ids)
        rows = {name: first + place for place, name in enumerate(self.new)}
        shown = [*self.known, *self.new.values()]
        for entry in sorted(shown, key=lambda entry: entry.corrections[0].received, reverse=True):
            label = entry.corrections[0].answer
            description = _describe(entry.corrections, self._labelling.show)
            if entry.id in self.new:
                why = self._labelling.invitation
                if label is not None and self.label(entry.id) is None:
                    why = f"'{self._labelling.show(label)}' is not one of the classes: choose one, or drop it."
                row = rows[entry.id]
                yield Case("feedback", "Correction: a new image", f"{description} {why}", (row,))
                continue
            yield from self._ask(entry, description)

    def _ask(self, entry: Entry, why: str = "") -> list[Case]:
        """Return the cases of an image of the manifest."""
        row = self._tables.row(entry.original)
        assert row is not None
        answer = entry.corrections[0].answer
        has = self._tables.labels[row]
        return self._labelling.ask(row, why, has, answer, self._params.classes)

    def decide(
        self, image: str, label: str | None, *, drop: bool = False, by: str, why: str
    ) -> Callable[[], None]:
        """Accept a new image, drop it, or take back that it was dropped.

        Args:
            image: Its id.
            label: Its label, to accept it; ``None``: it waits for a decision.
            drop: Whether to drop it.
            by: Who decides.
            why: The reason.

        Returns:
            A function that undoes it.

        Raises:
            DataError: The image in the inbox has changed.
            LockedError: Another process has locked the decisions or the inbox.
            StorageError: The disk is full, or a file may not be written.
        """
        before = self.dropped.get(image)
        action: Action | None = None
        if label is not None:
            action = self._accept(self.new[image], label, by=by, why=why)
        row = Row(image, "", "drop", by=by, why=why)
        self._set_dropped(image, Decided((row,)) if drop else None)
        return partial(self._undo, image, before, action)

    def release(self) -> None:
        """Remove images from the inbox that were dropped, or that need no further decision.

        Those are in the manifest, and decided or correctly labelled; or a commit holds them.

        Raises:
            DataError: A line of the log is malformed.
            LockedError: The inbox was locked for ten seconds.
            StorageError: The inbox may not be written.
        """
        done = [*self.agreed, *filter(self._is_decided, self.known)]
        names = [name for entry in done for name in entry.names]
        files = {entry.id: entry.names for entry in self._entries}
        for item in release(self._table):
            # The reviewer has not seen later corrections.
            if item.corrections:
                names += files.get(item.image, ())[-item.corrections :]
        if names or self._inbox.dropped_ids():
            self._inbox.remove(names)

    def _is_decided(self, entry: Entry) -> bool:
        of = self._table.decided.get(entry.original)
        return of is not None and all(of.settles(case.label) for case in self._ask(entry))

    def _accept(self, entry: Entry, label: str, *, by: str, why: str) -> Action:
        """Copy an image to ``data/`` unless it is there, then write its label and the log."""
        file = self._find(entry)
        if file is None:
            try:
                content = read_verified(self._inbox.read_image(entry), entry.id)
            except UndecodableError as error:
                place = f"{self._inbox.place}/{entry.names[0]}"
                raise DataError(
                    f"{place} cannot be accepted: {error.reason}", next="drop it"
                ) from None
            file = self._place(entry, label)
            with storage_errors(then=_AGAIN):
                write_durably(file, content)
        now = self._table.decided.get(entry.id)
        self.accepted += 1
        return self._table.decide(
            self._labelling.give(entry.id, label, now, by=by, why=why),
            then=_AGAIN,
            accepted=self._record(entry, file),
        )

    def _undo(self, image: str, before: Decided | None, action: Action | None) -> None:
        if action is not None and action.accepted is not None:
            self._table.undo(action, then=_AGAIN)
            self._remove(self._table.root / action.accepted.file)
            self.accepted -= 1
        self._set_dropped(image, before)

    def _set_dropped(self, image: str, decided: Decided | None) -> None:
        if decided is not None:
            self._inbox.drop([image])
            if file := self._find(self.new[image]):
                self._remove(file)  # a process was killed while it accepted the image
            self.dropped[image] = decided
        elif self.dropped.pop(image, None):
            self._inbox.restore(image)

    def _remove(self, file: Path) -> None:
        with storage_errors(then=_AGAIN):
            file.unlink(missing_ok=True)

    def _find(self, entry: Entry) -> Path | None:
        """Return the file of an image that was accepted."""
        places = (self._place(entry, label) for label in self._params.classes)
        return next((place for place in places if place.is_file()), None)

    def _place(self, entry: Entry, label: str) -> Path:
        """Return the file of an image that is accepted; no part of it comes from the client."""
        newest = entry.corrections[0]
        name = f"{self._prefix}{newest.received:%Y-%m-%d}-{entry.id[:16]}.{newest.extension}"
        folder = self._table.root / self._labelling.folder(self._params, label)
        return place_within(folder / name, self._table.root / "data")

    def _record(self, entry: Entry, file: Path) -> Accepted:
        content = self._inbox.read_image(entry)
        return Accepted(
            image=entry.id,
            file=file.relative_to(self._table.root).as_posix(),
            md5=hashlib.md5(content, usedforsecurity=False).hexdigest(),
            corrections=len(entry.corrections),
        )


def _describe(corrections: Sequence[Correction], show: Callable[[str | None], str | None]) -> str:
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
    share = f" ({percent(confidence, 0)}{doubt})" if isinstance(confidence, int | float) else ""
    labels = ", ".join(
        dict.fromkeys(f"'{text}'" if (text := show(item.answer)) else _NONE for item in corrections)
    )
    return (
        f"The model{model and f' {model}'} said '{prediction.get('label')}'{share}; it was "
        f"corrected to {labels}."
    )
