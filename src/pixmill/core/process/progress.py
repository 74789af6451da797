"""Progress of long work: a bar on a terminal, lines elsewhere, a file for other processes.

``.pixmill/progress/<stage>-<workspace>.json`` exists while a stage runs. A failed stage records its
error there; a killed stage leaves the file with the id of a dead process. ``<stage>.seconds`` is
how long its last complete run took, and how long without work whose results are kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, TextIO, TypeVar

from pixmill.core.files.workspace import STAGES
from pixmill.core.files.writing import write_text
from pixmill.core.words import count, describe_seconds, printable_lines

_WRITE_SECONDS = 0.5
"""Minimum seconds between writes."""

_START_TOLERANCE = 2.0
"""Seconds by which two readings of a process's start time may differ, in case the clock was set."""

_MAX_ERROR_CHARACTERS = 2000

_LEAST_SHARE = 0.1
"""Share of the units from which their rate says how long the others take."""


@dataclass(frozen=True)
class StageProgress:
    """The progress of a running or failed stage.

    Args:
        stage: The stage's name.
        root: Its folder: the project's, or the temporary copy of ``dvc exp run --temp``.
        pid: Id of its process.
        started: Start of that process in seconds since 1970, since process ids are reused.
        since: Start of the stage in seconds since 1970.
        what: Short name of the current work (``Decode``), or an empty string.
        count: Number of finished units.
        total: Number of units; ``None`` if unknown.
        unit: The unit, in the singular (``image``); empty if the work has none.
        note: Short text on the work so far (``best 0.85``).
        begun: Start of the current work in seconds since 1970.
        first: Number of units that do not count for the rate: those finished before the current
            work began, then those finished at ``first_at``, which waited for processes to start.
        first_at: When the first units were finished; 0 before.
        is_kept: Whether later runs use the results of the current work instead of repeating it.
        kept: Seconds that earlier such work took.
        failed: The error of a failed stage; ``None`` if it runs or was killed.
    """

    stage: str
    root: str
    pid: int
    started: float
    since: float
    what: str = ""
    count: int = 0
    total: int | None = None
    unit: str = ""
    note: str = ""
    begun: float = 0.0
    first: int = 0
    first_at: float = 0.0
    is_kept: bool = False
    kept: float = 0.0
    failed: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether its process is alive and has not failed."""
        return self.failed is None and is_same_process(self.pid, self.started)

    def describe(self) -> str:
        """Return the progress, such as ``Decode: 120 of 1,250 images``; empty if unknown."""
        if not self.unit:
            return self.what
        return _describe(self.what, self.count, self.total, self.unit, self.note)

    def work_left(self, now: float) -> float | None:
        """Return the seconds until the current work ends, by its rate; ``None`` if unknown.

        Args:
            now: The time in seconds since 1970.
        """
        return _work_left(now - self.first_at, self.count, self.total, self.first)

    def own_seconds(self, now: float) -> float:
        """Return for how many seconds the stage does what each run repeats.

        Args:
            now: The time in seconds since 1970.
        """
        return now - self.started - self.kept - self.is_kept * (now - self.begun)


def _describe(what: str, done: int, total: int | None, unit: str, note: str) -> str:
    units = count(done, unit) if total is None else f"{done:,} of {count(total, unit)}"
    return f"{what}: {units}" + (f" ({note})" if note else "")


def _work_left(elapsed: float, count: int, total: int | None, first: int) -> float | None:
    """Return the seconds until all units are finished; ``None`` before enough of them are.

    Args:
        elapsed: Seconds since the first ones were finished.
        count: Number of finished units.
        total: Number of units; ``None`` if unknown.
        first: Number of the first ones.
    """
    if total is None or (count < total and count - first <= _LEAST_SHARE * (total - first)):
        return None
    return elapsed / max(1, count - first) * (total - count)


class _Report:
    """The progress file of the stage that this process runs."""

    def __init__(self, path: Path, progress: StageProgress) -> None:
        self.path = path
        self.progress = progress
        self._last = 0.0

    def update(self, what: str, count: int, **values: Any) -> None:
        is_new = not count or what != self.progress.what
        now = time.time()
        if is_new:
            kept = self.progress.kept + self.progress.is_kept * (now - self.progress.begun)
            values |= {"begun": now, "first": count, "first_at": 0.0, "kept": kept}
        elif not self.progress.first_at:
            values |= {"first": count, "first_at": now}
        self.progress = replace(self.progress, what=what, count=count, **values)
        # Write the first and the last unit at once, since none may follow soon.
        if (
            is_new
            or count == self.progress.total
            or time.monotonic() - self._last >= _WRITE_SECONDS
        ):
            self.write()

    def write(self) -> None:
        self._last = time.monotonic()
        # A full disk, or a reader under Windows, must not stop the stage.
        with contextlib.suppress(OSError):
            write_text(self.path, json.dumps(asdict(self.progress)))


_current: _Report | None = None

_quiet = False


@contextlib.contextmanager
def reporting(stage: str, root: Path, folder: Path) -> Iterator[None]:
    """Maintain the progress file of a stage during the block, with the error if it fails.

    Say which of the stages it is, and how long it took last time. Call it only while holding the
    stage's lock.

    Args:
        stage: The stage's name.
        root: The stage's folder.
        folder: ``.pixmill/progress``.
    """
    global _current
    import psutil

    root = root.resolve()
    begun = StageProgress(
        stage, str(root), os.getpid(), psutil.Process().create_time(), time.time()
    )
    report = _Report(
        folder / f"{stage}-{hashlib.sha256(str(root).encode()).hexdigest()[:16]}.json", begun
    )
    report.write()
    _current = report
    if stage in STAGES:
        took = last_seconds(folder, stage)
        last = "" if took is None else f", took {describe_seconds(took[0])} last time"
        announce(f"{stage}: stage {STAGES.index(stage) + 1} of {len(STAGES)}{last}")
    try:
        yield
    except BaseException as error:
        is_signal = isinstance(error, KeyboardInterrupt | SystemExit)
        text = "interrupted" if is_signal else str(error) or type(error).__name__
        report.progress = replace(report.progress, failed=text[:_MAX_ERROR_CHARACTERS])
        report.write()
        raise
    else:
        with contextlib.suppress(OSError):
            report.path.unlink(missing_ok=True)
            # From the start of the process, whose imports take seconds.
            now = time.time()
            own = report.progress.own_seconds(now)
            write_text(_seconds_file(folder, stage), f"{now - begun.started:.1f} {own:.1f}\n")
    finally:
        _current = None


def _seconds_file(folder: Path, stage: str) -> Path:
    return folder / f"{stage}.seconds"


def last_seconds(folder: Path, stage: str) -> tuple[float, float] | None:
    """Return how many seconds the last complete run of a stage took; ``None`` if unknown.

    The second number leaves out work whose results are kept for later runs.

    Args:
        folder: ``.pixmill/progress``.
        stage: The stage's name.
    """
    try:
        whole, own = _seconds_file(folder, stage).read_text(encoding="utf-8").split()
        return float(whole), float(own)
    except (OSError, ValueError):
        return None


def begin(step: str) -> None:
    """Name a step without units that the stage of this process begins; do nothing elsewhere.

    Args:
        step: The step, such as ``Load the neural network library``.
    """
    if _current is not None and _current.progress.pid == os.getpid() and not _quiet:
        announce(f"{_current.progress.stage}: {step[:1].lower()}{step[1:]} …")
        report_progress(step, 0, None, "")


def report_progress(
    what: str,
    count: int,
    total: int | None,
    unit: str,
    note: str = "",
    *,
    is_kept: bool = False,
) -> None:
    """Update the progress file of the stage that this process runs, if any.

    Args:
        what: Short name of the work (``Decode``).
        count: Number of finished units.
        total: Number of units; ``None`` if unknown.
        unit: The unit, in the singular.
        note: Short text after the count.
        is_kept: Whether later runs use the results instead of repeating the work.
    """
    # Trials of a sweep are quiet: the sweep reports itself.
    if _current is not None and _current.progress.pid == os.getpid() and not _quiet:
        _current.update(what, count, total=total, unit=unit, note=note, is_kept=is_kept)


def read_progress(folder: Path) -> list[StageProgress]:
    """Read all progress files, sorted by stage; unreadable files are skipped.

    Args:
        folder: ``.pixmill/progress``.
    """
    found = []
    for path in sorted(folder.glob("[!.]*.json")):
        with contextlib.suppress(
            OSError, ValueError, TypeError
        ):  # deleted meanwhile, or written by another version
            found.append(StageProgress(**json.loads(path.read_bytes())))
    return found


def is_same_process(pid: int, started: float) -> bool:
    """Return whether a process is alive, and its id was not reused by another one.

    Args:
        pid: Process id.
        started: Start of the process in seconds since 1970.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) <= _START_TOLERANCE
        return bool(same and process.status() != psutil.STATUS_ZOMBIE)
    except (psutil.NoSuchProcess, psutil.AccessDenied, ValueError, OverflowError):
        return False


