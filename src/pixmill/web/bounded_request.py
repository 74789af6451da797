"""One request between a server and an ASGI application: its body is bounded, and every answer has certain headers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from starlette.responses import Response

from pixmill.web.problems import ProblemError

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_DRAINED, _DRAIN_SECONDS = 64 << 20, 5.0
"""How much of a refused body is read and dropped, and for how long. A connection that closes while its client still
sends is reset, and the client would never see the answer."""


class BoundedRequest:
    """Hand one request on, count its body while it arrives, and add headers to its answer.

    Args:
        scope: The request's head.
        receive: Returns the parts of its body.
        send: Takes the answer.
        max_bytes: Maximum size of the body.
        headers: Headers of the answer, by name in lower case, where the application does not set them itself.
        answer: Makes a response of a refusal.
        take: Called with the size of each part that is kept in memory; may raise :class:`ProblemError`.

    Attributes:
        held: Bytes that were taken.
        status: The answer's HTTP status.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        max_bytes: int,
        headers: Mapping[str, str],
        answer: Callable[[ProblemError], Response],
        take: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._max_bytes, self._headers, self._answer, self._take = max_bytes, headers, answer, take
        given = dict(scope["headers"])
        length = given.get(b"content-length", b"0")
        self._is_too_large = length.isdigit() and int(length) > max_bytes
        self._unread = b"transfer-encoding" in given or length != b"0"
        self._came = 0
        self._answered = False
        self.held = 0
        self.status = 500

    def hold(self, size: int) -> None:
        """Count bytes that are kept in memory until the answer is sent.

        Raises:
            ProblemError: There would be too many.
        """
        self._take(size)
        self.held += size

    async def run(self, app: Application, refusal: ProblemError | None = None) -> None:
        """Have the request answered.

        Args:
            app: The application.
            refusal: Why it must not see the request; ``None``: it may.
        """
        if refusal is None and self._is_too_large:
            refusal = self._too_large()
        if refusal is not None:
            await self._answer(refusal)(self._scope, self._receive, self._pass_on)
            return
        try:
            await app(self._scope, self._bounded, self._pass_on)
        except ProblemError as error:
            # Of the body, where the application leaves it to others.
            if self._answered:
                raise
            await self._answer(error)(self._scope, self._receive, self._pass_on)
        except asyncio.CancelledError:
            # By uvicorn alone, which stops and waits no longer: half an answer stays one.
            if not self._answered:
                self.status = 503
                stopping = ProblemError(503, "The server is stopping.", {"Retry-After": "1", "Connection": "close"})
                await self._answer(stopping)(self._scope, self._receive, self._send)

    def _too_large(self) -> ProblemError:
        return ProblemError(413, f"The body may have at most {self._max_bytes:,} bytes.")

    async def _bounded(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._unread = message.get("more_body", False)
            size = len(message.get("body", b""))
            self._came += size
            if self._came > self._max_bytes:
                raise self._too_large()
            self.hold(size)
        return message

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._answered, self.status = True, message["status"]
            headers = {name.lower(): value for name, value in message.get("headers", [])}
            for name, value in self._headers.items():
                headers.setdefault(name.encode(), value.encode())
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
