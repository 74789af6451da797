"""A client of a private server that sends the same requests as its page, with optional changes."""

import contextlib
import http.client
import json
import re
from email.message import Message
from typing import Any
from urllib.parse import urlsplit


class Visitor:
    """Client that opens the address of a private server.

    Args:
        address: Address with the token.

    Attributes:
        host: Name and port of the server.
        key: Path of the page, with slashes around it.
        cookie: Cookie that the server has set.
    """

    def __init__(self, address: str) -> None:
        self.host = urlsplit(address).netloc
        self.port = int(self.host.rpartition(":")[2])
        self.key = "/"
        self.cookie = ""
        parts = urlsplit(address)
        status, headers, page = self.ask(f"{parts.path}?{parts.query}", within=False)
        assert status == 200, page
        self.cookie, _, self.attributes = headers["Set-Cookie"].partition("; ")
        found = re.search('url=([^"]+)"', page.decode())
        assert found is not None
        self.key = found[1]

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes | None = None,
        *,
        within: bool = True,
        **headers: str | None,
    ) -> tuple[int, Message, bytes]:
        """Send a request, and return status, headers and body; a header of ``None`` is omitted."""
        given = {"Host": self.host, "Cookie": self.cookie or None}
        if body is not None:
            given |= {
                "Origin": f"http://{self.host}",
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
            }
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        ) as connection:
            connection.putrequest(method, self.key + path if within else path, skip_host=True)
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def post(self, path: str, content: Any, **headers: str | None) -> tuple[int, Any]:
        """Post JSON, and return status and the response."""
        status, _, body = self.ask(path, "POST", json.dumps(content).encode(), **headers)
        return status, json.loads(body) if body.startswith(b"{") else body.decode()

    def get_json(self, path: str) -> Any:
        """Return the JSON at a path."""
        status, _, body = self.ask(path)
        assert status == 200, body
        return json.loads(body)
