"""Leave a host alone that does not answer, or that is too busy for us."""

from __future__ import annotations

import math

__all__ = ["PATIENCE", "Breaker"]

PATIENCE = 5
"""Failures in a row after which a host is left alone for the rest of the run."""


class Breaker:
    """Count the failures of one host in a row.

    Requests that were under way together when the host failed count once: eight refusals at the same moment say no
    more than one does.
    """

    __slots__ = ("_failed_at", "failures")

    def __init__(self) -> None:
        self.failures = 0
        self._failed_at = -math.inf

    @property
    def is_open(self) -> bool:
        """Whether the host is left alone."""
        return self.failures >= PATIENCE

    def failed(self, began: float, now: float) -> None:
        """Count a request that failed.

        Args:
            began: When it began, in seconds of one clock that never goes back.
            now: The same clock, now.
        """
        if began >= self._failed_at:
            self.failures += 1
            self._failed_at = now

    def succeeded(self) -> None:
        """Forget the failures: the host answers. One that is left alone stays so."""
        if not self.is_open:
            self.failures = 0
