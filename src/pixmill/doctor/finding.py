"""What came of one look at what a run needs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "State"]


class State(StrEnum):
    """Say how grave a finding is."""

    OK = "ok"
    WARNING = "warning"
    """A run may do without it, or with less."""
    BAD = "bad"
    """A run will fail."""


@dataclass(frozen=True)
class Finding:
    """Hold what came of one look.

    Args:
        name: What was looked at.
        state: How grave it is.
        words: What was found.
        next: The command or edit that mends it; ``None`` where nothing is amiss.
    """

    name: str
    state: State
    words: str
    next: str | None = None
