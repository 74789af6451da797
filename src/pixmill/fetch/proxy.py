"""Forward proxy on loopback with the SSRF guard: a browser's only way out."""

import asyncio
import contextlib
import re
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from http import HTTPStatus
from typing import NamedTuple, Self

from pixmill.fetch.guard import ForbiddenHostError, Guard
from pixmill.fetch.location import is_within
from pixmill.fetch.values import Network

_CHUNK_BYTES = 64 * 1024
"""Bytes per read, and maximum size of a request's head."""

_MAX_CLIENTS = 512
_CONNECT_TIMEOUT_SECONDS = 15.0
_HEAD_TIMEOUT_SECONDS = 60.0
_MAX_LIFETIME_SECONDS = 1800.0
"""Maximum lifetime of a connection; browsers close idle ones much earlier."""

_CLOSE_TIMEOUT_SECONDS = 2.0
_ACCEPT_GRACE_SECONDS = 0.05
_MAX_REFUSALS = 1000

_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te upgrade".split()
)
"""Headers that are not forwarded (RFC 9110, 7.6.1); those of transfer codings are."""

_HOST = rb"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
_TUNNEL = re.compile(rb"CONNECT " + _HOST + rb":(?P<port>\d{1,5}) HTTP/1\.[01]")
_PLAIN = re.compile(
    rb"(?P<method>[A-Z]{1,20}) (?i:http)://(?:[^@/?# ]*@)?(?P<authority>"
    + _HOST
    + rb"(?::(?P<port>\d{1,5}))?)"
    rb"(?P<path>[/?][!-~\x80-\xff]*)? HTTP/1\.[01]"
)
_FIELD = re.compile(rb"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[^\r\n\x00]*)")
_STATUS = re.compile(rb"HTTP/1\.[01] (?P<status>[1-9]\d\d)(?: [^\r\n\x00]*)?")

_Fields = list[tuple[bytes, bytes]]

_CALLS_HOME = frozenset(
    {
        # Chromium and Chrome, observed despite all command-line switches.
        "accounts.google.com",
        "android.clients.google.com",
        "chromewebstore.googleapis.com",
        "clients1.google.com",
        "clients2.google.com",
        "clients2.googleusercontent.com",
        "clients4.google.com",
        "clientservices.googleapis.com",
        "content-autofill.googleapis.com",
        "gvt1.com",
        "mtalk.google.com",
        "optimizationguide-pa.googleapis.com",
        "passwordsleakcheck-pa.googleapis.com",
        "safebrowsing.google.com",
        "safebrowsing.googleapis.com",
        "start.duckduckgo.com",  # Debian's Chromium preconnects to its search engine
        "tools.google.com",
        "update.googleapis.com",
        # Edge (https://learn.microsoft.com/deployedge/microsoft-edge-security-endpoints).
        "config.edge.skype.com",
        "data.microsoft.com",
        "edge.microsoft.com",
        "events.data.msn.com",
        "msedge.api.cdp.microsoft.com",
        "smartscreen.microsoft.com",
        # Firefox (https://support.mozilla.org/kb/how-stop-firefox-making-automatic-connections).
        "ads.mozilla.org",
        "aus5.mozilla.org",
        "cdn.mozilla.net",
        "detectportal.firefox.com",
        "mozilla-backup.org",
        "services.mozilla.com",
        "telemetry.mozilla.org",
    }
)
"""Telemetry and update hosts of browsers, with their subdomains."""


class Refusal(NamedTuple):
    """A refused or failed connection."""

    host: str
    port: int
    reason: str


