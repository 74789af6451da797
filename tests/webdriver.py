"""A remote WebDriver on loopback: a real driver behind an address that can be killed, and started again."""

import contextlib
import http.server
import json
import threading
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pixmill.web.browser import Browser
from pixmill.web.browser.driver import running_driver
from tests.ports import unused_port

__all__ = ["DriverServer"]


class DriverServer:
    """Open browsers for others, as a remote driver does.

    It adds to each request which browser there is.

    Args:
        browser: The browser and its driver.
        folder: The place for the driver's log and the browsers' profiles.

    Attributes:
        url: Its address, the same after each start.
        sessions: The ids of sessions that nobody has asked it to end.
        arguments: The browser's arguments in the last request for a session.
        asked: How many commands it was given.
    """

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser, self._folder = browser, folder
        self._port = unused_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.sessions: set[str] = set()
        self.asked = 0
        self.arguments: list[str] = []

    def start(self) -> None:
        """Start it, with no session; the driver dies with the thread that calls this."""
        self.sessions.clear()
        self._running = contextlib.ExitStack()
        self._driver, _ = self._running.enter_context(running_driver(self._browser, self._folder / "driver.log"))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        server.daemon_threads, server.block_on_close = True, False
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        self._running.callback(thread.join)
        self._running.enter_context(server)
        self._running.callback(server.shutdown)
        thread.start()

    def kill(self) -> None:
        """Kill it with its browsers; nobody listens at its address any more."""
        self._running.close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        remote = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def hand_through(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                remote.asked += 1
                try:
                    status, said = remote._answer(self.command, self.path, body)
                except (OSError, HTTPException):
                    self.close_connection = True  # The driver has been killed.
                    return
                with contextlib.suppress(OSError):  # So may be the client.
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(said)))
                    self.end_headers()
                    self.wfile.write(said)

            do_GET = do_POST = do_DELETE = hand_through  # noqa: N815

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if (method, path) == ("POST", "/session"):
            status, said = self._forward(method, path, self._with_browser(json.loads(body)))
            if status == 200:
                self.sessions.add(json.loads(said)["value"]["sessionId"])
            return status, said
        if method == "DELETE":
            # A driver whose browser is gone may hang, or close the connection without an answer.
            self.sessions.discard(path.removeprefix("/session/"))
        return self._forward(method, path, body)

    def _with_browser(self, asked: dict[str, Any]) -> bytes:
        options = asked["capabilities"]["alwaysMatch"]["goog:chromeOptions"]
        self.arguments = list(options["args"])
        options["binary"] = str(self._browser.binary)
        options["args"] += ["--no-sandbox", "--remote-debugging-pipe"]
        return json.dumps(asked).encode()

    def _forward(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        connection = HTTPConnection(urlsplit(self._driver).netloc)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"Content-Type": "application/json"})
            with connection.getresponse() as answer:
                return answer.status, answer.read()
