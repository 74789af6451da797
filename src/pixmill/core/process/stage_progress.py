"""What each running stage is doing and how far it is, in a file that other processes read.

``.pixmill/progress/<stage>-<workspace>.json`` is there while a stage runs. A stage that fails leaves in it why; a
stage that is killed leaves it as it was, with the number of a process that is gone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pixmill.core.files.writing import write_text

_EVERY = 0.5
"""The fewest seconds between two writes."""

_SAME_START = 2.0
"""Tolerance in seconds between two readings of a process's start time, in case the clock was set."""

_LETTERS = 2000
"""The most letters of an error that are kept."""


@dataclass(frozen=True)
class StageProgress:
    """A stage at work, or what has become of it.

    Args:
        stage: The stage's name.
        root: The folder that it works in: the project's, or the temporary copy of ``dvc exp run --temp``.
        pid: Its process.
        started: When that process began, in seconds since 1970: another may have its number by now.
        since: When the stage began, in seconds since 1970.
        what: What it is doing, as a short phrase (``Decode``); empty where it has not said.
        count: How many units of that are done.
        total: Of how many; ``None`` where that is unknown.
        unit: The unit, in the singular (``image``).
        failed: Why it has ended without results; ``None`` while it runs, and where it was killed.
        ended: When that was, in seconds since 1970.
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
    failed: str | None = None
    ended: float | None = None

    @property
    def is_running(self) -> bool:
        """Whether its process is alive and has not failed."""
        return self.failed is None and is_same_process(self.pid, self.started)

    def describe(self) -> str:
        """Return what it is doing and how far it is, such as ``Decode: 120 of 1,250 images``; empty if unknown."""
        if not self.what:
            return ""
        done = f"{self.count:,}" if self.total is None else f"{self.count:,} of {self.total:,}"
        plural = "" if (self.count if self.total is None else self.total) == 1 else "s"
        return f"{self.what}: {done} {self.unit}{plural}"


class _Report:
    """The progress file of the stage that this process runs."""

    def __init__(self, path: Path, progress: StageProgress) -> None:
        self.path, self.progress = path, progress
        self._last = 0.0

    def update(self, what: str, count: int, total: int | None, unit: str) -> None:
        self.progress = replace(self.progress, what=what, count=count, total=total, unit=unit)
        if time.monotonic() - self._last >= _EVERY:
            self.write()

    def write(self) -> None:
        self._last = time.monotonic()
        # A full disk, or a reader under Windows, costs a look at the stage and never the stage itself.
        with contextlib.suppress(OSError):
            write_text(self.path, json.dumps(asdict(self.progress)))


_current: _Report | None = None


@contextlib.contextmanager
def reporting(stage: str, root: Path, folder: Path) -> Iterator[None]:
    """Keep the progress file of a stage during the block, and leave in it why the block failed.

    Call it only while holding the stage's lock.

    Args:
        stage: The stage's name.
        root: The folder that it works in.
        folder: ``.pixmill/progress``.
    """
    global _current
    import psutil

    root = root.resolve()
    begun = StageProgress(stage, str(root), os.getpid(), psutil.Process().create_time(), time.time())
    report = _Report(folder / f"{stage}-{hashlib.sha256(str(root).encode()).hexdigest()[:16]}.json", begun)
    report.write()
    _current = report
    try:
        yield
    except BaseException as error:
        is_signal = isinstance(error, KeyboardInterrupt | SystemExit)
        text = "interrupted" if is_signal else str(error) or type(error).__name__
        report.progress = replace(report.progress, failed=text[:_LETTERS], ended=time.time())
        report.write()
        raise
    else:
        with contextlib.suppress(OSError):
            report.path.unlink(missing_ok=True)
    finally:
        _current = None


def report_progress(what: str, count: int, total: int | None, unit: str) -> None:
    """Write what the stage of this process is doing; nothing where it runs none, as in a worker or a verb.

    Args:
        what: As a short noun phrase (``Decode``).
        count: How many units are done.
        total: Of how many; ``None`` where it is unknown.
        unit: The unit, in the singular.
    """
    if _current is not None and _current.progress.pid == os.getpid():
        _current.update(what, count, total, unit)


def read_progress(folder: Path) -> list[StageProgress]:
    """Return what the files say, by stage; what cannot be read is left out.

    Args:
        folder: ``.pixmill/progress``.
    """
    found = []
    for path in sorted(folder.glob("[!.]*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):  # It went meanwhile, or another version wrote it.
            found.append(StageProgress(**json.loads(path.read_bytes())))
    return found


def is_same_process(pid: int, started: float) -> bool:
    """Tell whether a process is alive on this machine and is not another one with the same number.

    Args:
        pid: Its number.
        started: When it began, in seconds since 1970.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) <= _SAME_START
        return bool(same and process.status() != psutil.STATUS_ZOMBIE)
    except (psutil.NoSuchProcess, psutil.AccessDenied, ValueError, OverflowError):
        return False
