"""What every request passes: its host, its origin, its key and its size; and the headers of every answer."""

import base64
import binascii
import hmac
import time

from pixmill.serve.metrics import Metrics
from pixmill.serve.settings import Settings
from pixmill.web.bounded_request import Application, BoundedRequest, Receive, Scope, Send
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

_OPEN = {"/", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics"} | {
    *("/ping", "/health", "/version", "/v2/health/live", "/v2/health/ready")
}
"""What is read without a key, beside the files of the page."""


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
        self._keys = [key.encode() for key in settings.keys]
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        passage = BoundedRequest(
            scope,
            receive,
            send,
            max_bytes=self._settings.max_bytes,
            headers=_HEADERS,
            answer=answer,
            take=self._take,
        )
        scope["hold"] = passage.hold  # For what a route fetches.
        began = time.perf_counter()
        self._metrics.in_flight.inc()
        try:
            await passage.run(self.app, self._refusal(scope, dict(scope["headers"])))
        finally:
            self._held -= passage.held
            self._metrics.in_flight.dec()
            self._metrics.observe(scope, passage.status, time.perf_counter() - began)

    def _take(self, size: int) -> None:
        """Count bytes that are in memory.

        Raises:
            ProblemError: There would be too many.
        """
        if self._held + size > self._settings.held_bytes:
            raise ProblemError(503, "Too much is being uploaded at once.", {"Retry-After": "1"})
        self._held += size

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> ProblemError | None:
        """Return why a request must not pass, by its head alone."""
        host = headers.get(b"host", b"").decode("latin-1")
        hosts = self._settings.hosts
        if hosts is not None and _name(host) not in hosts:
            return ProblemError(421, f"This server does not answer to the name '{_name(host)}'.")
        origin = headers.get(b"origin", b"").decode("latin-1")
        if self._settings.proxies:  # Which decide on the port, and on TLS.
            is_own = _name(origin.rpartition("//")[2]) == _name(host)
        else:
            is_own = origin.lower() == f"{scope['scheme']}://{host}".lower()
        if origin and not is_own and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            return ProblemError(403, "Pages of other sites may not use this server.")
        if self._keys and needs_key(scope["method"], scope["path"], self._settings) and not self._has_key(headers):
            return ProblemError(401, "Send an API key: Authorization: Bearer KEY.", {"WWW-Authenticate": "Bearer"})
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            return ProblemError(415, "Send the body uncompressed.")
        return None

    def _has_key(self, headers: dict[bytes, bytes]) -> bool:
        kind, _, given = headers.get(b"authorization", b"").partition(b" ")
        if kind.lower() == b"basic":  # From clients that know users and passwords only: the password is the key.
            try:
                kind, given = b"bearer", base64.b64decode(given, validate=True).partition(b":")[2]
            except binascii.Error:
                return False
        # All are compared, so that the time says nothing about which one nearly matched.
        return sum([hmac.compare_digest(given.strip(), key) for key in self._keys]) > 0 and kind.lower() == b"bearer"


def needs_key(method: str, path: str, settings: Settings) -> bool:
    """Tell whether a request is answered only to those who have a key, where the service has keys."""
    is_open = path in _OPEN or path == settings.health_route or path.startswith(("/static/", "/swagger/"))
    return not (is_open and method in ("GET", "HEAD"))


def _name(host: str) -> str:
    """Return the name in a ``Host`` header, without its port, in lower case."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()
