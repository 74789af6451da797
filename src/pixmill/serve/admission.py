"""What every request passes: its host, its origin, its key and its size; and the headers of every answer."""

import asyncio
import base64
import binascii
import hmac
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pixmill.serve.metrics import Metrics
from pixmill.serve.problems import ProblemError, answer
from pixmill.serve.settings import Settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_HEADERS = {
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

_DRAINED, _DRAIN_SECONDS = 64 << 20, 5.0
"""How much of a refused body is read and dropped, and for how long. A connection that closes while its client still
sends is reset, and the client would never see the answer."""


class Admission:
    """Let requests pass to an ASGI application, or refuse them.

    Bodies are counted while they arrive: each against ``max_bytes``, all that are in memory against ``held_bytes``.
    Routes count what else they keep in memory by ``scope["hold"]``.

    Args:
        app: The application.
        settings: The service's.
        metrics: What is counted.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], settings: Settings, metrics: Metrics) -> None:
        self.app, self.max_bytes = app, settings.max_bytes
        self._settings, self._metrics = settings, metrics
        self._keys = [key.encode() for key in settings.keys]
        self._held = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        passage = _BoundedRequest(self, scope, receive, send)
        began = time.perf_counter()
        self._metrics.in_flight.inc()
        try:
            await passage.run()
        finally:
            self._held -= passage.held
            self._metrics.in_flight.dec()
            self._metrics.observe(scope, passage.status, time.perf_counter() - began)

    def take(self, size: int) -> None:
        """Count bytes that are in memory.

        Raises:
            ProblemError: There would be too many.
        """
        if self._held + size > self._settings.held_bytes:
            raise ProblemError(503, "Too much is being uploaded at once.", {"Retry-After": "1"})
        self._held += size

    def refusal(self, scope: MutableMapping[str, Any], headers: dict[bytes, bytes]) -> ProblemError | None:
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
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.max_bytes:
            return self.too_large()
        return None

    def too_large(self) -> ProblemError:
        """Return the problem for a body above the limit."""
        return ProblemError(413, f"The body may have at most {self.max_bytes:,} bytes.")

    def _has_key(self, headers: dict[bytes, bytes]) -> bool:
        kind, _, given = headers.get(b"authorization", b"").partition(b" ")
        if kind.lower() == b"basic":  # From clients that know users and passwords only: the password is the key.
            try:
                kind, given = b"bearer", base64.b64decode(given, validate=True).partition(b":")[2]
            except binascii.Error:
                return False
        # All are compared, so that the time says nothing about which one nearly matched.
        return sum([hmac.compare_digest(given.strip(), key) for key in self._keys]) > 0 and kind.lower() == b"bearer"


class _BoundedRequest:
    """One request on its way."""

    def __init__(self, gate: Admission, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self._gate, self._scope, self._receive, self._send = gate, scope, receive, send
        scope["hold"] = self._hold  # For what a route fetches.
        self._headers = dict(scope["headers"])
        self._unread = b"transfer-encoding" in self._headers or self._headers.get(b"content-length", b"0") != b"0"
        self._came = 0
        self._answered = False
        self.held = 0
        self.status = 500

    def _hold(self, size: int) -> None:
        self._gate.take(size)
        self.held += size

    async def run(self) -> None:
        if problem := self._gate.refusal(self._scope, self._headers):
            await answer(problem)(self._scope, self._receive, self.send)
            return
        try:
            await self._gate.app(self._scope, self.receive, self.send)
        except asyncio.CancelledError:
            # By uvicorn alone, which stops and waits no longer: half an answer stays one.
            if not self._answered:
                self.status = 503
                stopping = ProblemError(503, "The server is stopping.", {"Retry-After": "1", "Connection": "close"})
                await answer(stopping)(self._scope, self._receive, self._send)

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._unread = message.get("more_body", False)
            size = len(message.get("body", b""))
            self._came += size
            if self._came > self._gate.max_bytes:
                raise self._gate.too_large()
            self._hold(size)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._answered, self.status = True, message["status"]
            headers = {name.lower(): value for name, value in message.get("headers", [])}
            for name, value in _HEADERS.items():
                headers.setdefault(name.encode(), value.encode())
            headers.setdefault(b"cache-control", b"no-store")
            if self._unread:
                await self._drain()
            if self._unread:
                headers[b"connection"] = b"close"
            message = {**message, "headers": list(headers.items())}
        await self._send(message)

    async def _drain(self) -> None:
        """Read and drop what is left of the body, within limits."""
        dropped = 0
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while self._unread and dropped < _DRAINED:
                    message = await self._receive()
                    if message["type"] != "http.request":
                        return
                    dropped += len(message.get("body", b""))
                    self._unread = message.get("more_body", False)
        except TimeoutError:
            return


def needs_key(method: str, path: str, settings: Settings) -> bool:
    """Tell whether a request is answered only to those who have a key, where the service has keys."""
    is_open = path in _OPEN or path == settings.health_route or path.startswith(("/static/", "/swagger/"))
    return not (is_open and method in ("GET", "HEAD"))


def _name(host: str) -> str:
    """Return the name in a ``Host`` header, without its port, in lower case."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()
