"""What a person starts from the page, ``dvc repro`` and ``pixmill compare``: a process that outlives the page."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from pixmill.core.dvc import running_dvc
from pixmill.core.errors import LockedError, PixmillError
from pixmill.core.files import hold_lock, write_text
from pixmill.core.stage_progress import is_same_process

_TERMINATE_SECONDS = 10.0
"""How long after Ctrl-C's signal a run may go on before it gets SIGTERM, as stages save what they have."""

_COMMAND = (sys.executable, "-m", "dvc", "repro")

_COMPARE = (sys.executable, "-m", "pixmill", "compare")

_LINES = 12
"""Lines at the end of the output that say why a comparison failed."""


@dataclass(frozen=True)
class Run:
    """A command that was started here.

    Args:
        pid: Its process, which leads a group and a session of its own.
        started: When that began, in seconds since 1970: another process may have its number by now.
    """

    pid: int
    started: float

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return is_same_process(self.pid, self.started)


class Job:
    """Start one command in a project; a run is found again by whoever looks later.

    Args:
        root: The project's folder.
        typed: The command as a person types it.
        name: How its files in ``.pixmill/open/`` begin.
        command: What is run.

    Attributes:
        log: The file with the output of the latest run.
    """

    def __init__(self, root: Path, typed: str, name: str, command: Sequence[str]) -> None:
        self._root, self._typed, self._command = root, typed, list(command)
        self._folder = root / ".pixmill" / "open"
        self._record, self._lock = self._folder / f"{name}.json", self._folder / f"{name}.lock"
        self.log = self._folder / f"{name}.log"
        self._child: subprocess.Popen[bytes] | None = None

    def latest(self) -> Run | None:
        """Return the run that was started last, whether it still runs or not; ``None`` if there was none."""
        try:
            return Run(**json.loads(self._record.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def running(self) -> Run | None:
        """Return the run that is under way; ``None`` if none is."""
        run = self.latest()
        return run if run is not None and run.is_alive else None

    def exit_status(self) -> int | None:
        """Return how the last run of this process ended; ``None`` if it runs, or another process started it."""
        return None if self._child is None else self._child.poll()

    def start(self) -> Run:
        """Start a run.

        Raises:
            LockedError: One runs already.
            PixmillError: The program cannot be started, or the disk is full.
        """
        refusal = LockedError(f"{self._typed} runs already", next="wait for it, or stop it")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with hold_lock(self._lock, refusal):
                if self._is_taken():
                    raise refusal
                return self._start()
        except OSError as error:
            raise PixmillError(f"{self._typed} cannot be started: {error.strerror}", next=self._typed) from error

    def _is_taken(self) -> bool:
        return self.running() is not None

    def _start(self) -> Run:
        with self.log.open("wb") as log:
            child = subprocess.Popen(  # noqa: S603 (no part of the command comes from outside)
                self._command,
                cwd=self._root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal of the page is not meant for it.
            )
        try:
            run = Run(child.pid, psutil.Process(child.pid).create_time())
            write_text(self._record, json.dumps(asdict(run)))
        except OSError:
            # Nobody could find it to stop it.
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
        self._child = child
        return run


class Comparison(Job):
    """Compare the workspace with the main branch.

    Args:
        root: The project's folder.
        command: What is run instead, for tests.
    """

    def __init__(self, root: Path, command: Sequence[str] = _COMPARE) -> None:
        super().__init__(root, "pixmill compare", "compare", command)

    def document(self) -> dict[str, bool | str | None]:
        """Return whether it runs, whether this process has ended one (``None``: no), and why that failed."""
        if self.running():
            return {"running": True, "done": None, "error": ""}
        status, error = self.exit_status(), ""
        if status:
            lines = self.log.read_text("utf-8", "replace").strip().splitlines()[-_LINES:]
            error = "\n".join(lines) or f"it ended with status {status}"
        return {"running": False, "done": None if status is None else not status, "error": error}


class Pipeline(Job):
    """Start and stop ``dvc repro``.

    Args:
        root: The project's folder.
        command: What is run instead, for tests.

    Attributes:
        is_stopped: Whether the latest run was stopped from here.
    """

    def __init__(self, root: Path, command: Sequence[str] = _COMMAND) -> None:
        super().__init__(root, "dvc repro", "repro", command)
        self.is_stopped = False

    def _is_taken(self) -> bool:
        """Tell whether it runs here or in a terminal."""
        return super()._is_taken() or any(command.writes for command in running_dvc(self._root))

    def start(self) -> Run:
        """Start a run, as :meth:`Job.start` does; one in a terminal counts, too."""
        run = super().start()
        self.is_stopped = False
        return run

    def stop(self) -> None:
        """Stop the run as Ctrl-C in a terminal does; by SIGTERM if it goes on for seconds.

        Raises:
            PixmillError: No run is under way that was started here.
        """
        if (run := self.running()) is None:
            raise PixmillError("no run is under way that was started here", next="press Ctrl-C where it runs")
        self.is_stopped = True
        _signal(run, signal.SIGINT)
        threading.Thread(target=self._insist, args=[run], name="stop-repro", daemon=True).start()

    def _insist(self, run: Run) -> None:
        end = time.monotonic() + _TERMINATE_SECONDS
        while time.monotonic() < end:
            if self._child is not None:
                self._child.poll()
            if not run.is_alive:
                return
            time.sleep(0.1)
        _signal(run, signal.SIGTERM)


def let_children_hear_interrupts() -> None:
    """Keep runs from ignoring Ctrl-C's signal, by which :meth:`Pipeline.stop` stops them.

    Processes inherit that a signal is ignored, as a shell has it for what is started by ``&``. They do not inherit a
    handler: this process goes on ignoring it by one. To be called in the main thread.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: None)


def _signal(run: Run, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # It has ended meanwhile.
        os.killpg(run.pid, number)
