"""A loopback forward proxy: the one way out of a browser, with the fetcher's own guard in it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

from pixmill.fetch.calls_home import is_call_home
from pixmill.fetch.guard import Forbidden, Guard
from pixmill.fetch.network import Network
from pixmill.fetch.proxy_head import BadHead, RequestHead, forwarded_response

__all__ = ["Proxy", "Refusal"]

_HEAD_BYTES = 64 * 1024
_CHUNK_BYTES = 64 * 1024
_HEAD_SECONDS = 60.0
"""Browsers open connections before they have a request for them."""

_CONNECT_SECONDS = 15.0
_IDLE_SECONDS = 60.0
_TOTAL_SECONDS = 1800.0
_FAREWELL_SECONDS = 2.0
_CONNECTIONS = 512
"""A browser opens 32 to a proxy (``kDefaultMaxSocketsPerProxyChain`` in Chromium): enough for sixteen browsers."""

_TURNS = 5
"""Rounds of the event loop in which a connection that was accepted becomes a client that is attended to."""

_REMEMBERED = 1000


@dataclass(frozen=True)
class Refusal:
    """Name a connection that was not made.

    Args:
        host: The host that was asked for.
        port: The port that was asked for.
        reason: Why there is no connection to it.
    """

    host: str
    port: int
    reason: str


class _Answer(Exception):  # noqa: N818 (an answer, not a fault)
    """Carry what the client is told instead of what it asked for."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        body = f"pixmill: {reason}\n".encode("ascii", "backslashreplace")
        self.message = (
            b"HTTP/1.1 %d %b\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
            % (status, status.phrase.encode(), len(body), body)
        )


class Proxy:
    """Serve a forward proxy on 127.0.0.1, from a thread of its own, while its context is open.

    It speaks what browsers speak to a proxy: plain requests in absolute form, and CONNECT for TLS and web sockets (RFC
    9110, section 9.3.6; RFC 9112, section 3.2.2). Each connection goes through the fetcher's guard: public addresses,
    and what the network names. Browsers' calls to their makers are refused by name. A host that is refused is answered
    with 403, one that cannot be reached with 502 or 504, each with a line of plain text that begins with ``pixmill:``.
    Everything has a limit: heads, waits, the idle and the whole time of a connection, and their number.

    Args:
        network: What may be reached beside the public internet; by default nothing.
        port: The port to listen on; 0 takes a free one. Only a browser on another machine needs a known one.
    """

    def __init__(self, network: Network | None = None, *, port: int = 0) -> None:
        self._network = network or Network()
        self._guard = Guard(self._network)
        self._wanted_port = port
        self._refusals: deque[Refusal] = deque(maxlen=_REMEMBERED)
        self._clients: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The proxy's own address, such as ``http://127.0.0.1:41873``."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """The last thousand connections that were not made, the oldest first."""
        return tuple(self._refusals)

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", self._wanted_port), backlog=128)
        self._port = listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(listener,), name="pixmill-proxy", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        server = await asyncio.start_server(self._meet, sock=listener, limit=_HEAD_BYTES)
        await self._end.wait()
        # asyncio drops connections that it accepted as it stops to listen: they are to be clients first.
        # The event loop of Windows has no readers, and there such a connection is closed when it is collected.
        with contextlib.suppress(NotImplementedError):
            self._loop.remove_reader(listener)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        server.close()
        for client in self._clients:
            client.cancel()
        # What a client was being told when it was cut off concerns nobody any more.
        await asyncio.gather(*self._clients, return_exceptions=True)
        await self._guard.close()

    def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = self._loop.create_task(self._entertain(reader, writer))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _entertain(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            # Either side may go away or fall silent at any time: there is nobody left to tell.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                try:
                    async with asyncio.timeout(_TOTAL_SECONDS):
                        await self._serve_client(reader, writer)
                except _Answer as answer:
                    writer.write(answer.message)
                    writer.write_eof()
                    # What is left unread would reset the connection, and take the answer with it.
                    async with asyncio.timeout(_FAREWELL_SECONDS):
                        while await reader.read(_CHUNK_BYTES):
                            pass

    async def _serve_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) > _CONNECTIONS:
            raise _Answer(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections at once")
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                request = RequestHead.parse(await reader.readuntil(b"\r\n\r\n"))
        except asyncio.LimitOverrunError:
            raise _Answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too long") from None
        except BadHead as error:
            raise _Answer(HTTPStatus.BAD_REQUEST, str(error)) from None
        host_reader, host_writer = await self._connect(request.host, request.port)
        async with _closing(host_writer):
            if request.is_tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await _until_one_ends(
                    lambda alive: _pass_on(reader, host_writer, alive),
                    lambda alive: _pass_on(host_reader, writer, alive),
                )
            else:
                host_writer.write(request.forwarded)
                await _until_one_ends(
                    lambda alive: _pass_body(reader, host_writer, request.body_bytes, alive),
                    lambda alive: _pass_response(host_reader, writer, alive),
                )

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            if is_call_home(host) and f"{host}:{port}" not in self._network.served:
                raise Forbidden(f"{host} is where browsers call home")
            async with asyncio.timeout(_CONNECT_SECONDS):
                return await self._guard.open_connection(host, port)
        except Forbidden as error:
            status, reason = HTTPStatus.FORBIDDEN, str(error.strerror)
        except socket.gaierror:
            status, reason = HTTPStatus.BAD_GATEWAY, f"{host} has no address"
        except TimeoutError:
            status, reason = HTTPStatus.GATEWAY_TIMEOUT, f"{host} did not answer within {_CONNECT_SECONDS:g} s"
        except (OSError, UnicodeError) as error:
            status, reason = HTTPStatus.BAD_GATEWAY, f"{host} cannot be reached: {error}"
        self._refusals.append(Refusal(host, port, reason))
        raise _Answer(status, reason)


_Alive = Callable[[], None]


async def _until_one_ends(*directions: Callable[[_Alive], Coroutine[None, None, None]]) -> None:
    """Let bytes pass in both directions until one side has no more, or none has come for long."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_IDLE_SECONDS) as idle:
        tasks = [
            loop.create_task(direction(lambda: idle.reschedule(loop.time() + _IDLE_SECONDS)))
            for direction in directions
        ]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        task.result()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, alive: _Alive) -> None:
    while chunk := await reader.read(_CHUNK_BYTES):
        alive()
        writer.write(chunk)
        await writer.drain()


async def _pass_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int, alive: _Alive) -> None:
    while size and (chunk := await reader.read(min(size, _CHUNK_BYTES))):
        alive()
        size -= len(chunk)
        writer.write(chunk)
        await writer.drain()
    # One request a connection: whatever comes now, most likely the end, ends it.
    await reader.read(1)


async def _pass_response(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, alive: _Alive) -> None:
    head = None
    while head is None:
        try:
            head = forwarded_response(await reader.readuntil(b"\r\n\r\n"))
        except (BadHead, asyncio.LimitOverrunError, asyncio.IncompleteReadError):
            raise _Answer(HTTPStatus.BAD_GATEWAY, "the host does not answer in HTTP/1") from None
        alive()
    writer.write(head)
    await _pass_on(reader, writer, alive)


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
        writer.close()
        with contextlib.suppress(OSError):  # The other side may be gone, with what it was still to be sent.
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await writer.wait_closed()
    finally:
        writer.transport.abort()  # Nothing is lost of what was sent in time.
