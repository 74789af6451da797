"""Slow clients."""

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
