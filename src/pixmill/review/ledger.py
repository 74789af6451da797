"""The ledger of decisions: ``review.csv`` as it lies there now, changed line by line and never in the dark."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pixmill.errors import LockedError
from pixmill.files import replacing, storage_errors
from pixmill.validate.decisions import HEADER, Decision, Names, match_decisions, read_decisions, render_decisions

__all__ = ["Entry", "Ledger"]

_PATIENCE = 10.0
"""Seconds to wait for another `pixmill review` that is writing."""


@dataclass(frozen=True)
class Entry:
    """Hold a line of the ledger.

    Args:
        decision: What it says.
        text: How it is written, without the end of the line; other people's quoting is theirs.
    """

    decision: Decision
    text: str


class _Edited(Exception):  # noqa: N818 (what somebody did, in one word)
    """Say that the file was saved by another program while a change of it was being made."""


class Ledger:
    """Read and change ``review.csv``, which people edit in other programs meanwhile.

    Args:
        path: The file.
        classes: The declared labels.
        names: Returns the pictures that decisions may mean, with their names; called when the file has changed.
        lock: A file that whoever writes holds locked.
    """

    def __init__(
        self, path: Path, classes: Sequence[str], names: Callable[[Iterable[Decision]], Iterable[Names]], *, lock: Path
    ) -> None:
        self._path = path
        self._classes = tuple(classes)
        self._names = names
        self._lock = lock
        self._content: bytes | None = None
        self._lines: list[tuple[Entry, str | None]] = []
        """Every line but the header, with the id of its picture where that is there."""
        self._found: dict[str, Entry] = {}

    def read(self) -> Mapping[str, Entry]:
        """Return the decisions on pictures that are there, by id, as the file has them now; the same object until then.

        Raises:
            ReviewError: A line is malformed, or two mean the same picture.
        """
        content = self._bytes()
        if content != self._content:
            decisions = read_decisions(self._path, self._classes)
            if self._bytes() != content:
                # Somebody saved it between the two looks.
                return self.read()
            matched, _ = match_decisions(decisions, self._names(decisions))
            # A line may be there twice, after a merge.
            meant = {replace(decision, line=0): name for name, decision in matched.items()}
            entries = map(Entry, decisions, _texts(content, decisions))
            self._know(content, [(entry, meant.get(replace(entry.decision, line=0))) for entry in entries])
        return self._found

    def change(self, changes: Mapping[str, Entry | Decision | None]) -> dict[str, Entry | None]:
        """Write decisions, sorted by picture, one line each; all other lines stay as they are.

        Args:
            changes: What the ledger shall say of each picture, by id; ``None`` takes a decision back.

        Returns:
            What it said of them before.

        Raises:
            LockedError: Another `pixmill review` holds the file.
            ReviewError: What lies there now is malformed; nothing was written.
            StorageError: The disk is full, or the file may not be written.
        """
        with self._alone(), storage_errors(then="the same decision again"):
            while True:
                with contextlib.suppress(_Edited):
                    return self._change(changes)

    def _change(self, changes: Mapping[str, Entry | Decision | None]) -> dict[str, Entry | None]:
        found, base = self.read(), self._content
        lines = [(entry, name) for entry, name in self._lines if name not in changes]
        lines += [(_entry(item), name) for name, item in changes.items() if item is not None]
        lines.sort(key=lambda line: line[0].decision.picture)
        content = "".join(f"{text}\n" for text in (",".join(HEADER), *(entry.text for entry, _ in lines))).encode()
        with replacing(self._path) as temporary:
            temporary.write_bytes(content)
            # What cannot be read back is not put in place.
            written = read_decisions(temporary, self._classes)
            if self._bytes() != base:
                raise _Edited
        numbered = zip(lines, written, strict=True)
        self._know(content, [(replace(entry, decision=decision), name) for (entry, name), decision in numbered])
        return {name: found.get(name) for name in changes}

    def _know(self, content: bytes, lines: list[tuple[Entry, str | None]]) -> None:
        self._content, self._lines = content, lines
        self._found = {name: entry for entry, name in lines if name is not None}

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        import filelock

        try:
            with filelock.FileLock(self._lock, timeout=_PATIENCE):
                yield
        except filelock.Timeout:
            raise LockedError(
                f"another `pixmill review` has been writing {self._path.name} for {_PATIENCE:g} seconds",
                next="end it, then decide again",
            ) from None

    def _bytes(self) -> bytes:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return b""
        except IsADirectoryError:
            read_decisions(self._path, self._classes)  # tells it in words
            raise


def _entry(item: Entry | Decision) -> Entry:
    if isinstance(item, Entry):
        return item
    item = replace(item, by=_visible(item.by), why=_visible(item.why))
    return Entry(item, render_decisions([item]).splitlines()[1])


def _visible(text: str) -> str:
    """Return what a person typed without line ends and what else nobody sees: one decision is one line."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _texts(content: bytes, decisions: Sequence[Decision]) -> Iterator[str]:
    """Yield how each decision is written, with Unix line ends."""
    # As the csv module counts them: a field may hold line ends.
    lines = list(io.StringIO(content.decode("utf-8-sig"), newline=""))
    ends = [decision.line - 1 for decision in decisions[1:]] + [len(lines)]
    for decision, end in zip(decisions, ends, strict=True):
        while not lines[end - 1].strip(", \t\r\n"):
            end -= 1
        yield "".join(lines[decision.line - 1 : end]).replace("\r\n", "\n").replace("\r", "\n").strip("\n")
