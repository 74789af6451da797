"""What every request passes: its host, its origin and its size; and the headers of every answer."""

import time

from pixmill.serve.http.metrics import Metrics
from pixmill.serve.http.settings import Settings
from pixmill.web.bounded_request import Application, Receive, Scope, Send, run_bounded
from pixmill.web.problems import ProblemError, answer

_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Admission:
    """Let requests pass to an ASGI application, or refuse them.

    Bodies are counted while they arrive: each against ``max_bytes``, all that are in memory against ``held_bytes``.
    Routes count what else they keep in memory by ``scope["hold"]``.

    Args:
        app: The application.
        settings: The service's.
        metrics: What is counted.
    """

    def __init__(self, app: Application, settings: Settings, metrics: Metrics) -> None:
        self.app = app
        self._settings, self._metrics = settings, metrics
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        held, status, began = 0, 500, time.perf_counter()

        def hold(size: int) -> None:
            nonlocal held
            if self._held + size > self._settings.held_bytes:
                raise ProblemError(503, "Too much is being uploaded at once.", {"Retry-After": "1"})
            self._held += size
            held += size

        scope["hold"] = hold
        self._metrics.in_flight.inc()
        try:
            status = await run_bounded(
                scope,
                receive,
                send,
                admit=self._admit,
                max_bytes=self._settings.max_bytes,
                headers=_HEADERS,
                answer=answer,
                hold=hold,
            )
        finally:
            self._held -= held
            self._metrics.in_flight.dec()
            self._metrics.observe(scope, status, time.perf_counter() - began)

    def _admit(self, scope: Scope) -> Application:
        """Refuse a request by its head alone.

        Raises:
            ProblemError: It must not pass.
        """
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin", "")
        hosts = self._settings.hosts
        if hosts is not None and _name(host) not in hosts:
            raise ProblemError(421, f"This server does not answer to the name '{_name(host)}'.")
        if self._settings.proxies:  # Which decide on the port, and on TLS.
            is_own = _name(origin.rpartition("//")[2]) == _name(host)
        else:
            is_own = origin.lower() == f"{scope['scheme']}://{host}".lower()
        if origin and not is_own and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            raise ProblemError(403, "Pages of other sites may not use this server.")
        if headers.get(b"content-encoding", "identity").lower() != "identity":
            raise ProblemError(415, "Send the body uncompressed.")
        return self.app


def _name(host: str) -> str:
    """Return the name in a ``Host`` header, without its port, in lower case."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()
