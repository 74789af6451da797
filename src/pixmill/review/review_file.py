"""The ledger of decisions: ``review.csv`` as it lies there now, one decision a line."""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pixmill.core.errors import LockedError
from pixmill.core.files.writing import hold_lock, storage_errors, write_text
from pixmill.core.words import printable
from pixmill.validate.decisions import Decision, Names, match_decisions, read_decisions, render_decisions

_PATIENCE = 10.0
"""Seconds to wait for another `pixmill review` that is writing."""


class ReviewFile:
    """Read and change ``review.csv``, which people may edit in other programs between two decisions.

    Args:
        path: The file.
        classes: The declared labels.
        names: Returns the images that decisions may mean, with their names; called when the file has changed.
        lock: A file that whoever writes holds locked.
    """

    def __init__(
        self, path: Path, classes: Sequence[str], names: Callable[[Iterable[Decision]], Iterable[Names]], *, lock: Path
    ) -> None:
        self._path = path
        self._classes = tuple(classes)
        self._names = names
        self._lock = lock
        self._decisions: tuple[Decision, ...] | None = None
        self._matched: dict[str, Decision] = {}

    def read(self) -> Mapping[str, Decision]:
        """Return the decisions on images that are there, by id, as the file has them now; the same object until then.

        Raises:
            ReviewError: A line is malformed, or two mean the same image.
        """
        decisions = read_decisions(self._path, self._classes)
        if decisions != self._decisions:
            self._matched, _ = match_decisions(decisions, self._names(decisions))
            self._decisions = decisions
        return self._matched

    def change(self, changes: Mapping[str, Decision | None]) -> dict[str, Decision | None]:
        """Write decisions, sorted by image, one line each; what the other lines say stays.

        Args:
            changes: What the ledger shall say of each image, by id; ``None`` takes a decision back.

        Returns:
            What it said of them before.

        Raises:
            LockedError: Another `pixmill review` holds the file.
            ReviewError: What lies there now is malformed; nothing was written.
            StorageError: The disk is full, or the file may not be written.
        """
        with storage_errors(then="repeat the decision"), lock_decisions(self._lock, then="stop it, then decide again"):
            before = {name: self.read().get(name) for name in changes}
            # A line may be there twice, after a merge.
            replaced = [replace(decision, line=0) for decision in before.values() if decision]
            kept = [item for item in self._decisions or () if replace(item, line=0) not in replaced]
            added = [one_line(item) for item in changes.values() if item]
            write_text(self._path, render_decisions([*kept, *added]))
            return before


def lock_decisions(path: Path, *, then: str) -> contextlib.AbstractContextManager[None]:
    """Keep other reviews from writing ``review.csv`` during the block.

    Args:
        path: The lock file.
        then: The next step, for the message.

    Raises:
        LockedError: Another `pixmill review` held it for ten seconds.
    """
    refusal = LockedError(f"another `pixmill review` has locked review.csv for {_PATIENCE:g} seconds", next=then)
    return hold_lock(path, refusal, timeout=_PATIENCE)


def one_line(decision: Decision) -> Decision:
    """Return a decision without line ends and what else nobody sees: one decision is one line."""
    by, why = (printable(text, instead=" ") for text in (decision.by, decision.why))
    return replace(decision, by=by, why=why)
