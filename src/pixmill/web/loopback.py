"""HTTP/1.1 on this machine alone, from threads of its own."""

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn, Self

_LOOK_SECONDS = 0.05
"""How often the server looks whether it is to end."""


_LISTEN_SECONDS = 0.5
"""How long Ctrl-C may go unnoticed."""


class LoopbackServer(ThreadingHTTPServer):
    """Serve on 127.0.0.1 while the ``with`` block lasts.

    Args:
        port: The port; 0 takes a free one.
        handler: Answers one connection's requests.

    Attributes:
        port: The port that it listens on.

    Raises:
        OSError: The port is taken.
    """

    daemon_threads = True
    request_queue_size = 128  # a browser opens its connections all at once

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.port = self.server_port
        self._thread = threading.Thread(target=self.serve_forever, args=(_LOOK_SECONDS,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what went wrong; those who leave early do no harm."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def wait_for_interrupt() -> NoReturn:
    """Wait until Ctrl-C, in the main thread.

    The kernel may deliver a signal to any thread, and Python handles it in the main thread once that runs again: one
    that waits without a limit would sleep on.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    while True:
        time.sleep(_LISTEN_SECONDS)


class LoopbackHandler(BaseHTTPRequestHandler):
    """Answer one connection's requests, by HTTP/1.1."""

    protocol_version = "HTTP/1.1"
    sys_version = ""
    disable_nagle_algorithm = True  # head and body are two writes; the second must not wait for the first's receipt
    timeout = 60

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep quiet; the standard library would print each request."""
