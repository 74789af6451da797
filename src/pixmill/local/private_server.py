"""Local server for one person's browser, on 127.0.0.1 with a token, and routes for its pages."""

import contextlib
import hmac
import json
import secrets
import signal
import tempfile
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import replacing, storage_errors
from pixmill.local.bounded_request import Application, Receive, Scope, Send, check_size, run_bounded
from pixmill.local.loopback import LoopbackServer, wait_for_interrupt
from pixmill.local.problems import ProblemError

_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Default response headers. The address is secret, so no referrer is sent."""

_PAGE_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' "
    "data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_MAX_JSON_BYTES = 1 << 20

_STOP_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class PrivateServer(LoopbackServer):
    """Serve an ASGI application while the ``with`` block lasts.

    The address contains a token; opening it sets a cookie and redirects to the page. All pages are
    below a random path, and every request needs the cookie as well: cookies ignore ports, so any
    server on this machine could receive one that is set for ``/``. Requests for another host name
    (DNS rebinding) and from other sites' pages are refused.

    The application finds the path in ``scope["root_path"]``, so its pages should use relative URLs.
    It runs in a background thread.

    Args:
        app: Application, such as :func:`make_app` returns.
        command: Command that started the server, such as ``pixmill review``; used in messages.
        port: Port on 127.0.0.1; 0 for any free one.
        start: Page to open first, relative to the secret path; default: its root.
        max_bytes: Maximum size of an uploaded file; :func:`expect_json` limits JSON, which is
            parsed between other requests.

    Attributes:
        port: Port that the server listens on.
        origin: Address without a path.

    Raises:
        PixmillError: The port is taken.
    """

    def __init__(
        self,
        app: Application,
        *,
        command: str,
        port: int = 0,
        start: str = "",
        max_bytes: int = 1 << 20,
    ) -> None:
        self._gate = _Gate(app, command, start, max_bytes)
        super().__init__(self._gate, command=command, port=port)
        self.origin = f"http://127.0.0.1:{self.port}"

    def new_address(self) -> str:
        """Return the address that opens the page."""
        return f"{self.origin}/?token={self._gate.token}"

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[None]:
        """Open the page in the default browser with a token for one use; see :func:`opened`."""
        token = secrets.token_urlsafe(32)
        self._gate.single_tokens.add(token)
        with opened(f"{self.origin}/?token={token}", folder):
            yield


@contextlib.contextmanager
def opened(address: str, folder: Path | None = None) -> Iterator[None]:
    """Open a secret address in the default browser, whose command line other accounts can read.

    So it opens a file, readable for this account only, that forwards to the address.

    Args:
        address: The address; without quotes.
        folder: Folder of the file, which is removed at the end of the block; default: that of
            temporary files.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".html", dir=folder) as file:  # with mode 0600
        file.write(
            '<!doctype html><title>Pixmill</title><meta http-equiv="refresh" content="0; '
            f'url={address}">'
        )
        file.flush()
        webbrowser.open(Path(file.name).as_uri())
        yield


def wait_for_end() -> NoReturn:
    """Wait until Ctrl-C, SIGTERM or SIGHUP (the terminal was closed), in the main thread.

    Raises:
        KeyboardInterrupt: One of these signals arrived.
    """

    def interrupt(number: int, _: object) -> None:
        signal.signal(
            number, signal.SIG_IGN
        )  # SIGHUP comes twice, from the kernel and from the shell
        raise KeyboardInterrupt

    for number in _STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, interrupt)
    wait_for_interrupt()


class _Gate:
    """Pass on requests with the secret path and cookie; set the cookie for the token."""

    def __init__(self, app: Application, command: str, start: str, max_bytes: int) -> None:
        self.token = secrets.token_urlsafe(32)
        self.single_tokens = set[str]()
        self._app = app
        self._command = command
        self._start = start
        self._max_bytes = max_bytes
        self._root = f"/{secrets.token_urlsafe(24)}"
        # Another server on this machine may set cookies for all, but none of this name.
        self._cookie = f"pixmill-{secrets.token_hex(16)}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await run_bounded(
            scope,
            receive,
            send,
            admit=self._admit,
            max_bytes=self._max_bytes,
            headers=_HEADERS,
            answer=_answer,
        )

    def _admit(self, scope: Scope) -> Application:
        """Return the application for a request.

        Raises:
            ProblemError: The request is refused.
        """
        request = Request(scope)
        hosts = request.headers.getlist("host")
        port = scope["server"][1]
        if hosts not in ([f"127.0.0.1:{port}"], [f"localhost:{port}"]):
            raise ProblemError(421, "This server does not answer to that name.")
        path = request.scope["path"]
        # The token is accepted from any site: its link may be opened in a web-based terminal.
        token = request.query_params.get("token", "")
        is_known = token in self.single_tokens or _equal(token, self.token)
        if is_known and path == "/" and request.method == "GET":
            self.single_tokens.discard(token)
            return self._entrance()
        if not _is_same_site(request, f"http://{hosts[0]}"):
            raise ProblemError(403, "Pages of other sites may not use this server.")
        is_within = _equal(path[: len(self._root) + 1], f"{self._root}/")
        if not is_within or not _equal(request.cookies.get(self._cookie, ""), self.token):
            raise ProblemError(403, f"Open this page by the address that {self._command} prints.")
        request.scope["root_path"] = self._root
        return self._app

    def _entrance(self) -> Response:
        """Return a page that sets the cookie and forwards to the secret path.

        A browser would follow an HTTP redirect without the cookie if the link was on another site's
        page.
        """
        response = HTMLResponse(
            '<!doctype html><html lang="en"><title>Pixmill</title><meta http-equiv="refresh" '
            'content="0; '
            f'url={self._root}/{self._start}"><p><a '
            f'href="{self._root}/{self._start}">Continue</a></p></html>'
        )
        response.set_cookie(
            self._cookie, self.token, path=f"{self._root}/", httponly=True, samesite="strict"
        )
        return response


