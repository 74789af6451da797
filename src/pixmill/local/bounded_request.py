"""Run one ASGI request with limits on its size and default headers on its response."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import Response

from pixmill.local.problems import ProblemError

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HEAD_BYTES = 64 << 10
"""Maximum size of the request line and headers together, and uvicorn's buffer for them."""

_BODY_TIMEOUT_SECONDS = 30.0
"""Maximum time between two parts of a body."""


async def run_bounded(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    admit: Callable[[Scope], Application],
    max_bytes: int,
    headers: Mapping[str, str],
    answer: Callable[[ProblemError], Response],
    hold: Callable[[int], None] = lambda _: None,
) -> int:
    """Answer one request and return the response's status.

    Args:
        scope: ASGI scope.
        receive: ASGI receive channel.
        send: ASGI send channel.
        admit: Returns the application for the request; may raise :class:`ProblemError`.
        max_bytes: Maximum size of the body.
        headers: Default response headers, by lower-case name; the application's own take
            precedence.
        answer: Converts an error to a response.
        hold: Called with the size of each part of the body; may raise :class:`ProblemError`.
    """
    status = received = 0
    is_complete = False

    async def bounded() -> Message:
        nonlocal received, is_complete
        try:
            async with asyncio.timeout(None if is_complete else _BODY_TIMEOUT_SECONDS):
                message = await receive()
        except TimeoutError:
            problem = f"No part of the body has arrived for {_BODY_TIMEOUT_SECONDS:g} seconds."
            raise ProblemError(408, problem, {"Connection": "close"}) from None
        is_complete = not message.get("more_body")
        size = len(message.get("body", b""))
        received += size
        if received > max_bytes:
            raise _too_large(max_bytes)
        hold(size)
        return message

    async def complete(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            given = MutableHeaders(scope=message)
            for name, value in headers.items():
                given.setdefault(name, value)
        await send(message)

    try:
        check_size(scope, max_bytes)
        await admit(scope)(scope, bounded, complete)
    except ProblemError as error:
        if status:
            raise
        await answer(error)(scope, receive, complete)
    except asyncio.CancelledError:  # uvicorn is stopping
        if not status:
            await answer(ProblemError(503, "The server is stopping.", {"Retry-After": "1"}))(
                scope, receive, complete
            )
    return status


def check_size(scope: Scope, max_bytes: int) -> None:
    """Check the sizes that the request's head declares.

    The rest of a refused body is read and dropped. Chunked bodies are refused, since each chunk
    costs time, however small it is.

    Raises:
        ProblemError: The head or the body is too large, or the body's size is not declared.
    """
    given = dict(scope["headers"])
    if (
        len(scope["raw_path"]) + sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        > HEAD_BYTES
    ):
        raise ProblemError(431, f"The request line and its headers exceed {HEAD_BYTES:,} bytes.")
    if b"transfer-encoding" in given:
        raise ProblemError(
            411, "Send the size of the body as Content-Length.", {"Connection": "close"}
        )
    length = given.get(b"content-length", b"0")
    if length.isdigit() and int(length) > max_bytes:
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> ProblemError:
    return ProblemError(413, f"The body may have at most {max_bytes:,} bytes.")
