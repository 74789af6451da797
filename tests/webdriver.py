"""A remote WebDriver on loopback: a real driver that can be killed and restarted."""

import contextlib
import http.server
import json
import threading
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pixmill.fetch.browser import Browser
from pixmill.fetch.browser.session import running_driver
from tests.ports import unused_port

__all__ = ["DriverServer"]


class DriverServer:
    """A remote driver that adds the path of the browser to each request for a session.

    Args:
        browser: The browser and its driver.
        folder: Folder for the driver's log and the browsers' profiles.

    Attributes:
        url: Address, the same after each start.
        sessions: Ids of open sessions.
        arguments: Arguments of the browser in the last request for a session.
        asked: Number of commands received.
    """

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser = browser
        self._folder = folder
        self._port = unused_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.sessions: set[str] = set()
        self.asked = 0
        self.arguments: list[str] = []

    def start(self) -> None:
        """Start without sessions; the driver ends with the calling thread."""
        self.sessions.clear()
        self._running = contextlib.ExitStack()
        self._driver, _ = self._running.enter_context(
            running_driver(self._browser, self._folder / "driver.log")
        )
        server = http.server.ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        self._running.callback(thread.join)
        self._running.enter_context(server)
        self._running.callback(server.shutdown)
        thread.start()

    def kill(self) -> None:
        """Kill the driver with its browsers, and close its address."""
        self._running.close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        remote = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                remote.asked += 1
                try:
                    status, content = remote._answer(self.command, self.path, body)
                except (OSError, HTTPException):
                    self.close_connection = True  # The driver has been killed.
                    return
                with contextlib.suppress(OSError):  # The client may have been killed.
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            do_GET = do_POST = do_DELETE = forward  # noqa: N815

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if (method, path) == ("POST", "/session"):
            status, content = self._forward(method, path, self._with_browser(json.loads(body)))
            if status == 200:
                self.sessions.add(json.loads(content)["value"]["sessionId"])
            return status, content
        if method == "DELETE":
            # A driver whose browser has ended may hang, or close the connection without a response.
            self.sessions.discard(path.removeprefix("/session/"))
        return self._forward(method, path, body)

    def _with_browser(self, request: dict[str, Any]) -> bytes:
        options = request["capabilities"]["alwaysMatch"]["goog:chromeOptions"]
        self.arguments = list(options["args"])
        options["binary"] = str(self._browser.binary)
        options["args"] += ["--no-sandbox", "--remote-debugging-pipe"]
        return json.dumps(request).encode()

    def _forward(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        connection = HTTPConnection(urlsplit(self._driver).netloc)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"Content-Type": "application/json"})
            with connection.getresponse() as answer:
                return answer.status, answer.read()
