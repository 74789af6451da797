"""Checks that every request passes (host, origin, size), and the headers of every response."""

import base64
import binascii
import hmac
import time
from collections.abc import Collection
from dataclasses import KW_ONLY, dataclass, field

from pixmill.local.bounded_request import Application, Receive, Scope, Send, run_bounded
from pixmill.local.problems import ProblemError, answer
from pixmill.serve.http.metrics import Metrics
from pixmill.serve.http.schemas import MAX_BYTES

_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action "
        "'self'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@dataclass
class Admission:
    """ASGI middleware that refuses forbidden or oversized requests.

    Bodies are counted while they arrive. Routes count other memory that they hold with
    ``scope["hold"]``.

    Args:
        app: The application.
        metrics: Counters to update.
        held_bytes: Maximum size of all bodies in memory together.
        hosts: Accepted names in ``Host``; ``None`` accepts any.
        behind_proxy: Whether a proxy decides on port and TLS, so that only the names of origin and
            host are compared.
        keys: Keys of which a request for anything but the page needs one; empty: routes decide.
    """

    app: Application
    metrics: Metrics
    _: KW_ONLY
    held_bytes: int
    hosts: Collection[str] | None
    behind_proxy: bool
    keys: Collection[str] = ()
    _held: int = field(default=0, init=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        held = 0
        status = 500
        start = time.perf_counter()

        def hold(size: int) -> None:
            nonlocal held
            if self._held + size > self.held_bytes:
                raise ProblemError(503, "Too much is being uploaded at once.", {"Retry-After": "1"})
            self._held += size
            held += size

        scope["hold"] = hold
        self.metrics.in_flight.inc()
        try:
            status = await run_bounded(
                scope,
                receive,
                send,
                admit=self._admit,
                max_bytes=MAX_BYTES,
                headers=_HEADERS,
                answer=answer,
                hold=hold,
            )
        finally:
            self._held -= held
            self.metrics.in_flight.dec()
            self.metrics.observe(scope, status, time.perf_counter() - start)

    def _admit(self, scope: Scope) -> Application:
        """Return the application; raise :class:`ProblemError` for unacceptable headers."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        origin = headers.get(b"origin", "")
        if self.hosts is not None and _name(host) not in self.hosts:
            raise ProblemError(421, f"This server does not answer to the name '{_name(host)}'.")
        if self.behind_proxy:
            is_own = _name(origin.rpartition("//")[2]) == _name(host)
        else:
            is_own = origin.lower() == f"{scope['scheme']}://{host}".lower()
        if origin and not is_own and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            raise ProblemError(403, "Pages of other sites may not use this server.")
        if headers.get(b"content-encoding", "identity").lower() != "identity":
            raise ProblemError(415, "Send the body uncompressed.")
        # The page reads the key from its address, of which browsers send only what is before the #.
        if scope["path"] != "/" and not scope["path"].startswith("/static/"):
            check_key(headers.get(b"authorization", ""), self.keys)
        return self.app


def check_key(authorization: str, keys: Collection[str]) -> None:
    """Raise :class:`ProblemError` if there are keys and a request has none of them.

    Args:
        authorization: Its header.
        keys: The keys.
    """
    kind, _, given = authorization.partition(" ")
    password = given.strip().encode("latin-1")
    if kind.lower() == "basic":  # MLflow's client sends the key as a password.
        try:
            password = base64.b64decode(password, validate=True).partition(b":")[2]
        except binascii.Error:
            password = b""
    # All keys are compared, so that the time does not reveal which one nearly matched.
    is_known = sum([hmac.compare_digest(password, key.encode()) for key in keys])
    if keys and not (is_known and kind.lower() in ("bearer", "basic")):
        raise ProblemError(
            401, "Send an API key: Authorization: Bearer KEY.", {"WWW-Authenticate": "Bearer"}
        )


def _name(host: str) -> str:
    """Return the name in a ``Host`` header without its port, in lower case."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()
