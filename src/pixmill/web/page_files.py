"""Routes for a package's local page, and JSON requests and responses of its script."""

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
    """Return the routes of ``page.html`` and of the style sheets and scripts in ``static/``.

    The content security policy allows the page to load no others.

    Args:
        package: Name of the package that contains these files.
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
    """Require a JSON body, which no form on another site can send.

    Raises:
        ProblemError: The body is not declared as JSON.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ProblemError(415, "Expected a body of application/json.")


def answer_json(act: Callable[[], dict[str, Any]]) -> Response:
    """Return the result of a call as JSON, or status 409 with the message and next step of its error.

    Args:
        act: Returns a JSON object; may raise a :class:`PixmillError`, which the page shows.
    """
    status = 200
    try:
        content = act()
    except PixmillError as error:
        status, content = 409, {"error": error.message, "next": error.next}
    text = json.dumps(content, allow_nan=False)  # ASCII, since file names may contain surrogates
    return Response(text, status, media_type="application/json")
