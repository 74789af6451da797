"""The page's server: HTTP/1.1 on loopback, for one browser only."""

import json
import re
import secrets
from collections.abc import Callable
from http import HTTPStatus
from importlib import resources
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from pixmill.core.errors import PixmillError
from pixmill.review.preview import Previews
from pixmill.review.review_session import Choice, Session
from pixmill.web.loopback import LoopbackHandler, LoopbackServer

_HTML, _JSON, _TEXT = "text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"

_STATIC = {"static/review.css": "text/css; charset=utf-8", "static/review.js": "text/javascript; charset=utf-8"}

_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The address is a secret: it goes to nobody, and nobody's page holds a part of this one."""

_BODY = 1 << 20
"""The largest request, in bytes: a set of thousands of images may be dropped at once."""


class _Request(BaseModel):
    """What the page sends for a decision: a case's number, the choices and the reason."""

    case: Annotated[int, Field(ge=0)]
    choices: Annotated[list[Choice], Field(min_length=1)]
    why: Annotated[str, Field(max_length=500)]


class Server(LoopbackServer):
    """Serve a session while the ``with`` block lasts.

    Everything lies below a random path, which is the only key to it: no other page and no other user of this machine
    knows it, and no cookie carries it to other ports. Names of other hosts (DNS rebinding) and other pages' requests
    (Origin) are refused besides.

    Args:
        session: What is shown and decided.
        previews: The images.
        port: The port on 127.0.0.1; default: a free one.

    Raises:
        PixmillError: The port is taken.
    """

    def __init__(self, session: Session, previews: Previews, *, port: int = 0) -> None:
        self.session = session
        self.previews = previews
        self.key = secrets.token_urlsafe(24)
        self._ticket: str | None = secrets.token_urlsafe(24)
        try:
            super().__init__(port, _PageHandler)
        except OSError as error:
            raise PixmillError(
                f"the review cannot use port {port}: {error.strerror}", next="pixmill review --port 0"
            ) from error
        self.origin = f"http://127.0.0.1:{self.server_port}"

    @property
    def address(self) -> str:
        """The page's address, with the key in it."""
        return f"{self.origin}/{self.key}/"

    @property
    def ticket(self) -> str:
        """An address that leads to the page once: other users see the words that a browser is started with."""
        return f"{self.origin}/enter/{self._ticket}"

    def admit(self, ticket: str) -> bool:
        """Tell whether a ticket is good, which it is once."""
        with self.lock:
            if self._ticket is None or not _equal(ticket, self._ticket):
                return False
            self._ticket = None
            return True


class _PageHandler(LoopbackHandler):
    """Answer one connection's requests."""

    server_version = "PixmillReview"
    server: Server

    def do_GET(self) -> None:  # noqa: N802 (the name that the standard library calls)
        """Answer with the page, a part of it, a case or an image."""
        if not self._is_for_us():
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST)
        elif self.path.startswith("/enter/"):
            if self.server.admit(self.path.removeprefix("/enter/")):
                self._send(HTTPStatus.SEE_OTHER, b"", _TEXT, Location=f"/{self.server.key}/")
            else:
                self._refuse(HTTPStatus.NOT_FOUND)
        elif (place := self._place()) is None:
            self._refuse(HTTPStatus.NOT_FOUND)
        elif place == "":
            self._send_page()
        elif place in _STATIC:
            self._send(HTTPStatus.OK, (resources.files("pixmill.review") / place).read_bytes(), _STATIC[place])
        elif place == "session":
            self._send_result(self.server.session.overview)
        elif re.fullmatch("case/[0-9]{1,9}", place):
            self._send_case(int(place.removeprefix("case/")))
        elif re.fullmatch("image/[0-9a-f]{64}", place):
            self._send_image(place.removeprefix("image/"))
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:  # noqa: N802 (likewise)
        """Take a decision, or take one back."""
        place = self._place()
        length = self.headers.get("Content-Length", "")
        if not self._is_for_us():
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST)
        elif place is None:
            self._refuse(HTTPStatus.NOT_FOUND)
        elif self.headers.get("Origin") != f"http://{self.headers['Host']}":
            self._refuse(HTTPStatus.FORBIDDEN)
        elif self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        elif not re.fullmatch("[0-9]{1,9}", length):
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
        elif int(length) > _BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            self._take(place, self.rfile.read(int(length)))

    def _is_for_us(self) -> bool:
        """Tell whether the request names this machine; any other name was rebound to it by a stranger's page."""
        port = self.server.server_port
        return self.headers.get_all("Host") in ([f"127.0.0.1:{port}"], [f"localhost:{port}"])

    def _place(self) -> str | None:
        """Return what lies behind the key, or ``None`` where the key is wrong."""
        _, key, *rest = [*self.path.split("/", 2), ""][:3]
        return rest[0] if _equal(key, self.server.key) and self.path.count("/") > 1 else None

    def _take(self, place: str, body: bytes) -> None:
        if place == "undo":
            self._send_result(self.server.session.undo)
            return
        if place != "decide":
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        try:
            request = _Request.model_validate_json(body, strict=True)
        except ValidationError:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        session = self.server.session
        if request.case < len(session.cases):
            self._send_result(lambda: session.decide(request.case, request.choices, request.why))
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def _send_page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        page = (resources.files("pixmill.review") / "page.html").read_text(encoding="utf-8").replace("NONCE", nonce)
        self._send(HTTPStatus.OK, page.encode(), _HTML, **{"Content-Security-Policy": _POLICY.format(nonce=nonce)})

    def _send_case(self, number: int) -> None:
        session = self.server.session
        if number >= len(session.cases):
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        self.server.previews.expect(session.next_images(number))
        self._send_result(lambda: session.case(number))

    def _send_image(self, name: str) -> None:
        preview = self.server.previews.get(name) if self.server.session.knows(name) else "unknown"
        if isinstance(preview, str):
            self._send(HTTPStatus.NOT_FOUND, preview.encode(), _TEXT)
        else:
            self._send(HTTPStatus.OK, preview, "image/jpeg", **{"Cache-Control": "private, max-age=3600"})

    def _send_result(self, act: Callable[[], dict[str, Any]]) -> None:
        """Send what a call returns, or the error message where it fails."""
        status = HTTPStatus.OK
        try:
            result = act()
        except PixmillError as error:
            status, result = HTTPStatus.CONFLICT, {"error": error.message, "next": error.next}
        self._send(status, json.dumps(result, ensure_ascii=False, allow_nan=False).encode(), _JSON)

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True  # whatever else was sent is not read
        self._send(status, f"{status.phrase}.\n".encode(), _TEXT)

    def _send(self, status: HTTPStatus, content: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            **_HEADERS,
            **headers,
        }.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)


def _equal(given: str, secret: str) -> bool:
    return secrets.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())
