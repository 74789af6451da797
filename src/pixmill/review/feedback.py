"""What people corrected the model on: images of the inbox as cases, and what becomes of them.

An image that the pipeline knows is a case like any other, and its decision a line of ``review.csv``. One that is new
is copied to ``data/<class>/``, as ``feedback-<date>-<id>``, so that the manifest tells where it came from; the inbox
keeps it until a commit's ``data.dvc`` holds it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pixmill.core.errors import DataError
from pixmill.core.files.writing import storage_errors, write_durably
from pixmill.images import UndecodableError, read_verified
from pixmill.review.decision_log import DecisionLog, Line, line_of
from pixmill.review.doubts import Case
from pixmill.review.examining import State, examine
from pixmill.review.material import ReviewData
from pixmill.review.review_file import ReviewFile, one_line
from pixmill.serve.correction import Correction
from pixmill.serve.inbox import Entry
from pixmill.validate.decisions import Decision

_NONE = "none of the classes"


class WithInbox:
    """Show new images of an inbox as rows behind those of the manifest.

    Args:
        material: What the pipeline knows.
        entries: As :meth:`pixmill.serve.inbox.Inbox.entries` returns them.
        classes: The declared labels; another label counts as none.
        accepted: The ids of images that were accepted and wait for a commit, so that there is nothing to decide.

    Attributes:
        entries: All of them.
        known: Those in the manifest under another label than people say.
        agreed: Those in the manifest under the very label.
        new: Those that are not in the manifest, by id.
        ids: The id of each row.
        labels: The label of each row.
    """

    def __init__(
        self,
        material: ReviewData,
        entries: Sequence[Entry],
        classes: Sequence[str],
        accepted: Collection[str] = (),
    ) -> None:
        self._material = material
        self.entries = entries
        self.known: list[Entry] = []
        self.agreed: list[Entry] = []
        self.new: dict[str, Entry] = {}
        for entry in entries:
            if entry.id in accepted:
                continue
            if (row := material.row(entry.original)) is None:
                self.new[entry.id] = entry
            else:
                (self.agreed if material.labels[row] == entry.corrections[0].label else self.known).append(entry)
        self._first = len(material.ids)
        self._rows = {name: self._first + place for place, name in enumerate(self.new)}
        self.ids = [*material.ids, *self.new]
        said = [entry.corrections[0].label for entry in self.new.values()]
        self.labels = [*material.labels, *(label if label in classes else None for label in said)]

    def row(self, name: str) -> int | None:
        """Return the row of an image, or ``None`` where there is no such id."""
        return self._rows.get(name, self._material.row(name))

    def facts(self, row: int) -> dict[str, Any]:
        """Return what the page shows of an image; its verdict is ``new`` where it is not in the manifest."""
        if row < self._first:
            return self._material.facts(row)
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
        """Yield a case an image, the last corrected first."""
        shown = [*self.known, *self.new.values()]
        for entry in sorted(shown, key=lambda entry: entry.corrections[0].received, reverse=True):
            row = self.row(entry.id if entry.id in self.new else entry.original)
            assert row is not None
            label, story = entry.corrections[0].label, _story(entry.corrections)
            if entry.id not in self.new:
                why = f"The manifest has it as '{self.labels[row] or 'conflicting'}'. Your decision goes to review.csv."
                yield Case("feedback", "Feedback: known image", f"{story} {why}", (row,), suggestion=label)
                continue
            why = "Accept it to put it into data/, or drop it for good."
            if label is not None and self.labels[row] is None:
                why = f"'{label}' is not one of the classes: choose one, or drop it."
            yield Case("feedback", "Feedback: new image", f"{story} {why}", (row,))


class InboxLedger:
    """Carry decisions out: those on new images in ``data/`` and the inbox, all others in ``review.csv``.

    Nothing is lost if the process is killed, or if what is not committed is removed: an accepted image stays in the
    inbox until :meth:`release` finds it in a commit, and each decision is noted in a journal until then.

    Args:
        ledger: ``review.csv``.
        images: The images, those of the inbox as well.
        folder: Where the class folders lie.
        journal: Notes what is decided, for the time until a commit holds it; kept with the inbox.
    """

    def __init__(self, ledger: ReviewFile, images: WithInbox, folder: Path, journal: DecisionLog) -> None:
        self._ledger = ledger
        self._inbox = journal.inbox
        self._journal = journal
        self._images = images
        self._folder = folder
        self._taken: dict[str, Decision] = {}

    def read(self) -> Mapping[str, Decision]:
        """Return all decisions, by id.

        Raises:
            ReviewError: A line of ``review.csv`` is malformed.
        """
        return {**self._ledger.read(), **self._taken}

    def change(self, changes: Mapping[str, Decision | None]) -> dict[str, Decision | None]:
        """Carry decisions out, and return what they were before; ``None`` takes one back.

        Raises:
            DataError: An image of the inbox is no longer what it was.
            LockedError: Another process holds ``review.csv`` or the inbox.
            ReviewError: A line of ``review.csv`` is malformed.
            StorageError: The disk is full, or a file may not be written.
        """
        others = {name: decision for name, decision in changes.items() if name not in self._images.new}
        before = self._change_lines(others) if others else {}
        for name in changes.keys() - others.keys():
            before[name] = self._carry_out(self._images.new[name], changes[name])
        return before

    def count(self) -> tuple[int, int]:
        """Return how many new images lie in ``data/`` now, and how many were dropped."""
        dropped = sum(decision.verb == "drop" for decision in self._taken.values())
        return len(self._taken) - dropped, dropped

    def settle(self) -> None:
        """Take out of the inbox what needs no decision, what was dropped, and known images that were decided.

        Raises:
            LockedError: Other processes kept the inbox locked.
            StorageError: It may not be written.
        """
        decided = self.read()
        done = [*self._images.agreed, *(entry for entry in self._images.known if entry.original in decided)]
        if done or self._inbox.dropped_ids():
            self._inbox.remove([name for entry in done for name in entry.names])

    def release(self) -> State:
        """Take accepted images out of the inbox that a commit holds, and return what has become of decisions.

        Raises:
            DataError: A line of the journal is malformed.
            LockedError: Other processes kept the inbox locked.
            StorageError: It may not be written.
        """
        state = examine(self._journal)
        names = {entry.id: entry.names for entry in self._images.entries}
        # What came later was not seen by whoever accepted the image.
        done = [name for item in state.accepted for name in names.get(item.image, ())[-item.corrections :]]
        if done:
            self._inbox.remove(done)
        self._journal.forget([*state.accepted, *state.written])
        return state

    def _change_lines(self, changes: Mapping[str, Decision | None]) -> dict[str, Decision | None]:
        now = self._ledger.read()
        # Noted first, so that at no time review.csv has a line of which nobody would know that it is missing.
        self._journal.change(
            {name: (_line(now.get(name)), _line(decision and one_line(decision))) for name, decision in changes.items()}
        )
        return self._ledger.change(changes)

    def _carry_out(self, entry: Entry, decision: Decision | None) -> Decision | None:
        before = self._taken.get(entry.id)
        old, new = self._path(entry, before), self._path(entry, decision)
        if new is not None and new != old:
            try:
                content = read_verified(self._inbox.read_image(entry), entry.id)
            except UndecodableError as error:
                place = f"{self._inbox.place}/{entry.names[0]}"
                raise DataError(f"{place} cannot be accepted: {error.reason}", next="drop it") from None
            # Noted first, so that at no time an image lies in data/ of which nobody would know that it is missing.
            self._journal.accept(entry.id, new, content, len(entry.corrections))
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
            self._journal.forget(item for item in self._journal.read()[0].values() if item.image == entry.id)
        if decision is None:
            self._taken.pop(entry.id, None)
        else:
            self._taken[entry.id] = decision
        return before

    def _path(self, entry: Entry, decision: Decision | None) -> Path | None:
        """Return the file that a decision makes of an image; nothing of a client's becomes part of it."""
        if decision is None or decision.verb == "drop":
            return None
        row = self._images.row(entry.id)
        label = decision.label or (None if row is None else self._images.labels[row])
        if label is None:
            raise ValueError(f"expected a label, received {decision}")
        newest = entry.corrections[0]
        return self._folder / label / f"feedback-{newest.received:%Y-%m-%d}-{entry.id[:16]}.{newest.extension}"


def _story(corrections: Sequence[Correction]) -> str:
    """Return in a sentence what the model said, and what people say."""
    newest = corrections[0]
    model = " ".join(str(newest.model[key]) for key in ("name", "version") if newest.model.get(key))
    told = newest.prediction
    doubt = ", unlike the training images" if told.get("unlike") else ", not sure" if told.get("sure") is False else ""
    confidence = told.get("confidence")
    share = f" ({confidence:.0%}{doubt})" if isinstance(confidence, int | float) else ""
    labels = ", ".join(dict.fromkeys(f"'{item.label}'" if item.label else _NONE for item in corrections))
    return f"The model{model and f' {model}'} said '{told.get('label')}'{share}; users say {labels}."


def _line(decision: Decision | None) -> Line | None:
    if decision is None:
        return None
    return line_of(decision.image, decision.verb, decision.label, decision.by, decision.why)
