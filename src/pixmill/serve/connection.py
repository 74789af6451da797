"""A connection that waits only so long: for a head, for a body, and for whoever reads the answer."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from pixmill.serve.problems import MEDIA_TYPE, problem_bytes

__all__ = ["Connection"]

_HEAD_SECONDS, _BODY_SECONDS, _ANSWER_SECONDS = 10.0, 60.0, 120.0
"""Time for a request's head, for its body, and for its answer to be made and read."""

_LAST_SECONDS = 2.0
"""Time that a client has to read the last answer. What it still sends is dropped: if the connection were closed at
once, it would be reset, and the client might never see the answer."""

_SERVED, _OPEN = 256, 768
"""Connections that are served, and that may be open: those between are told 503, further ones are closed at once."""


class Connection(HttpToolsProtocol):
    """Speak HTTP/1.1 as uvicorn does, and end connections of clients that are too slow or too many.

    Uvicorn limits only how long a connection may be idle between requests.
    """

    _deadline: asyncio.TimerHandle | None = None
    _receives = _is_surplus = _has_ended = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        if len(self.connections) > _OPEN:
            transport.abort()
            return
        self._is_surplus = len(self.connections) > _SERVED
        self._wait(_HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        """Take what comes; a surplus connection is told so without a look at its request."""
        if self._is_surplus:
            self._end_with(503, "Too many connections are open.")
        elif not self._has_ended:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._stop()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to wait for the head."""
        super().on_message_begin()
        self._receives = True
        self._wait(_HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        """Begin to wait for the body, and hand the request on."""
        self._wait(_BODY_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Begin to wait for the answer."""
        self._receives = False
        self._wait(_ANSWER_SECONDS)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Stop waiting, unless more is on its way."""
        if not self._receives and not self.pipeline:
            self._stop()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self._end_with(400, msg)

    def timeout_keep_alive_handler(self) -> None:
        """End an idle connection, even if its client does not read what was sent."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(_LAST_SECONDS, self.transport.abort)

    def _wait(self, seconds: float) -> None:
        self._stop()
        self._deadline = self.loop.call_later(seconds, self._give_up)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if self._has_ended:
            self.transport.abort()
            return
        is_answered = self.cycle is None or self.cycle.response_complete
        if is_answered and not self._receives:
            self.transport.close()  # Nothing was ever asked.
        elif not is_answered and self.cycle.response_started:
            self.transport.abort()  # Nobody reads the answer.
        elif self._receives:
            self._end_with(408, "The request took too long to arrive.")
        else:
            self._end_with(503, "The answer took too long.")

    def _end_with(self, status: int, detail: str) -> None:
        """Send a problem, say that nothing follows, and close when the client has read it."""
        if self._has_ended or self.transport.is_closing():
            return
        self._has_ended = True
        content = problem_bytes(status, detail)
        head = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(content)}\r\nconnection: close\r\n"
        again = "retry-after: 1\r\n" if status == 503 else ""
        self.transport.write(STATUS_LINE[status] + f"{head}{again}\r\n".encode() + content)
        self.transport.write_eof()
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.flow.resume_reading()
        self._wait(_LAST_SECONDS)
