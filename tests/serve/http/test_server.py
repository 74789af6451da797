"""Slow clients, and what a shared link guards."""

import asyncio
import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from pixmill.serve.http import server
from pixmill.serve.http.admission import Admission
from pixmill.serve.http.api import Endpoints
from pixmill.serve.http.app import create_app
from pixmill.serve.http.metrics import Metrics
from pixmill.serve.http.models import Models

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server that waits 0.3 seconds for the head of a request."""
    monkeypatch.setattr(server, "_HEAD_TIMEOUT_SECONDS", 0.3)
    config = uvicorn.Config(
        PlainTextResponse("found"),
        http=server._Protocol,
        lifespan="off",
        log_config=None,
        limit_concurrency=256,
        proxy_headers=False,
    )
    running = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=running.run, args=[[listener]])
        thread.start()
        yield listener.getsockname()[1]
        running.should_exit = True
        thread.join()


@pytest.mark.parametrize("before", [b"", HEAD + b"\r\n"])
def test_half_sent_heads_are_dropped(port: int, before: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        if before:
            connection.sendall(before)
            assert b"200 OK" in connection.recv(65536)
        began = time.monotonic()
        connection.sendall(HEAD)
        with pytest.raises(ConnectionError):
            while time.monotonic() - began < 5:
                connection.sendall(b"x")
                time.sleep(0.02)
    assert time.monotonic() - began < 2


@pytest.mark.linux  # elsewhere, only 127.0.0.1 is an address of this machine
def test_one_client_keeps_nobody_out(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_HEAD_TIMEOUT_SECONDS", 60)
    with contextlib.ExitStack() as stack:
        held = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            for _ in range(300)
        ]
        for connection in held:
            with contextlib.suppress(OSError):  # closed already
                connection.sendall(HEAD)
        visitor = http.client.HTTPConnection(
            "127.0.0.1", port, timeout=5, source_address=("127.0.0.2", 0)
        )
        visitor.request("GET", "/")
        assert visitor.getresponse().read() == b"found"
        visitor.close()
        answers = []
        for connection in held:
            connection.setblocking(False)
            try:
                answers.append(connection.recv(1))
            except BlockingIOError:
                answers.append(b"open")
            except ConnectionResetError:
                answers.append(b"")
        assert answers.count(b"open") == server._MAX_CONNECTIONS_OF_ONE


def test_idle_connections_stay(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    for pause in (0.5, 0):
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"found"
        time.sleep(pause)
    connection.close()


def test_a_shared_key_guards_all_but_the_page() -> None:
    models = Models("none", None, workers=1)
    metrics = Metrics(models)
    app = create_app(
        Endpoints(models, metrics, None, None, None, ("key",), is_local=False, is_shared=True)
    )
    guarded = Admission(app, metrics, held_bytes=1, hosts=None, behind_proxy=False, keys=("key",))

    def ask(path: str, key: str = "") -> tuple[int, bytes]:
        sent = []

        async def receive() -> dict[str, object]:
            await asyncio.sleep(0.01)  # Starlette waits for the client's end meanwhile.
            return {"type": "http.request", "body": b""}

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        head = [(b"authorization", f"Bearer {key}".encode())] if key else []
        names = {"type": "http", "method": "GET", "scheme": "http", "path": path}
        scope = {**names, "raw_path": path.encode(), "query_string": b"", "headers": head}
        asyncio.run(guarded(scope, receive, send))
        return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:])

    paths = {*app.openapi()["paths"], "/", "/docs", "/openapi.json", "/swagger/x.css", "/none"}
    statuses = {path: ask(path)[0] for path in sorted(paths)}
    assert {path for path, status in statuses.items() if status != 401} == {"/"}
    assert (ask("/")[0], ask("/static/page.js")[0], ask("/docs", "key")[0]) == (200, 200, 200)
    assert b"openapi.json" not in ask("/")[1]
