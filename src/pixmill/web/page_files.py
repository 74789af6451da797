"""The page of a package, as a private server shows it, and what passes between its script and the server."""

import json
import re
import secrets
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from pixmill.core.errors import PixmillError
from pixmill.web.problems import ProblemError

_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_PART = re.compile(r"[a-z]+\.(css|js)")
_KINDS = {"css": "text/css", "js": "text/javascript"}


def page_routes(package: str) -> list[Route]:
    """Return the routes of ``page.html`` and of the style and script in ``static/``, which alone it may load.

    Args:
        package: The package that holds them.
    """

    def page(request: Request) -> Response:  # noqa: ARG001
        nonce = secrets.token_urlsafe(16)
        content = (files(package) / "page.html").read_text(encoding="utf-8")
        policy = {"Content-Security-Policy": _POLICY.format(nonce=nonce)}
        return HTMLResponse(content.replace("NONCE", nonce), headers=policy)

    def part(request: Request) -> Response:
        name = request.path_params["name"]
        path = files(package) / "static" / name
        if (match := _PART.fullmatch(name)) is None or not path.is_file():
            raise ProblemError(404, "Not Found.")
        return Response(path.read_bytes(), media_type=_KINDS[match[1]])

    return [Route("/", page), Route("/static/{name}", part)]


def expect_json(request: Request) -> None:
    """Refuse what a form of another page could send.

    Raises:
        ProblemError: The body is no JSON.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ProblemError(415, "Expected a body of application/json.")


def answer_json(act: Callable[[], dict[str, Any]]) -> Response:
    """Answer with what a call returns; where it fails, with status 409, its message, and what to do next.

    Args:
        act: Returns an object; a :class:`PixmillError` that it raises is for the person who looks at the page.
    """
    status = 200
    try:
        content = act()
    except PixmillError as error:
        status, content = 409, {"error": error.message, "next": error.next}
    text = json.dumps(content, allow_nan=False)  # In ASCII: names of files need be no text.
    return Response(text, status, media_type="application/json")
