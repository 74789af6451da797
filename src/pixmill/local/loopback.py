"""HTTP server on 127.0.0.1, in a background thread."""

import asyncio
import socket
import threading
import time
from typing import NoReturn, Self

import uvicorn

from pixmill.core.errors import PixmillError
from pixmill.local.bounded_request import HEAD_BYTES, Application

_SHUTDOWN_GRACE_SECONDS = 0.3
"""Time for requests in progress when the server stops."""

_JOIN_TIMEOUT_SECONDS = 5.0
_KEEP_ALIVE_SECONDS = 60
_START_POLL_SECONDS = 0.005

_INTERRUPT_POLL_SECONDS = 0.5
"""Maximum delay until Ctrl-C is handled."""


class LoopbackServer:
    """Serve an ASGI application on 127.0.0.1 in a thread while the ``with`` block lasts.

    Args:
        app: The application.
        command: Command that started the server, such as ``pixmill review``; used in messages.
        port: Port to listen on; 0 for any free one.

    Attributes:
        port: Port that the server listens on.

    Raises:
        PixmillError: The port is taken.
    """

    def __init__(self, app: Application, *, command: str, port: int = 0) -> None:
        self._listener = _listen(port, command)
        self.port: int = self._listener.getsockname()[1]
        config = uvicorn.Config(
            app,
            http="h11",
            h11_max_incomplete_event_size=HEAD_BYTES,
            ws="none",
            log_config=None,
            log_level="error",  # invalid requests are logged as warnings
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=1,
            loop="asyncio",
            lifespan="off",  # the applications have no start-up code
        )
        self._server = _Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=[[self._listener]], name="loopback-server", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(_START_POLL_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(_JOIN_TIMEOUT_SECONDS)
        self._listener.close()


class _Server(uvicorn.Server):
    """Shut down soon even if clients stream or read slowly: abort their connections."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if tasks := {*self.server_state.tasks}:
            await asyncio.wait(tasks, timeout=_SHUTDOWN_GRACE_SECONDS)
        for connection in [*self.server_state.connections]:
            connection.transport.abort()
        await super().shutdown(sockets)


def _listen(port: int, command: str) -> socket.socket:
    """Return a listening socket; early clients are queued."""
    try:
        listener = socket.create_server(
            ("127.0.0.1", port), backlog=128
        )  # browsers open many connections at once
    except OSError as error:
        raise PixmillError(
            f"{command} cannot use port {port}: {error.strerror}", next=f"{command} --port 0"
        ) from error
    # Connections inherit it. Else the body of an answer would wait until its head is acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def wait_for_interrupt() -> NoReturn:
    """Wait until Ctrl-C, in the main thread.

    The kernel may deliver the signal to any thread, and Python handles it once the main thread runs
    again, so the main thread must not block without a timeout.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    while True:
        time.sleep(_INTERRUPT_POLL_SECONDS)
