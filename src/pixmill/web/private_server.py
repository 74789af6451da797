"""A server for the browser of one person: on 127.0.0.1, opened by an address with a token."""

import asyncio
import hmac
import secrets
import signal
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute

from pixmill.core.errors import PixmillError
from pixmill.web.address_file import remove_address, write_address
from pixmill.web.bounded_request import HEAD_BYTES, Application, Receive, Scope, Send, run_bounded
from pixmill.web.loopback import wait_for_interrupt
from pixmill.web.problems import ProblemError

_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Of every answer, unless the application says otherwise. The address is a secret: it goes to nobody."""

_COOKIE = "pixmill"

_MOST_BYTES = 1 << 20
"""Maximum size of a request's body."""

_GRACE_SECONDS, _JOIN_SECONDS, _IDLE_SECONDS = 0.3, 5.0, 60
"""How long requests may go on when the server ends, how long to wait for its thread, and how long a connection may be
idle between requests."""

_LOOK_SECONDS = 0.005
"""How often to look whether the server has started."""

_ENDS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class PrivateServer:
    """Serve an ASGI application while the ``with`` block lasts.

    Its address has a token, which sets a cookie and leads to the page. Everything lies below a random path, and
    each request needs the cookie, too. Cookies know no ports: without the path, the browser would show this one to any
    server on this machine. Refused are other names of this machine (DNS rebinding) and requests from other pages.

    The application finds the path in ``scope["root_path"]``, so its pages should name their parts relatively. It is
    served from a thread of its own.

    Args:
        app: The application, such as :func:`make_app` returns.
        command: The command that serves it, such as ``pixmill review``.
        port: The port on 127.0.0.1; 0 takes a free one.
        address_file: Where to write the address for a second start of the command; default: nowhere.
        about: What :func:`pixmill.web.address_file.ask_running` is to find there.

    Attributes:
        port: The port that it listens on.
        origin: The address without a path.

    Raises:
        PixmillError: The port is taken.
    """

    def __init__(
        self,
        app: Application,
        *,
        command: str,
        port: int = 0,
        address_file: Path | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self._listener = _listen(port, command)
        self.port: int = self._listener.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self._gate = _Gate(app, self.port, command)
        self._address_file, self._about = address_file, dict(about or {})
        config = uvicorn.Config(
            self._gate,
            http="h11",
            h11_max_incomplete_event_size=HEAD_BYTES,
            ws="none",
            log_config=None,
            log_level="error",  # What is no HTTP is no news.
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=1,
            loop="asyncio",
            lifespan="off",  # Applications of routes alone have nothing to start.
        )
        self._server = _Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=[[self._listener]], name="private-server", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(_LOOK_SECONDS)
        if self._address_file is not None:
            write_address(self._address_file, address=self.new_address(), about=self._about)
        return self

    def __exit__(self, *_: object) -> None:
        if self._address_file is not None:
            remove_address(self._address_file, address=self.new_address())
        self._server.should_exit = True
        self._thread.join(_JOIN_SECONDS)
        self._listener.close()

    def new_address(self) -> str:
        """Return the address that opens the page."""
        return f"{self.origin}/?token={self._gate.token}"


def wait_for_end() -> NoReturn:
    """Wait until Ctrl-C, SIGTERM or SIGHUP (the terminal was closed), in the main thread.

    Raises:
        KeyboardInterrupt: One of them came.
    """

    def interrupt(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # The system tells that the terminal is gone, then the shell does so.
        raise KeyboardInterrupt

    for number in _ENDS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # What is ignored stays so: that is how nohup works.
            signal.signal(number, interrupt)
    wait_for_interrupt()


class _Gate:
    """Let requests pass that have the path and the cookie, which the token sets."""

    def __init__(self, app: Application, port: int, command: str) -> None:
        self.token = secrets.token_urlsafe(32)
        self._app, self._port, self._command = app, port, command
        self._root = f"/{secrets.token_urlsafe(24)}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await run_bounded(
            scope, receive, send, admit=self._admit, max_bytes=_MOST_BYTES, headers=_HEADERS, answer=_answer
        )

    def _admit(self, scope: Scope) -> Application:
        """Return what answers a request.

        Raises:
            ProblemError: It is refused.
        """
        request = Request(scope)
        hosts = request.headers.getlist("host")
        if hosts not in ([f"127.0.0.1:{self._port}"], [f"localhost:{self._port}"]):
            raise ProblemError(421, "This server does not answer to that name.")
        path, method = request.scope["path"], request.method
        # From wherever its link was followed: whoever knows the token may enter.
        if path == "/" and method == "GET" and _equal(request.query_params.get("token", ""), self.token):
            return self._entrance()
        origin = request.headers.get("origin")
        is_own = origin == f"http://{hosts[0]}" or (origin is None and method in ("GET", "HEAD"))
        if not is_own or request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise ProblemError(403, "Pages of other sites may not use this server.")
        is_within = _equal(path[: len(self._root) + 1], f"{self._root}/")
        if not is_within or not self._has_cookie(request.headers.getlist("cookie")):
            raise ProblemError(403, f"This page opens by the address that {self._command} prints.")
        request.scope["root_path"] = self._root
        return self._app

    def _entrance(self) -> Response:
        """Return a page that sets the cookie and leads on.

        A redirection would be followed without the cookie where the link stands on another site's page, such as a
        terminal in a browser.
        """
        response = HTMLResponse(
            f'<!doctype html><html lang="en"><title>Pixmill</title><meta http-equiv="refresh" content="0; '
            f'url={self._root}/"><p><a href="{self._root}/">Continue</a></p></html>'
        )
        response.set_cookie(_COOKIE, self.token, path=f"{self._root}/", httponly=True, samesite="strict")
        return response

    def _has_cookie(self, headers: list[str]) -> bool:
        pairs = (part.strip().partition("=") for header in headers for part in header.split(";"))
        return any(name == _COOKIE and _equal(value, self.token) for name, _, value in pairs)


class _Server(uvicorn.Server):
    """End soon, whatever clients do: streams end by an abort, and so does the wait for slow readers."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if tasks := {*self.server_state.tasks}:
            await asyncio.wait(tasks, timeout=_GRACE_SECONDS)
        for connection in [*self.server_state.connections]:
            connection.transport.abort()
        await super().shutdown(sockets)


def _listen(port: int, command: str) -> socket.socket:
    """Return a socket that listens: what connects before the server's thread runs, waits."""
    # With its protocol named, asyncio sends without delay (TCP_NODELAY).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)  # A browser opens its connections all at once.
    except OSError as error:
        listener.close()
        raise PixmillError(f"{command} cannot use port {port}: {error.strerror}", next=f"{command} --port 0") from error
    return listener


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
    return Response(status_code=499)  # The client has left.


def make_app(routes: Sequence[BaseRoute]) -> Starlette:
    """Return an application of these routes, which answers errors in plain text."""
    kinds: tuple[Any, ...] = (ProblemError, HTTPException, PixmillError, ClientDisconnect)
    app = Starlette(routes=routes, exception_handlers=dict.fromkeys(kinds, _on_error))
    app.router.redirect_slashes = False
    return app


def _equal(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())