def _is_same_site(request: Request, own: str) -> bool:
    """Return whether a request comes from the server's own pages, or from no page."""
    site = request.headers.get("sec-fetch-site", "none")
    # Browsers leave out the origin of requests that only read.
    default = own if request.method in ("GET", "HEAD") else None
    return site in ("same-origin", "none") and request.headers.get("origin", default) == own


def _answer(problem: ProblemError) -> Response:
    return PlainTextResponse(f"{problem.detail}\n", problem.status, problem.headers)


async def _on_error(request: Request, error: Exception) -> Response:  # noqa: ARG001
    match error:
        case ProblemError():
            return _answer(error)
        case HTTPException():
            return _answer(ProblemError(error.status_code, f"{error.detail}.", error.headers))
        case PixmillError():
            return _answer(ProblemError(409, error.message))
    return Response(status_code=499)  # the client has disconnected


def make_app(routes: Sequence[BaseRoute]) -> Starlette:
    """Return an application of these routes, which answers errors in plain text."""
    kinds: tuple[Any, ...] = (ProblemError, HTTPException, PixmillError, ClientDisconnect)
    app = Starlette(routes=routes, exception_handlers=dict.fromkeys(kinds, _on_error))
    app.router.redirect_slashes = False
    return app


def page_answer(
    package: str, page: str = "page.html", **content: str
) -> Callable[[Request], Response]:
    """Return the function that answers with a page, whose policy allows no foreign scripts.

    Args:
        package: Name of the package that contains the page.
        page: File name of the page.
        content: HTML to put in place of ``{{ <name> }}``, such as the ``head`` of
            :func:`pixmill.pages.page_head`.
    """
    html = (files(package) / page).read_text(encoding="utf-8")
    for name, value in content.items():
        html = html.replace(f"{{{{ {name} }}}}", value)

    def answer(request: Request) -> Response:  # noqa: ARG001
        nonce = secrets.token_urlsafe(16)
        policy = {"Content-Security-Policy": _PAGE_POLICY.format(nonce=nonce)}
        return HTMLResponse(html.replace("NONCE", nonce), headers=policy)

    return answer


def page_routes(package: str, **options: str) -> list[BaseRoute]:
    """Return the routes of a page, its ``static/`` files, and those of all pages.

    Args:
        package: Name of the package that contains these files.
        options: As for :func:`page_answer`.
    """
    static = StaticFiles(packages=[(package, "static"), ("pixmill.pages", "static")])
    return [Route("/", page_answer(package, **options)), Mount("/static", static)]


def expect_json(request: Request) -> None:
    """Require a JSON body, which no form on another site can send, of at most 1 MiB.

    Raises:
        ProblemError: The body is not declared as JSON, or is too large.
    """
    if (
        request.headers.get("content-type", "").partition(";")[0].strip().lower()
        != "application/json"
    ):
        raise ProblemError(415, "Expected a body of application/json.")
    check_size(request.scope, _MAX_JSON_BYTES)


def expect_file(request: Request) -> None:
    """Require the bytes of a file, declared as a type that no form on another site can send.

    Raises:
        ProblemError: The body is declared as something else.
    """
    if request.headers.get("content-type") != "application/octet-stream":
        raise ProblemError(415, "Expected a body of application/octet-stream.")


async def store_body(request: Request, target: Path) -> None:
    """Write the body of a request to a file, which is there only when it is whole."""
    with replacing(target) as temporary, temporary.open("wb") as file:
        async for part in request.stream():
            file.write(part)


def answer_json(act: Callable[[], dict[str, Any]]) -> Response:
    """Return the result of a call as JSON, or status 409 with its error and next step.

    Args:
        act: Returns a JSON object; may raise a :class:`PixmillError`, which the page shows.
    """
    status = 200
    try:
        with storage_errors(then="try again"):
            content = act()
    except PixmillError as error:
        status = 409
        content = {"error": error.message, "next": error.next}
    text = json.dumps(content, allow_nan=False)  # ASCII, since file names may contain surrogates
    return Response(text, status, media_type="application/json")


def _equal(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())
