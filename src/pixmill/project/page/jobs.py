"""What a person starts from the page, ``dvc repro`` and ``pixmill compare``: a process that outlives the page."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pixmill.core.errors import LockedError, PixmillError
from pixmill.core.repository.dvc import running_dvc

_TERMINATE_SECONDS = 10.0
"""How long after Ctrl-C's signal a run may go on before it gets SIGTERM, as stages save what they have."""

_LOG_BYTES = 64 << 10
"""How much of the output is shown, from its end."""


class Job:
    """Start one command in a project, follow it and stop it.

    Args:
        root: The project's folder.
        typed: The command as a person types it: ``dvc repro`` or ``pixmill compare``.
        command: What is run instead, for tests.
        patience: Seconds after which a stopped run gets SIGTERM.
    """

    def __init__(
        self, root: Path, typed: str, command: Sequence[str] = (), patience: float = _TERMINATE_SECONDS
    ) -> None:
        program, verb = typed.split()
        self._root, self._typed, self._patience = root, typed, patience
        self._command = [*command] or [sys.executable, "-m", program, verb]
        self._log = root / ".pixmill" / "open" / f"{verb}.log"
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._is_stopped = False

    @property
    def pid(self) -> int | None:
        """The process, which leads a group; ``None`` where none runs."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def document(self) -> dict[str, Any]:
        """Return whether it runs, how the last run ended (``None``: there was none), and its last output."""
        child = self._child
        return {
            "running": self.pid is not None,
            "status": child and child.poll(),
            "stopped": self._is_stopped,
            "log": self._output() if child else "",
        }

    def _output(self) -> str:
        with contextlib.suppress(OSError), self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - _LOG_BYTES))
            return log.read().decode("utf-8", "replace")
        return ""

    def start(self) -> None:
        """Start a run.

        Raises:
            LockedError: One runs already, here or in a terminal.
            PixmillError: The program cannot be started, or the disk is full.
        """
        with self._lock:
            is_elsewhere = self._typed == "dvc repro" and any(each.writes for each in running_dvc(self._root))
            if self.pid or is_elsewhere:
                raise LockedError(f"{self._typed} runs already", next="wait for it, or stop it")
            try:
                self._log.parent.mkdir(parents=True, exist_ok=True)
                with self._log.open("wb") as log:
                    self._child = subprocess.Popen(  # noqa: S603 (no part of the command comes from outside)
                        self._command,
                        cwd=self._root,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,  # Ctrl-C in the terminal of the page is not meant for it.
                    )
            except OSError as error:
                raise PixmillError(f"{self._typed} cannot be started: {error.strerror}", next=self._typed) from error
            self._is_stopped = False

    def stop(self) -> None:
        """Stop the run as Ctrl-C in a terminal does; by SIGTERM if it goes on for seconds.

        Raises:
            PixmillError: No run is under way that was started here.
        """
        child = self._child
        if child is None or child.poll() is not None:
            raise PixmillError("no run is under way that was started here", next="press Ctrl-C where it runs")
        self._is_stopped = True
        _signal(child, signal.SIGINT)
        insist = threading.Timer(self._patience, _signal, [child, signal.SIGTERM])
        insist.daemon = True
        insist.start()


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # It has ended meanwhile.
        if child.poll() is None:
            os.killpg(child.pid, number)
