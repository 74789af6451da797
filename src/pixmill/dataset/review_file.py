"""Read and change ``review.csv``, one decision per line."""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pixmill.core.errors import LockedError
from pixmill.core.files.writing import hold_lock, storage_errors, write_text
from pixmill.core.words import printable
from pixmill.dataset.decision_log import Line, make_line
from pixmill.validate.decisions import (
    Decision,
    Names,
    match_decisions,
    read_decisions,
    render_decisions,
)

_LOCK_TIMEOUT_SECONDS = 10.0


class ReviewFile:
    """The current ``review.csv``; other programs may edit it between two decisions.

    Args:
        path: The file.
        classes: Declared labels.
        names: Returns the images that decisions may refer to, with their names; called when the
            file has changed.
        lock: Lock file for writers.
    """

    def __init__(
        self,
        path: Path,
        classes: Sequence[str],
        names: Callable[[Iterable[Decision]], Iterable[Names]],
        *,
        lock: Path,
    ) -> None:
        self._path = path
        self._classes = tuple(classes)
        self._names = names
        self._lock = lock
        self._decisions: tuple[Decision, ...] | None = None
        self._matched: dict[str, Decision] = {}

    def read(self) -> Mapping[str, Decision]:
        """Return the decisions on existing images by id; the same object until the file changes.

        Raises:
            DecisionsError: A line is malformed, or two lines refer to the same image.
        """
        decisions = read_decisions(self._path, self._classes)
        if decisions != self._decisions:
            self._matched, _ = match_decisions(decisions, self._names(decisions))
            self._decisions = decisions
        return self._matched

    def lines(
        self, changes: Mapping[str, Decision | None]
    ) -> dict[str, tuple[Line | None, Line | None]]:
        """Return the line of each image before and after changes, for the log; arguments as for :meth:`change`."""
        now = self.read()
        return {
            name: (_line(now.get(name)), _line(after and one_line(after)))
            for name, after in changes.items()
        }

    def change(self, changes: Mapping[str, Decision | None]) -> dict[str, Decision | None]:
        """Write decisions, one line per image, sorted by image; other lines stay.

        Args:
            changes: New decisions by id; ``None`` clears a decision.

        Returns:
            The earlier decisions on these images.

        Raises:
            LockedError: Another `pixmill review` has locked the file.
            DecisionsError: The file is malformed; nothing was written.
            StorageError: The disk is full, or the file may not be written.
        """
        with (
            storage_errors(then="repeat the decision"),
            lock_decisions(self._lock, then="stop it, then decide again"),
        ):
            decisions = self.read()  # without changes, too: they are written below
            before = {name: decisions.get(name) for name in changes}
            # After a merge, the file may have a line twice.
            replaced = [replace(decision, line=0) for decision in before.values() if decision]
            kept = [item for item in self._decisions or () if replace(item, line=0) not in replaced]
            added = [one_line(item) for item in changes.values() if item]
            write_text(self._path, render_decisions([*kept, *added]))
            return before


def lock_decisions(path: Path, *, then: str) -> contextlib.AbstractContextManager[None]:
    """Lock ``review.csv`` against other reviews during the block.

    Args:
        path: Lock file.
        then: Next step, for the message.

    Raises:
        LockedError: Another `pixmill review` held the lock for ten seconds.
    """
    refusal = LockedError(
        f"another `pixmill review` has locked review.csv for {_LOCK_TIMEOUT_SECONDS:g} seconds",
        next=then,
    )
    return hold_lock(path, refusal, timeout=_LOCK_TIMEOUT_SECONDS)


def one_line(decision: Decision) -> Decision:
    """Return a decision without line ends and invisible characters."""
    by, why = (printable(text, instead=" ") for text in (decision.by, decision.why))
    return replace(decision, by=by, why=why)


def _line(decision: Decision | None) -> Line | None:
    if decision is None:
        return None
    return make_line(decision.image, decision.verb, decision.label, decision.by, decision.why)
