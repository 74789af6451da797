"""Notice when a page no longer goes on."""

from __future__ import annotations

import time

__all__ = ["Stillness"]


class Stillness:
    """Judge by many looks at a page whether more may come.

    A page is over where it stands still in spite of four nudges, or has grown three times by nothing but repetitions.
    Time is measured by the clock, so that a busy machine does not cut a page short. A click on a button that asks for
    more begins the count anew, unless the click before brought nothing.

    Args:
        patience: Seconds that a page which stands still may take to go on; a quarter of it before each nudge.
    """

    _NUDGES = 4
    _REPETITIONS = 3

    def __init__(self, patience: float) -> None:
        self._wait = patience / self._NUDGES
        self._nudges = self._repetitions = 0
        self._count = self._position = 0
        self._since = time.monotonic()
        self._clicked = False
        self.nudging = False

    @property
    def over(self) -> bool:
        """Whether the page has been given every chance."""
        return self._nudges >= self._NUDGES or self._repetitions >= self._REPETITIONS

    @property
    def asking(self) -> bool:
        """Whether the page may be asked for more: a click is given time before the next one."""
        return not self._clicked or self._nudges > 0

    def note(self, count: int, position: int, *, fresh: bool, clicked: bool) -> None:
        """Take in one look at the page.

        Args:
            count: How many results it shows.
            position: How far it is scrolled, in pixels.
            fresh: Whether it showed a result, or the picture of one, that was not known before.
            clicked: Whether it was asked for more.
        """
        grown, moved = count > self._count, position != self._position
        self._count, self._position = count, position
        now, self.nudging = time.monotonic(), False
        if fresh:
            self._nudges = self._repetitions = 0
            self._clicked = False
        elif clicked and not self._clicked:
            self._nudges = self._repetitions = 0
        elif grown:
            self._repetitions += 1
        elif not moved:
            if now - self._since < self._wait:
                return
            self._nudges += 1
            self.nudging = True
        self._clicked = self._clicked or clicked
        self._since = now