class _AnsweredError(Exception):
    """Raised with an error response for the client."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        body = f"pixmill: {reason}\n".encode("ascii", "backslashreplace")
        self.message = (
            b"HTTP/1.1 %d %b\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: "
            b"close\r\n\r\n%b"
        ) % (status, status.phrase.encode(), len(body), body)


class Proxy:
    """Serve a forward proxy on 127.0.0.1, in a background thread, while the ``with`` block lasts.

    It supports plain requests in absolute form, and CONNECT for TLS and web sockets (RFC 9110,
    section 9.3.6; RFC 9112, section 3.2.2). Each connection passes the SSRF guard. Telemetry hosts
    of browsers are refused by name. The status is 403 for a refused host, and 502 or 504 for an
    unreachable one, with a line of plain text that begins with ``pixmill:``.

    Args:
        network: Allowed non-public origins; default: none.
        port: Port to listen on; 0 for any free one.

    Attributes:
        url: The proxy's URL, such as ``http://127.0.0.1:41873``.
        refusals: The last 1,000 refused or failed connections, oldest first.
    """

    def __init__(self, network: Network | None = None, *, port: int = 0) -> None:
        self._network = network or Network()
        self._port = port
        self._guard = Guard(self._network)
        self.refusals: deque[Refusal] = deque(maxlen=_MAX_REFUSALS)
        self._clients: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", self._port), backlog=128)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(
            target=self._run, args=(listener,), name="pixmill-proxy", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listener))  # cancels the remaining clients

    async def _serve(self, listener: socket.socket) -> None:
        server = await asyncio.start_server(self._accept, sock=listener, limit=_CHUNK_BYTES)
        await self._end.wait()
        # asyncio leaks connections that it is accepting while it closes, so let it finish them
        # first.
        with contextlib.suppress(NotImplementedError):  # on Windows
            self._loop.remove_reader(listener)
        await asyncio.sleep(_ACCEPT_GRACE_SECONDS)
        server.close()
        await self._guard.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= _MAX_CLIENTS:
            writer.close()
            return
        client = self._loop.create_task(self._handle(reader, writer))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Either side may disconnect at any time.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async with _closing(writer), asyncio.timeout(_MAX_LIFETIME_SECONDS):
                try:
                    await self._forward(reader, writer)
                except _AnsweredError as answer:
                    writer.write(answer.message)
                    writer.write_eof()
                    # Unread data would reset the connection and discard the answer.
                    async with asyncio.timeout(_CLOSE_TIMEOUT_SECONDS):
                        while await reader.read(_CHUNK_BYTES):
                            pass

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEAD_TIMEOUT_SECONDS):
                first, fields = await _read_head(reader)
            request = _TUNNEL.fullmatch(first) or _PLAIN.fullmatch(first)
            if request is None:
                raise ValueError("this is a forward proxy for CONNECT and http:// URLs")
            host = request["host"].decode().strip("[]").lower().rstrip(".")
            port = int(request["port"] or 80)
            if not host or not 0 < port < 65536:
                raise ValueError("invalid host or port")
            body_bytes = _body_bytes(fields)
        except asyncio.LimitOverrunError:
            raise _AnsweredError(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request head is too long"
            ) from None
        except ValueError as error:
            raise _AnsweredError(HTTPStatus.BAD_REQUEST, str(error)) from None
        host_reader, host_writer = await self._connect(host, port)
        async with _closing(host_writer):
            if request.re is _TUNNEL:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await _until_one_ends(_copy(reader, host_writer), _copy(host_reader, writer))
            else:
                path = request["path"] or b"/"
                start = b"%b %b HTTP/1.1" % (
                    request["method"],
                    path if path.startswith(b"/") else b"/" + path,
                )
                own = [(b"Host", request["authority"]), (b"Via", b"1.1 pixmill")]
                host_writer.write(
                    _head(start, own + [field for field in fields if field[0] != b"host"])
                )
                # One request per connection: data after the body ends it.
                await _until_one_ends(
                    _copy(reader, host_writer, body_bytes), _copy_response(host_reader, writer)
                )

    async def _connect(
        self, host: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            if is_within(host, _CALLS_HOME) and f"{host}:{port}" not in self._network.served:
                raise ForbiddenHostError(f"{host} is a telemetry host of browsers")
            async with asyncio.timeout(_CONNECT_TIMEOUT_SECONDS):
                return await self._guard.open_connection(host, port)
        except ForbiddenHostError as error:
            status = HTTPStatus.FORBIDDEN
            reason = str(error.strerror)
        except socket.gaierror:
            status = HTTPStatus.BAD_GATEWAY
            reason = f"{host} cannot be resolved"
        except TimeoutError:
            status = HTTPStatus.GATEWAY_TIMEOUT
            reason = f"{host} did not respond within {_CONNECT_TIMEOUT_SECONDS:g} s"
        except (OSError, UnicodeError) as error:
            status = HTTPStatus.BAD_GATEWAY
            reason = f"{host} cannot be reached: {error}"
        self.refusals.append(Refusal(host, port, reason))
        raise _AnsweredError(status, reason)


async def _read_head(reader: asyncio.StreamReader) -> tuple[bytes, _Fields]:
    """Return the first line and the header fields of a message, with names in lower case.

    Raises:
        ValueError: A field is malformed.
    """
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n").split(b"\r\n")
    fields = [match for line in lines if (match := _FIELD.fullmatch(line))]
    if len(fields) < len(lines):
        raise ValueError("a header line is malformed")
    return first, [(field["name"].lower(), field["value"].rstrip()) for field in fields]


def _head(first: bytes, fields: _Fields) -> bytes:
    """Return a head without hop-by-hop fields."""
    listed = {
        option.strip().lower()
        for name, value in fields
        if name == b"connection"
        for option in value.split(b",")
    }
    kept = [name + b": " + value for name, value in fields if name not in _HOP_BY_HOP | listed]
    return b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


def _body_bytes(fields: _Fields) -> int:
    lengths = [value for name, value in fields if name == b"content-length"]
    # Ambiguous lengths allow request smuggling (RFC 9112, section 11.2).
    if (
        len(lengths) > 1
        or not all(map(bytes.isdigit, lengths))
        or any(n == b"transfer-encoding" for n, _ in fields)
    ):
        raise ValueError("Content-Length must be one number")
    return int(lengths[0]) if lengths else 0


async def _until_one_ends(*directions: Coroutine[None, None, None]) -> None:
    tasks = [asyncio.ensure_future(direction) for direction in directions]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        task.result()


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int | None = None
) -> None:
    """Copy all bytes; or this many, then wait for the end or another byte."""
    while chunk := await reader.read(_CHUNK_BYTES if size is None else min(size, _CHUNK_BYTES)):
        size = None if size is None else size - len(chunk)
        writer.write(chunk)
        await writer.drain()
    await reader.read(1)


async def _copy_response(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    status = b"100"
    while status.startswith(b"1"):  # skip interim responses
        try:
            first, fields = await _read_head(reader)
        except (ValueError, asyncio.LimitOverrunError, asyncio.IncompleteReadError):
            first = b""
        line = _STATUS.fullmatch(first)
        if line is None or line["status"] == b"101":
            raise _AnsweredError(HTTPStatus.BAD_GATEWAY, "the host does not speak HTTP/1")
        status = line["status"]
    writer.write(_head(first, fields))
    await _copy(reader, writer)


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
        writer.close()
        with contextlib.suppress(OSError):  # the other side may have disconnected
            async with asyncio.timeout(_CLOSE_TIMEOUT_SECONDS):
                await writer.wait_closed()
    finally:
        writer.transport.abort()
