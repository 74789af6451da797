"""Progress of long work: a bar on a terminal, plain periodic lines elsewhere."""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Self, TextIO, TypeVar

from pixmill.core.process.stage_progress import report_progress

Item = TypeVar("Item")

_LINE_SECONDS = 10.0
"""Seconds between lines without a terminal."""

_DELAY_SECONDS = 1.0
"""Seconds before a bar appears."""


class Progress:
    """A progress bar on standard error, which also updates the stage's progress file.

    Args:
        what: Short name of the work (``"Decode"``).
        total: Number of units; ``None`` if unknown.
        unit: The unit, in the singular (``"image"``).
        stream: Output stream; default: standard error.
    """

    def __init__(
        self, what: str, total: int | None = None, *, unit: str = "image", stream: TextIO | None = None
    ) -> None:
        from tqdm import tqdm

        self.what, self.total, self.unit = what, total, unit
        self.done = 0
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._last = time.monotonic()
        self._printed = False
        self._note = ""
        self._bar = tqdm(
            total=total,
            desc=what,
            unit=f" {unit}",
            file=self._stream,
            disable=not self._terminal,
            delay=_DELAY_SECONDS,
            dynamic_ncols=True,
            leave=False,
        )
        report_progress(what, 0, total, unit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def expect(self, count: int) -> None:
        """Add units to the total."""
        self.total = (self.total or 0) + count
        # Do not redraw: tqdm does not clear a bar that is drawn before its delay is over.
        self._bar.total = self.total

    def advance(self, count: int = 1, note: str = "") -> None:
        """Add finished units.

        Args:
            count: Number of units.
            note: Short text after the count (``"loss 0.41"``).
        """
        self.done += count
        self._note = note
        report_progress(self.what, self.done, self.total, self.unit)
        if self._terminal:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(count)
        elif time.monotonic() - self._last >= _LINE_SECONDS:
            self._line()

    def close(self) -> None:
        """Close the bar, or print the last count if lines were printed."""
        self._bar.close()
        if self._printed and not self._terminal:
            self._line()

    def _line(self) -> None:
        self._last, self._printed = time.monotonic(), True
        count = f"{self.done:,}" if self.total is None else f"{self.done:,} of {self.total:,}"
        note = f" ({self._note})" if self._note else ""
        print(f"{self.what}: {count} {self.unit}s{note}", file=self._stream, flush=True)


def track(items: Iterable[Item], what: str, total: int | None = None, *, unit: str = "image") -> Iterator[Item]:
    """Yield the items and show progress."""
    with Progress(what, total, unit=unit) as progress:
        for item in items:
            yield item
            progress.advance()


_quiet = False


@contextlib.contextmanager
def only_warnings() -> Iterator[None]:
    """Suppress announcements other than warnings during the block."""
    global _quiet
    before, _quiet = _quiet, True
    try:
        yield
    finally:
        _quiet = before


def announce(text: str) -> None:
    """Print a line on standard error, above any progress bars."""
    from tqdm import tqdm

    if not _quiet or text.startswith("warning"):
        tqdm.write(text, file=sys.stderr)
