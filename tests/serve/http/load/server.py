"""A real server in separate processes, and measurements of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.load import post
from tests.ports import unused_port

__all__ = ["Running", "upload"]

_REPOSITORY = Path(__file__).parents[4]
_TIMEOUT_SECONDS = 60.0


class Running:
    """``pixmill serve`` on a free port of loopback, running within a ``with`` block."""

    def __init__(
        self,
        *arguments: str,
        cwd: Path,
        start: Sequence[str] = (sys.executable, "-m", "pixmill"),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.port = unused_port()
        self.log = cwd / f"{self.port}.log"
        self._cwd = cwd
        self._environ = {**os.environ, "PYTHONPATH": str(_REPOSITORY / "src"), **(environ or {})}
        self._command = [*start, "serve", "--port", str(self.port), *arguments]

    def __enter__(self) -> Running:
        with self.log.open("w") as file:
            self._started = subprocess.Popen(
                self._command,
                cwd=self._cwd,
                env=self._environ,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.process = psutil.Process(self._started.pid)
        latest = time.monotonic() + _TIMEOUT_SECONDS
        while self.status() != 200:
            if self._started.poll() is not None or time.monotonic() > latest:
                self.__exit__()
                raise AssertionError(f"the server is not ready:\n{self.log.read_text()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in self.family():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self._started.wait()

    def status(self, path: str = "/readyz") -> int | None:
        """Return the status of a path; ``None`` without a response."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("GET", path)[0]
        return None

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any]:
        """Send a request over a new connection, and return status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT_SECONDS)
        with contextlib.closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            content = answer.read()
            if "json" in (answer.getheader("Content-Type") or ""):
                return answer.status, json.loads(content)
            return answer.status, content

    def predict(self, *images: bytes) -> list[dict[str, Any]]:
        """Return the predictions of images, each sent in a separate request."""
        found = []
        for image in images:
            status, answer = self.ask(
                "POST", "/v1/predict", image, Content_Type="application/octet-stream"
            )
            assert status == 200, answer
            found += answer["predictions"]
        return found

    def family(self) -> list[psutil.Process]:
        """Return its processes, workers first."""
        return [*self.process.children(recursive=True), self.process]

    def memory(self) -> int:
        """Return the proportional set size of all its processes, in bytes."""
        total = 0
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
        return total

    def wait(self) -> int:
        """Wait for the end, and return the exit code."""
        return self._started.wait(_TIMEOUT_SECONDS)


def upload(image: bytes, *, kind: str = "image/jpeg") -> bytes:
    """Return the bytes of a prediction request."""
    return post("/v1/predict", image, f"Content-Type: {kind}")
