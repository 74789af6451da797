"""Real servers on loopback: sites, PostgreSQL, S3 storage, and MLflow."""

import contextlib
import http.server
import io
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from tests.ports import unused_port

__all__ = ["Handler", "MlflowServer", "Postgresql", "Storage", "serve"]

# Not SlowDown, for which s3fs repeats each request five times as often.
_REFUSAL = (
    b"<Error><Code>ServiceUnavailable</Code><Message>Service is unable to handle "
    b"request.</Message></Error>"
)


class Handler(http.server.BaseHTTPRequestHandler):
    """Silent request handler; subclasses implement `respond`."""

    def do_GET(self) -> None:
        self.respond()

    do_POST = do_GET  # noqa: N815

    def respond(self) -> None:
        """Answer a request."""
        raise NotImplementedError

    def answer(
        self, body: str | bytes = b"", status: int = 200, kind: str = "text/html", **headers: str
    ) -> None:
        """Send a response; ``_`` in the name of a header means ``-``."""
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            **headers,
        }.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def serve(
    handler: type[Handler],
    *,
    server: type[http.server.ThreadingHTTPServer] = http.server.ThreadingHTTPServer,
) -> Iterator[http.server.ThreadingHTTPServer]:
    """Serve on a free loopback port during the block."""
    with server(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()


class MlflowServer:
    """An MLflow server that keeps its port when it is restarted.

    Args:
        folder: Working directory.
        backend: URI of the database.
        artifacts: Destination of artifacts; default: in the folder.
        environ: Additional environment variables.
    """

    def __init__(
        self, folder: Path, backend: str, artifacts: str | None = None, **environ: str
    ) -> None:
        self.port = unused_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._environ = environ
        self._options = [
            "--backend-store-uri",
            backend,
            "--artifacts-destination",
            artifacts or str(folder / "served"),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--port",
            str(self.port),
            "--workers",
            "1",
            *self._options,
        ]
        self._process = subprocess.Popen(
            words,
            cwd=self._folder,
            # Without the eight processes for jobs.
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"} | self._environ,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not self._answers():
            assert self._process.poll() is None
            time.sleep(0.1)

    def kill(self) -> None:
        assert self._process is not None
        # The server's workers are in its session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False


class Postgresql:
    """A PostgreSQL server that can be stopped and restarted.

    Args:
        folder: Empty folder for its data.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._port = unused_port()
        self._programs = _postgresql_programs()
        self._become: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.uri = f"postgresql+psycopg2://pixmill@127.0.0.1:{self._port}/postgres"
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            entry = pwd.getpwnam("nobody")
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            self._become = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            self._open_parents()
        user = [
            "--username=pixmill",
            "--auth=trust",
            "--no-sync",
            "--no-instructions",
            "--encoding=UTF8",
        ]
        words = [self._programs / "initdb", "-D", self._data, *user]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd=folder, **self._become)

    def start(self) -> None:
        where = [
            "-D",
            self._data,
            "-p",
            str(self._port),
            "-k",
            self._folder,
            "-c",
            "listen_addresses=127.0.0.1",
        ]
        self._launch(where)
        status = self._data / "postmaster.pid"
        # Read its status file: an open port may not answer yet.
        latest = time.monotonic() + 60
        while not status.exists() or "ready" not in status.read_text():
            if self._process.poll() is not None:
                # A process of the last server may hold the shared memory for a moment.
                assert time.monotonic() < latest, (self._folder / "log").read_text()
                self._launch(where)
            time.sleep(0.1)

    def _launch(self, where: list[Any]) -> None:
        if self._become:
            self._open_parents()
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", *where, "-c", "fsync=off"],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                **self._become,
            )

    def _open_parents(self) -> None:
        """Give other users access to the folder, which pytest, run by root, restricts."""
        for parent in self._folder.parents[:3]:
            parent.chmod(parent.stat().st_mode | 0o711)

    def stop(self) -> None:
        """End it and all its connections at once."""
        assert self._process is not None
        others = psutil.Process(self._process.pid).children()
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()
        # While one of these is left, the server cannot restart.
        psutil.wait_procs(others, timeout=60)


class Storage:
    """S3 storage by moto with one bucket, which counts requests and fails on demand.

    Attributes:
        url: Endpoint.
        bucket: Name of the bucket.
        environ: Environment variables that make it the only S3 of a process.
        requests: Number of requests by kind: ``PUT``, ``POST``, ``GET``, ``HEAD``, ``LIST``,
            ``DELETE``.
        objects: Keys of the objects requested by GET, in order.
        refused: Number of requests answered with 503.
        latency: Delay of each response in seconds.
    """

    bucket = "bucket"

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.objects: list[str] = []
        self.refused = 0
        self.latency = 0.0
        self._at: tuple[str, float] | None = None
        self._until = 0.0

    def start(self) -> None:
        import boto3
        from moto.moto_server.werkzeug_app import (
            DomainDispatcherApplication,
            MotoRequestHandler,
            create_backend_app,
        )
        from werkzeug.serving import make_server

        class Handler(MotoRequestHandler):
            def log_request(self, *_: Any) -> None:
                pass

        app = self._answering(DomainDispatcherApplication(create_backend_app))
        self._server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.environ = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        secrets = {
            "aws_access_key_id": "key",
            "aws_secret_access_key": "secret",
            "region_name": "us-east-1",
        }
        client = boto3.client("s3", endpoint_url=self.url, **secrets)
        client.create_bucket(Bucket=self.bucket)
        client.close()
        self.forget()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def forget(self) -> None:
        """Reset the counters."""
        self.requests.clear()
        self.objects.clear()
        self.refused = 0

    def refuse(self, seconds: float, *, at: str | None = None) -> None:
        """Answer 503 for some time.

        Args:
            seconds: Duration.
            at: Kind of the request that starts it, such as ``PUT``; default: start immediately.
        """
        if at is None:
            self._until = time.monotonic() + seconds
        else:
            self._at = at, seconds

    def recover(self) -> None:
        """Answer again, without delay."""
        self._at = None
        self._until = 0.0
        self.latency = 0.0

    def _answering(self, moto: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        def answer(request: dict[str, Any], begin: Callable[..., Any]) -> Iterable[bytes]:
            listing = "list-type=" in request["QUERY_STRING"]
            kind = "LIST" if listing else request["REQUEST_METHOD"]
            self.requests[kind] += 1
            if kind == "GET":
                self.objects.append(request["PATH_INFO"].removeprefix(f"/{self.bucket}/"))
            if self._at is not None and self._at[0] == kind:
                self._until = time.monotonic() + self._at[1]
                self._at = None
            time.sleep(self.latency)
            if time.monotonic() < self._until:
                self.refused += 1
                # Read the body first: the next request uses the same connection.
                _drain(request)
                begin(
                    "503 Service Unavailable",
                    [("Content-Type", "application/xml"), ("Content-Length", str(len(_REFUSAL)))],
                )
                return [] if kind == "HEAD" else [_REFUSAL]
            return moto(request, begin)

        return answer


def _drain(request: Mapping[str, Any]) -> None:
    body: io.BufferedIOBase = request["wsgi.input"]
    body.read(int(request.get("CONTENT_LENGTH") or 0))


def _postgresql_programs() -> Path:
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next(place for place in places if (place / "postgres").exists())
