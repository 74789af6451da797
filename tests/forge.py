"""Servers on loopback that answer like GitHub and GitLab: comments, and what jobs uploaded."""

import json
import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

__all__ = ["GITHUB", "GITLAB", "MARKER", "Forge"]

MARKER = "<!-- pixmill compare -->"
GITHUB, GITLAB = "github", "gitlab"
TOKEN = "s3cret"


@dataclass
class Comment:
    """One comment: ``author`` is ``None`` where the account is gone."""

    author: str | None
    body: str


class Forge:
    """A service with one pull request, number 7.

    ``failures`` are statuses for the next requests; ``lose_answers`` is the number of comments that are taken but
    answered with 502; without ``may_write`` the token may only read. ``uploads`` are what a browser gets, without a
    token, since people are logged in: content type and bytes, by path.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.comments: dict[int, Comment] = {}
        self.failures: list[int] = []
        self.lose_answers = 0
        self.may_write = True
        self.uploads: dict[str, tuple[str, bytes]] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"forge": self}))
        self.url = url = f"http://127.0.0.1:{self.server.server_port}"
        if kind == GITHUB:
            self.me, self.token, self.right = "github-actions[bot]", "GITHUB_TOKEN", "pull-requests: write"
            self.environ = {
                "GITHUB_API_URL": url,
                "GITHUB_GRAPHQL_URL": f"{url}/graphql",
                "GITHUB_REPOSITORY": "team/garments",
                "NUMBER": "7",
            }
        else:
            self.me, self.token, self.right = "project_5_bot", "GITLAB_TOKEN", "scope `api`"
            self.environ = {"CI_API_V4_URL": f"{url}/api/v4", "CI_PROJECT_ID": "5", "CI_MERGE_REQUEST_IID": "7"}
        self.environ[self.token] = TOKEN

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def add(self, author: str | None, body: str) -> int:
        """Add a comment and return its id."""
        number = 1000 + len(self.comments)
        self.comments[number] = Comment(author, body)
        return number

    def upload(self, path: str, content: bytes, kind: str) -> str:
        """Keep what a job uploaded, and return its address."""
        self.uploads[path] = (kind, content)
        return f"{self.url}{path}"


class _Handler(BaseHTTPRequestHandler):
    forge: Forge

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def _answer(self, status: int, body: Any) -> None:
        self._send(status, "application/json", json.dumps(body).encode())

    def _send(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status in (429, 502, 503):
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _shown(self, number: int) -> dict[str, Any]:
        comment = self.forge.comments[number]
        if self.forge.kind == GITHUB:
            return {"id": number, "body": comment.body, "user": comment.author and {"login": comment.author}}
        return {"id": number, "body": comment.body, "author": comment.author and {"id": self._user(comment.author)}}

    @staticmethod
    def _user(name: str) -> int:
        return sum(name.encode())

    def _given(self) -> dict[str, Any]:
        given: dict[str, Any] = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        return given

    def _refused(self) -> bool:
        """Answer for a service that is busy, a wrong token, or one without the right to write."""
        forge, given = self.forge, self.headers
        sent = given["Authorization"] == f"Bearer {TOKEN}" or given["PRIVATE-TOKEN"] == TOKEN
        if forge.failures:
            self._answer(forge.failures.pop(0), {"message": "busy"})
        elif not sent:
            self._answer(401, {"message": "Bad credentials"})
        elif self.command != "GET" and self.path != "/graphql" and not forge.may_write:
            self._answer(403, {"message": "Resource not accessible by integration"})
        else:
            return False
        return True

    def _handle(self) -> None:
        forge, path, given = self.forge, urlsplit(self.path), self._given()
        if self.command == "GET" and path.path in forge.uploads:
            self._send(200, *forge.uploads[path.path])
            return
        if self._refused():
            return
        if forge.kind == GITHUB:
            listed, one, update = (
                "/repos/team/garments/issues/7/comments",
                "/repos/team/garments/issues/comments",
                "PATCH",
            )
        else:
            listed = one = "/api/v4/projects/5/merge_requests/7/notes"
            update = "PUT"
        if (self.command, path.path) == ("POST", "/graphql") and given == {"query": "{viewer{login}}"}:
            self._answer(200, {"data": {"viewer": {"login": forge.me}}})
        elif (self.command, path.path) == ("GET", "/api/v4/user"):
            self._answer(200, {"id": self._user(forge.me)})
        elif (self.command, path.path) == ("GET", listed):
            asked = {name: int(values[0]) for name, values in parse_qs(path.query).items()}
            size = min(asked.get("per_page", 30), 100)
            start = (asked.get("page", 1) - 1) * size
            self._answer(200, [self._shown(number) for number in list(forge.comments)[start : start + size]])
        elif (self.command, path.path) == ("POST", listed):
            number = forge.add(forge.me, given["body"])
            lost, forge.lose_answers = forge.lose_answers > 0, max(forge.lose_answers - 1, 0)
            self._answer(502 if lost else 201, self._shown(number))
        elif self.command == update and (named := re.fullmatch(rf"{one}/(\d+)", path.path)):
            forge.comments[int(named[1])].body = given["body"]
            self._answer(200, self._shown(int(named[1])))
        else:
            self._answer(404, {"message": "Not Found"})

    do_GET = do_POST = do_PATCH = do_PUT = _handle  # noqa: N815 (http.server's names)
