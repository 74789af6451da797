"""A connection with limits: of a head's size, and of the time for a head, a body, and reading the answer."""

import asyncio

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from pixmill.web.problems import MEDIA_TYPE, problem_bytes

_HEAD_SECONDS, _BODY_SECONDS = 10.0, 60.0
"""Time for a request's head, and for its body."""

_LAST_SECONDS = 2.0
"""Time that a client has to read the last answer. What it still sends is dropped: if the connection were closed at
once, it would be reset, and the client might never see the answer."""

_HEAD_BYTES = 64 << 10
"""Maximum size of a request's line and fields together, trailers included."""

_LARGE_HEAD = 431, f"The request line and its headers may have {_HEAD_BYTES:,} bytes together."

_CHUNKS = 100_000
"""Maximum number of chunks of a body: each costs some microseconds, however small it is."""

_SERVED, _OPEN = 256, 768
"""Connections that are served, and that may be open: those between are told 503, further ones are closed at once."""


class Connection(HttpToolsProtocol):
    """Speak HTTP/1.1 as uvicorn does, and end connections of clients that are too slow, too many or too large.

    Uvicorn limits only how long a connection may be idle between requests.

    Attributes:
        answer_seconds: Time for an answer to be made and read.
    """

    answer_seconds = 120.0
    _deadline: asyncio.TimerHandle | None = None
    _receives = _is_surplus = _has_ended = False
    _head = _chunks = _pending = 0
    _refusal: tuple[int, str] | None = None

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
            # The parser keeps a field that is not complete, however long, and tells nothing of it.
            self._pending += len(data)
            super().data_received(data)
            if self._pending > _HEAD_BYTES:
                self._end_with(*_LARGE_HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._stop()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to wait for the head."""
        super().on_message_begin()
        self._receives = True
        self._head = self._chunks = self._pending = 0
        self._wait(_HEAD_SECONDS)

    def on_url(self, url: bytes) -> None:
        """Count a part of the path."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a field of the head, or a trailer."""
        self._count(len(name) + len(value) + len(": \r\n"))
        super().on_header(name, value)

    def on_chunk_header(self) -> None:
        """Count a chunk."""
        self._pending = 0
        self._chunks += 1
        if self._chunks > _CHUNKS:
            self._refuse(413, f"The body may have at most {_CHUNKS:,} chunks.")

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._pending = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Begin to wait for the body, and hand the request on."""
        self._wait(_BODY_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Begin to wait for the answer."""
        self._receives = False
        self._wait(self.answer_seconds)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Stop waiting, unless more is on its way."""
        if not self._receives and not self.pipeline:
            self._stop()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, or was refused while it was parsed."""
        self._end_with(*(self._refusal or (400, msg)))

    def timeout_keep_alive_handler(self) -> None:
        """End an idle connection, even if its client does not read what was sent."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(_LAST_SECONDS, self.transport.abort)

    def _count(self, size: int) -> None:
        """Count bytes of the head.

        Raises:
            ValueError: There are too many.
        """
        self._pending = 0
        self._head += size
        if self._head > _HEAD_BYTES:
            self._refuse(*_LARGE_HEAD)

    def _refuse(self, status: int, detail: str) -> None:
        """Stop the parser, upon which uvicorn calls :meth:`send_400_response`.

        Raises:
            ValueError: Always.
        """
        self._refusal = status, detail
        raise ValueError(detail)

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
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()
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