def encode_any_text() -> None:
    """Let standard output show any text, with escapes where cron or an old terminal has ASCII.

    Python sets standard error like this by itself.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


Item = TypeVar("Item")

_LINE_SECONDS = 10.0
"""Seconds between lines without a terminal."""

_BARS = threading.RLock()
"""Held while bars are drawn.

By default tqdm adds a semaphore, which Python reports as leaked by a killed worker.
"""

_DELAY_SECONDS = 1.0
"""Seconds before a bar appears."""

_BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"


class Progress:
    """A progress bar on standard error, which also updates the stage's progress file.

    Args:
        what: Short name of the work (``"Decode"``).
        total: Number of units; ``None`` if unknown.
        unit: The unit, in the singular (``"image"``).
        done: Number of units that an earlier process has finished.
        is_kept: Whether later runs use the results instead of repeating the work.
        stream: Output stream; default: standard error.
    """

    def __init__(
        self,
        what: str,
        total: int | None = None,
        *,
        unit: str = "image",
        done: int = 0,
        is_kept: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        from tqdm import tqdm

        tqdm.set_lock(_BARS)
        self.what = what
        self.total = total
        self.unit = unit
        self.done = self._first = done
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._begun = 0.0
        self._last = time.monotonic()
        self._printed = False
        self._note = ""
        self._is_kept = is_kept
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=what,
            unit=f" {unit}",
            file=self._stream,
            disable=not self._terminal,
            delay=_DELAY_SECONDS,
            dynamic_ncols=True,
            leave=False,
            # Its own estimate would count the first units.
            bar_format=_BAR if total else None,
        )
        report_progress(what, done, total, unit, is_kept=is_kept)

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
        if not self._begun:
            self._begun = time.monotonic()
            self._first = self.done
        self._note = note
        report_progress(self.what, self.done, self.total, self.unit, note, is_kept=self._is_kept)
        if self._terminal:
            self._bar.set_postfix_str(self._with_left(note), refresh=False)
            self._bar.update(count)
        elif time.monotonic() - self._last >= _LINE_SECONDS:
            self._line()

    def close(self) -> None:
        """Close the bar, or print the last count if lines were printed."""
        self._bar.close()
        if self._printed and not self._terminal:
            self._line()

    def _line(self) -> None:
        self._last = time.monotonic()
        self._printed = True
        line = _describe(self.what, self.done, self.total, self.unit, self._note)
        print(self._with_left(line), file=self._stream, flush=True)

    def _with_left(self, text: str) -> str:
        elapsed = time.monotonic() - self._begun
        left = _work_left(elapsed, self.done, self.total, self._first)
        if not left or left < 1:
            return text
        return f"{text}{', ' * bool(text)}about {describe_seconds(left)} left"


def track(
    items: Iterable[Item], what: str, total: int | None = None, *, unit: str = "image"
) -> Iterator[Item]:
    """Yield the items and show progress."""
    with Progress(what, total, unit=unit) as progress:
        for item in items:
            yield item
            progress.advance()


@contextlib.contextmanager
def only_warnings() -> Iterator[None]:
    """Suppress announcements other than warnings, and the progress, during the block."""
    global _quiet
    before = _quiet
    _quiet = True
    try:
        yield
    finally:
        _quiet = before


def announce(text: str) -> None:
    """Print a line on standard error above progress bars, unprintable characters escaped."""
    from tqdm import tqdm

    if not _quiet or text.startswith("warning"):
        tqdm.write(printable_lines(text), file=sys.stderr)
