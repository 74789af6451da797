"""Processes that the page starts, such as ``dvc repro``; most outlive it until the next one."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from pixmill.core.errors import LockedError, PixmillError
from pixmill.core.files.writing import place_within, write_text
from pixmill.core.process.lifetime import PARENT
from pixmill.core.process.progress import is_same_process
from pixmill.core.repository.dvc import is_dvc_writing

TERMINATE_SECONDS = 30.0
"""Time between SIGINT and SIGTERM, in which stages save their work: seconds on a busy machine."""

MAX_LOG_BYTES = 64 << 10
"""Size of the end of the output that the page shows."""


class Job:
    """A command that can be started, followed and stopped.

    Args:
        root: Project folder.
        name: Program and command, such as ``dvc repro``.
        command: Command to run instead, for tests.
        patience: Seconds between SIGINT and SIGTERM.
        at_end: What to say when it is stopped together with the page; ``None``: it outlives the
            page.

    Attributes:
        name: Program and command.
        at_end: As given.
    """

    def __init__(
        self,
        root: Path,
        name: str,
        command: Sequence[str] = (),
        patience: float = TERMINATE_SECONDS,
        at_end: str | None = None,
    ) -> None:
        program, verb = name.split()
        self.name = name
        self.at_end = at_end
        self._root = root
        self._patience = patience
        self._command = [*command] or [sys.executable, "-m", program, verb]
        self._log = root / ".pixmill/open" / f"{verb}.log"
        self._mark = self._log.with_suffix(".pid")
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._is_stopped = False
        self._found = None if at_end else self._find()

    def _find(self) -> tuple[int, float] | None:
        """Return the process that an earlier page started last, and when it began."""
        with contextlib.suppress(OSError, ValueError):
            pid, began = self._mark.read_text().split()
            return int(pid), float(began)
        return None

    @property
    def pid(self) -> int | None:
        """The ID of the running process, which leads a group; ``None`` if none runs."""
        child = self._child
        if child is not None:
            return child.pid if child.poll() is None else None
        return self._found[0] if self._found and is_same_process(*self._found) else None

    def document(self) -> dict[str, Any]:
        """Return whether it runs, the last exit status, if any, and the end of the output."""
        child = self._child
        return {
            "running": self.pid is not None,
            "status": child and child.poll(),
            "stopped": self._is_stopped,
            "log": self._output() if child or self.pid else "",
        }

    def _output(self) -> str:
        with contextlib.suppress(OSError), self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - MAX_LOG_BYTES))
            return log.read().decode("utf-8", "replace")
        return ""

    def start(self, *arguments: str, then: Callable[[], object] | None = None) -> None:
        """Start a run.

        Args:
            arguments: Arguments of the command; no shell reads them.
            then: Called in a thread when the run has ended; this process waits for it.

        Raises:
            LockedError: It is already running, here or in a terminal.
            PixmillError: The program cannot be started.
        """
        with self._lock:
            is_elsewhere = self.name == "dvc repro" and is_dvc_writing(self._root)
            if self.pid or is_elsewhere:
                raise LockedError(f"{self.name} is already running", next="wait for it, or stop it")
            try:
                place_within(self._log, self._root).parent.mkdir(parents=True, exist_ok=True)
                # The key of a served page is never readable for other accounts.
                self._log.unlink(missing_ok=True)
                self._log.touch(0o600)
                with self._log.open("wb") as log:
                    ends = {PARENT: str(os.getpid())} if self.at_end else {}
                    self._child = subprocess.Popen(  # noqa: S603 (the program is fixed)
                        [*self._command, *arguments],
                        cwd=self._root,
                        env={**os.environ, **ends},
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        # Ctrl-C in the terminal of the page must not reach it.
                        start_new_session=True,
                    )
                began = psutil.Process(self._child.pid).create_time()
                write_text(self._mark, f"{self._child.pid} {began}")
            except (OSError, ValueError) as error:  # ValueError: an argument has a null byte
                why = getattr(error, "strerror", error)
                raise PixmillError(
                    f"{self.name} cannot be started: {why}", next=self.name
                ) from error
            self._is_stopped = False
        if then is not None:
            threading.Thread(target=_call_after, args=[self._child, then], daemon=False).start()

    def stop(self) -> None:
        """Send SIGINT to the run, then SIGTERM if it has not ended after ``patience``.

        Raises:
            PixmillError: No run was started here.
        """
        if self.pid is None:
            raise PixmillError("no run was started on this page", next="press Ctrl-C where it runs")
        self._is_stopped = True
        self._signal(signal.SIGINT)
        timer = threading.Timer(self._patience, self._signal, [signal.SIGTERM])
        timer.daemon = True
        timer.start()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # It has just ended.
            if (pid := self.pid) is not None:
                os.killpg(pid, number)


def _call_after(child: subprocess.Popen[bytes], act: Callable[[], object]) -> None:
    child.wait()
    act()
