"""HTTP/1.1 on this machine alone, from a thread of its own, closed at once in spite of connections that are kept."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

__all__ = ["LoopbackHandler", "LoopbackServer"]

_LOOK_SECONDS = 0.05
"""How often the server looks whether it is to end."""


class LoopbackServer(ThreadingHTTPServer):
    """Serve on 127.0.0.1 while the ``with`` block lasts.

    Args:
        port: The port; 0 takes a free one.
        handler: Answers one connection's requests.

    Raises:
        OSError: The port is taken.
    """

    daemon_threads = True

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        # First: where the port is taken, the standard library calls server_close().
        self.lock = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(_LOOK_SECONDS,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread of its own."""
        with self.lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self.lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what went wrong; those who leave early do no harm."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """Close at once, also towards those who keep their connections."""
        super().server_close()
        with self.lock:
            for connection in self._open:
                with contextlib.suppress(OSError):  # gone already
                    connection.shutdown(socket.SHUT_RDWR)


class LoopbackHandler(BaseHTTPRequestHandler):
    """Answer one connection's requests, by HTTP/1.1."""

    protocol_version = "HTTP/1.1"
    sys_version = ""
    disable_nagle_algorithm = True  # head and body are two writes; the second must not wait for the first's receipt
    timeout = 60
