"""When the next request to a host may start."""

from __future__ import annotations

import random

__all__ = ["Pace"]


class Pace:
    """Keep a distance between the requests to one host, and the pauses that it asks for.

    All times are seconds of one clock that never goes back.

    Args:
        gap: The least time between the starts of two requests; 0 for none.
        jitter: The share, 0 to 1, by which each gap is lengthened at random, so that no rhythm arises.
    """

    __slots__ = ("_gap", "_jitter", "_next", "_until")

    def __init__(self, gap: float = 0.0, jitter: float = 0.0) -> None:
        self._gap = gap
        self._jitter = jitter
        self._next = 0.0
        self._until = 0.0

    def widen(self, gap: float) -> None:
        """Keep at least this distance from now on."""
        self._gap = max(self._gap, gap)

    def hold(self, until: float) -> None:
        """Start no request before a moment."""
        self._until = max(self._until, until)

    def is_free(self, now: float) -> bool:
        """Whether requests may start as they come."""
        return self._gap == 0.0 and now >= self._until

    def wait(self, now: float) -> float:
        """Return the seconds until the next request may start; 0 or less where it may."""
        return max(self._next, self._until) - now

    def start(self, now: float) -> None:
        """Start a request."""
        lengthened = 1.0 + self._jitter * random.random()  # noqa: S311 (it guards nothing)
        self._next = now + self._gap * lengthened
