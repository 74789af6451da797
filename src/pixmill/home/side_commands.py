"""Commands that the page runs beside itself and that end with it: comparisons, the served page, MLflow's own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, Self
from urllib.parse import urlsplit

from pixmill.core.errors import LockedError, PixmillError
from pixmill.core.workspace import Workspace
from pixmill.home import tied_command
from pixmill.record.store import database_file, runs_page, tracking_uri

Status = Literal["running", "done", "failed"]

_LINES = 12
"""How many lines of what a command says are shown where it fails."""

_END_SECONDS = 3.0
"""Seconds to wait at the end for all of them together."""

_GLANCE_SECONDS = 0.5
"""Seconds between two looks whether a run has replaced the model."""

_MLFLOW_ENVIRONMENT = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""Without it, MLflow starts eight more processes, for work that nobody gives it here."""

_ADDRESS = re.compile(r"http://(?:127\.0\.0\.1|localhost):\d+/?")


@dataclass(frozen=True)
class SideCommand:
    """A command that was started, and what it has come to.

    Args:
        status: Whether it runs, or how it ended; a server that answers is ``running`` with an address.
        told: What it said at its end, or is doing.
        address: Where its page is, as far as there is one: relative for a report, absolute for a server.
        rows: What it listed.
    """

    status: Status
    told: str = ""
    address: str | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)


_PIXMILL: Mapping[str, tuple[str, ...]] = {
    "compare": ("compare",),
    "commits": ("compare", "HEAD~1", "HEAD"),
    "runs": ("compare", "--runs"),
    "models": ("models", "--json"),
    "try": ("serve", "--port", "0"),
}
"""What each runs of ``pixmill``."""

_PAGES = {"compare": "reports/compare.html", "commits": "reports/compare.html", "runs": "reports/runs.html"}

_SERVERS = ("try", "mlflow")
"""Those that run until they are ended; what they print is not kept."""

NAMES = (*_PIXMILL, "mlflow")


class SideCommands:
    """Run the commands while the ``with`` block lasts, each at most once at a time.

    Args:
        root: The project's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._states: dict[str, SideCommand] = {}
        self._children: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            children = [*self._children.values()]
        for child in children:
            _end(child)
        end = time.monotonic() + _END_SECONDS
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):  # A busy machine: it ends without us.
                child.wait(max(0, end - time.monotonic()))

    def states(self) -> dict[str, SideCommand]:
        """Return the commands that were started, by name."""
        with self._lock:
            return dict(self._states)

    def start(self, name: str) -> None:
        """Start a command, unless it runs.

        Args:
            name: One of :data:`NAMES`.

        Raises:
            LockedError: Another runs that writes the same page.
            PixmillError: It cannot be started.
        """
        with self._lock:
            if (known := self._states.get(name)) is not None and known.status == "running":
                return
            # A page is that of one command: what the other told of it is no longer there.
            others = [each for each in self._states if each != name and _PAGES.get(each, "") == _PAGES.get(name)]
            if any(self._states[each].status == "running" for each in others):
                raise LockedError("another comparison is under way", next="wait for it")
            self._states |= dict.fromkeys(others, SideCommand("done"))
            told = "MLflow takes up to half a minute to start …" if name == "mlflow" else "starting …"
            self._states[name] = SideCommand("running", told)
        try:
            address = None
            if name == "mlflow":
                port = _free_port()
                command, address = self._mlflow(port), runs_page(self._root, port=port)
            else:
                command = [sys.executable, "-m", "pixmill", *_PIXMILL[name]]
            said = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the thread that follows)
            child = self._open(command, said)
        except (OSError, PixmillError) as error:
            self._set(name, SideCommand("failed", str(error)))
            raise
        with self._lock:
            self._children[name] = child
        threading.Thread(target=self._follow, args=[name, child, said, address], daemon=True).start()

    def _open(self, command: list[str], said: IO[bytes]) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 (no part of the command comes from outside)
            [sys.executable, "-m", tied_command.__name__, *command],
            cwd=self._root,
            env={**os.environ, **_MLFLOW_ENVIRONMENT},
            stdin=subprocess.PIPE,  # It ends when this is closed, or this process dies.
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C in the terminal of the page is not meant for it.
        )

    def _mlflow(self, port: int) -> list[str]:
        uri = tracking_uri(Workspace(self._root, self._root))
        if database_file(uri) is None:
            raise PixmillError("MLflow is a server already: open its address")
        address = ("--host", "127.0.0.1", "--port", str(port), "--workers", "1")
        return [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, *address]

    def _follow(self, name: str, child: subprocess.Popen[str], said: IO[bytes], address: str | None) -> None:
        """Read what a command says until it ends: results from a pipe, progress and errors from a file."""
        model, output = self._model(), ""
        if name == "try":
            threading.Thread(target=self._end_with_model, args=[child, model], daemon=True).start()
        if address is not None:
            threading.Thread(target=self._await_answer, args=[name, child, address], daemon=True).start()
        with said, child:
            assert child.stdout is not None
            for line in child.stdout:
                if name not in _SERVERS:
                    output += line
                elif name == "try" and _ADDRESS.fullmatch(line.strip()):
                    self._set(name, SideCommand("running", "ready", line.strip()))
            child.wait()
            said.seek(0)
            errors = said.read().decode("utf-8", "replace")
        with self._lock:
            self._children.pop(name, None)
        outcome = _outcome(name, child.returncode, output, errors)
        if name == "try" and model != self._model():
            outcome = SideCommand("done", "It has ended, as a run replaces the model. Start it again after the run.")
        self._set(name, outcome)

    def _end_with_model(self, child: subprocess.Popen[str], model: int) -> None:
        """End the model's page when training begins or ends: it would go on with the model that it has loaded."""
        while child.poll() is None:
            if model != self._model():
                _end(child)
                return
            time.sleep(_GLANCE_SECONDS)

    def _model(self) -> int:
        """Return when the model was written; 0 where there is none."""
        try:
            return (self._root / "artifacts/train/labels.json").stat().st_mtime_ns
        except OSError:
            return 0

    def _await_answer(self, name: str, child: subprocess.Popen[str], address: str) -> None:
        """Tell the address of a server once it answers."""
        port = urlsplit(address).port
        while child.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                with contextlib.closing(connection):
                    connection.request("GET", "/health")
                    if connection.getresponse().status == 200:
                        self._set(name, SideCommand("running", "ready", address))
                        return
            time.sleep(0.3)

    def _set(self, name: str, state: SideCommand) -> None:
        with self._lock:
            self._states[name] = state


def _end(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.close()


def _outcome(name: str, code: int, output: str, errors: str) -> SideCommand:
    if code:
        text = "\n".join((errors.strip() or output.strip()).splitlines()[-_LINES:])
        return SideCommand("failed", text or f"it ended with status {code}")
    if name == "models":
        try:
            rows = json.loads(output)["versions"]
        except (ValueError, LookupError):  # A library has written there, too.
            return SideCommand("failed", "What it told cannot be read. Run it in a terminal.")
        return SideCommand("done", "" if rows else "No version yet.", rows=rows)
    if name in _SERVERS:
        return SideCommand("failed", "The server has ended.")
    # The lines of a terminal are not those of the page: what goes on in the next one is indented there.
    told = re.sub(r"\n +", " ", output.strip().partition("\n\n")[0])
    return SideCommand("done", told, _PAGES.get(name))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
