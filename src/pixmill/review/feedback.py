"""What people corrected the model on: images of the inbox as cases, and what becomes of them.

An image that the pipeline knows is a case like any other, and its decision a line of ``review.csv``. One that is new
is copied to ``data/<class>/``, as ``feedback-<date>-<id>``, so that the manifest tells where it came from; the inbox
keeps it until a commit's ``data.dvc`` holds it.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixmill.core.errors import DataError, PixmillError
from pixmill.core.files import storage_errors, sync_folder, write_durably
from pixmill.core.params import Params
from pixmill.images import UndecodableError, read_verified
from pixmill.review.decision_log import DecisionLog, Line, line_of
from pixmill.review.doubts import Case
from pixmill.review.examining import State, examine, find_in
from pixmill.review.material import ReviewData
from pixmill.review.review_file import one_line
from pixmill.review.review_session import Decisions, ImageTable
from pixmill.serve.correction import Correction
from pixmill.serve.inbox import Entry
from pixmill.validate.decisions import Decision

_NONE = "none of the classes"


@dataclass(frozen=True)
class Feedback:
    """The entries of an inbox by what can be done with them.

    Args:
        known: In the manifest, under another label than people say.
        agreed: In the manifest, under the very label.
        waiting: In ``data/``, but not in the manifest yet.
        new: All others.
        accepted: Accepted before, so that there is nothing to decide; not among the others.
    """

    known: tuple[Entry, ...]
    agreed: tuple[Entry, ...]
    waiting: tuple[Entry, ...]
    new: tuple[Entry, ...]
    accepted: tuple[Entry, ...] = ()


def sort_feedback(
    entries: Sequence[Entry], material: ReviewData, data: Path, accepted: Collection[str] = ()
) -> Feedback:
    """Compare the entries of an inbox with the manifest, and with the files in ``data/``.

    Args:
        entries: As :meth:`pixmill.serve.inbox.Inbox.entries` returns them.
        material: What the pipeline knows.
        data: The folder of people's images.
        accepted: The ids of images that were accepted, and wait for a commit.
    """
    done = tuple(entry for entry in entries if entry.id in accepted)
    entries = [entry for entry in entries if entry.id not in accepted]
    rows = [(entry, material.row(entry.original)) for entry in entries]
    there = find_in(data, {entry.id: entry.corrections[0].bytes for entry, row in rows if row is None})
    agreed = {entry.id for entry, row in rows if row is not None and material.labels[row] == _label(entry)}
    return Feedback(
        known=tuple(entry for entry, row in rows if row is not None and entry.id not in agreed),
        agreed=tuple(entry for entry in entries if entry.id in agreed),
        waiting=tuple(entry for entry in entries if entry.id in there),
        new=tuple(entry for entry, row in rows if row is None and entry.id not in there),
        accepted=done,
    )


class WithInbox:
    """Show new images of an inbox as rows behind those of the manifest.

    Args:
        material: What the pipeline knows.
        feedback: The entries.
        classes: The declared labels; another label counts as none.
    """

    def __init__(self, material: ReviewData, feedback: Feedback, classes: Sequence[str]) -> None:
        self._material: ImageTable = material
        self._feedback = feedback
        self._new = feedback.new
        self._first = len(material.ids)
        self._rows = {entry.id: self._first + place for place, entry in enumerate(self._new)}
        self.ids = [*material.ids, *self._rows]
        said = [_label(entry) for entry in self._new]
        self.labels = [*material.labels, *(label if label in classes else None for label in said)]

    def row(self, name: str) -> int | None:
        """Return the row of an image, or ``None`` where there is no such id."""
        return self._rows.get(name, self._material.row(name))

    def facts(self, row: int) -> dict[str, Any]:
        """Return what the page shows of an image; its verdict is ``new`` where it is not in the manifest."""
        if row < self._first:
            return self._material.facts(row)
        entry = self._new[row - self._first]
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
        for entry in sorted(
            (*self._feedback.known, *self._new), key=lambda entry: entry.corrections[0].received, reverse=True
        ):
            is_new = entry.id in self._rows
            row = self.row(entry.id if is_new else entry.original)
            if row is None:
                raise ValueError(f"expected an image of the inbox, received {entry.id}")
            said = _label(entry)
            if is_new:
                title = "Feedback: new image"
                then = "Accept it to put it into data/, or drop it for good."
                if said is not None and self.labels[row] is None:
                    then = f"'{said}' is not one of the classes: choose one, or drop it."
                suggestion = None
            else:
                title = "Feedback: known image"
                then = (
                    f"The image is in the manifest already, labelled '{self.labels[row] or 'conflicting'}', so it is "
                    "not moved: your decision goes to review.csv. Keep it if its label is right."
                )
                suggestion = said
            yield Case("feedback", title, f"{_story(entry.corrections)} {then}", (row,), suggestion=suggestion)


class InboxLedger:
    """Carry decisions out: those on new images in ``data/`` and the inbox, all others in ``review.csv``.

    Nothing is lost if the process is killed, or if what is not committed is removed: an accepted image stays in the
    inbox until :meth:`settle` finds it in a commit, and each decision is noted in a journal until then.

    Args:
        ledger: ``review.csv``.
        feedback: The entries of the inbox.
        images: Tells the labels of the new images.
        folder: Where the class folders lie.
        journal: Notes what is decided, for the time until a commit holds it; kept with the inbox.
    """

    def __init__(
        self,
        ledger: Decisions,
        feedback: Feedback,
        images: ImageTable,
        folder: Path,
        journal: DecisionLog,
    ) -> None:
        self._ledger = ledger
        self._inbox = journal.inbox
        self._journal = journal
        self._feedback = feedback
        self._images = images
        self._folder = folder
        self._new = {entry.id: entry for entry in feedback.new}
        self._written: Mapping[str, Decision] | None = None
        self._taken: dict[str, Decision] = {}
        self._all: dict[str, Decision] = {}
        self.touched: float | None = None
        """When an image was last put into ``data/`` or taken out, in seconds; ``None`` if DVC has seen it since."""

    def read(self) -> Mapping[str, Decision]:
        """Return all decisions, by id; the same object until they change.

        Raises:
            ReviewError: A line of ``review.csv`` is malformed.
        """
        written = self._ledger.read()
        if written is not self._written:
            self._written, self._all = written, {**written, **self._taken}
        return self._all

    def change(self, changes: Mapping[str, Decision | None]) -> dict[str, Decision | None]:
        """Carry decisions out, and return what they were before; ``None`` takes one back.

        Raises:
            DataError: An image of the inbox is no longer what it was.
            LockedError: Another process holds ``review.csv`` or the inbox.
            ReviewError: A line of ``review.csv`` is malformed.
            StorageError: The disk is full, or a file may not be written.
        """
        others = {name: decision for name, decision in changes.items() if name not in self._new}
        before = self._change_lines(others) if others else {}
        for name in changes.keys() - others.keys():
            before[name] = self._carry_out(self._new[name], changes[name])
        return before

    def count_moved(self) -> int:
        """Return how many new images lie in ``data/`` now."""
        return len(self._taken) - self.count_dropped()

    def count_dropped(self) -> int:
        """Return how many new images were dropped."""
        return sum(decision.verb == "drop" for decision in self._taken.values())

    def mark_added(self, at: float) -> None:
        """Note that DVC has seen ``data/`` as it was at a time."""
        if self.touched == at:
            self.touched = None

    def keeps(self, name: str) -> bool:
        """Tell whether decisions on an image are kept here, and not in ``review.csv``."""
        return name in self._new

    def settle(self) -> None:
        """Take out of the inbox what needs no decision, what was dropped, and known images that were decided.

        Raises:
            LockedError: Other processes kept the inbox locked.
            StorageError: It may not be written.
        """
        decided = self.read()
        done = [entry for entry in self._feedback.known if entry.original in decided]
        done += self._feedback.agreed
        if done or self._inbox.dropped_ids():
            self._inbox.remove([name for entry in done for name in entry.names])

    def release(self) -> State:
        """Take accepted images out of the inbox that a commit holds, and return what has become of what was decided.

        Raises:
            LockedError: Other processes kept the inbox locked.
            StorageError: It may not be written.
        """
        state = examine(self._journal)
        entries = {entry.id: entry for entry in (*self._feedback.accepted, *self._feedback.new)}
        # What came later was not seen by whoever accepted it.
        done = [
            name
            for item in state.committed
            if (entry := entries.get(item.image))
            for name in entry.names[-item.corrections :]
        ]
        if done:
            self._inbox.remove(done)
        self._journal.forget((item.image for item in state.committed), (item.image for item in state.written))
        return state

    def sweep(self) -> None:
        """Remove what a killed review left half-written in the class folders."""
        with self._inbox.lock(then="pixmill review"):
            for path in self._folder.glob("*/.part-*-feedback-*"):
                path.unlink()

    def _change_lines(self, changes: Mapping[str, Decision | None]) -> dict[str, Decision | None]:
        now = self._ledger.read()
        lines = {
            name: (_line(now.get(name)), _line(one_line(decision) if decision else None))
            for name, decision in changes.items()
        }
        # Noted first, so that at no time review.csv has a line of which nobody would know that it is missing.
        self._journal.change(lines)
        try:
            return self._ledger.change(changes)
        except PixmillError:
            self._journal.change({name: (new, old) for name, (old, new) in lines.items()})
            raise

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
            try:
                with self._inbox.lock(then="repeat the decision"):
                    new.parent.mkdir(parents=True, exist_ok=True)
                    write_durably(new, content)
                    sync_folder(self._folder)
            except PixmillError:
                if old is None:
                    self._journal.forget(accepted=[entry.id])
                raise
        if decision is not None and decision.verb == "drop":
            self._inbox.drop([entry.id])
        elif before is not None and before.verb == "drop":
            self._inbox.restore(entry.id)
        if new != old:
            self.touched = time.monotonic()
        if old is not None and new != old:
            with storage_errors(then="repeat the decision"):
                old.unlink(missing_ok=True)
                sync_folder(old.parent)
            if new is None:
                self._journal.forget(accepted=[entry.id])
        if decision is None:
            self._taken.pop(entry.id, None)
        else:
            self._taken[entry.id] = decision
        self._written = None
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


def unread(params: Params) -> str | None:
    """Return the line of ``params.yaml`` that has ``data/`` read, or ``None`` where all classes are read from there."""
    scrape = params.scrape
    for label in params.classes:
        sources = scrape.source_by_class.get(label, scrape.source)
        if not {"folder", "shop"}.intersection(sources):
            key = f"source_by_class.{label}" if label in scrape.source_by_class else "source"
            return f"scrape.{key}: [{', '.join([*sources, 'folder'])}]"
    return None


def _label(entry: Entry) -> str | None:
    return entry.corrections[0].label


def _story(corrections: Sequence[Correction]) -> str:
    """Return in a sentence what the model said, and what people say."""
    newest = corrections[0]
    model = " ".join(str(newest.model[key]) for key in ("name", "version") if newest.model.get(key))
    told = newest.prediction
    said, confidence = told.get("label"), told.get("confidence")
    doubt = ", unlike the training images" if told.get("unlike") else ", not sure" if told.get("sure") is False else ""
    share = f" ({confidence:.0%}{doubt})" if isinstance(confidence, int | float) else ""
    counts = Counter(f"'{item.label}'" if item.label else _NONE for item in corrections)
    times = ", ".join(f"{label} ({count} times)" if count > 1 else label for label, count in counts.items())
    return f"The model{model and f' {model}'} said '{said}'{share}; users say {times}."


def _line(decision: Decision | None) -> Line | None:
    if decision is None:
        return None
    return line_of(decision.image, decision.verb, decision.label, decision.by, decision.why)
