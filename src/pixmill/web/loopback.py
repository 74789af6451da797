"""HTTP/1.1 server on 127.0.0.1, in background threads."""

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn, Self

_POLL_SECONDS = 0.05
"""Interval at which the server checks whether to stop."""

_INTERRUPT_POLL_SECONDS = 0.5
"""Maximum delay until Ctrl-C is handled."""


class LoopbackServer(ThreadingHTTPServer):
    """Serve on 127.0.0.1 while the ``with`` block lasts.

    Args:
        port: Port to listen on; 0 for any free one.
        handler: Handler class, instantiated per connection.

    Attributes:
        port: Port that the server listens on.

    Raises:
        OSError: The port is taken.
    """

    daemon_threads = True
    request_queue_size = 128  # browsers open many connections at once

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.port = self.server_port
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the error, unless the client disconnected."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def wait_for_interrupt() -> NoReturn:
    """Wait until Ctrl-C, in the main thread.

    The kernel may deliver the signal to any thread, and Python handles it once the main thread runs again, so the main
    thread must not block without a timeout.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    while True:
        time.sleep(_INTERRUPT_POLL_SECONDS)


class LoopbackHandler(BaseHTTPRequestHandler):
    """Answer one connection's requests over HTTP/1.1."""

    protocol_version = "HTTP/1.1"
    sys_version = ""
    disable_nagle_algorithm = True  # else the body would wait until the head is acknowledged
    timeout = 60

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Do nothing; the standard library prints each request."""
