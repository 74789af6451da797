"""One HTTP request over a guarded connection, with limits on time and body size."""

import asyncio
import email.utils
import ssl
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

import aiohttp
from yarl import URL

from pixmill import __version__
from pixmill.web.fetch.guard import ForbiddenHostError, Guard
from pixmill.web.fetch.location import parse_url
from pixmill.web.fetch.robots import opt_out
from pixmill.web.fetch.values import Fetched, FetchLimits, Network, Refused, Unchanged, Validators

Answer = Fetched | Unchanged | Refused | URL
"""Outcome of one request; a URL for a valid redirect."""

USER_AGENT = f"Pixmill/{__version__}"
"""The User-Agent, followed by the contact in parentheses if there is one."""

_REDIRECTS = {301, 302, 303, 307, 308}
_DELIVERED = {200, 203}

_KEEP_ALIVE_SECONDS = 3.0
"""Lifetime of idle connections; with hundreds of hosts a second, longer ones would exhaust the file descriptors."""

_MAX_VALIDATOR_LENGTH = 512

_CHUNK_BYTES = 65536
_PLAIN, _COMPRESSED = {"", "identity"}, {"gzip", "x-gzip", "deflate"}
"""Supported content codings. We request no compression, but some servers compress anyway."""

_DETECT_WRAPPER = zlib.MAX_WBITS | 32
"""``wbits`` with which zlib detects gzip or zlib headers."""


@dataclass(frozen=True)
class Request:
    """Options of a request.

    Args:
        accept: Value of the ``Accept`` header.
        max_bytes: Maximum body size in bytes, compressed or not.
        cut: Truncate a larger body instead of refusing it.
        kept: Whether the content is collected, so ``robots.txt`` and ``X-Robots-Tag`` apply.
        known: Validators of the caller's version, if any.
    """

    accept: str
    max_bytes: int
    cut: bool = False
    kept: bool = True
    known: Validators | None = None


class Exchange:
    """Send single requests over guarded connections; an asynchronous context manager.

    Args:
        limits: Limits of each request.
        network: Allowed non-public origins.
        contact: E-mail address or URL of the person responsible.

    Attributes:
        guard: The SSRF guard.

    Raises:
        InvalidURLError: A host in the network settings is invalid.
    """

    def __init__(self, limits: FetchLimits, network: Network, contact: str | None) -> None:
        self._limits = limits
        self._network = network
        self._contact = contact

    async def __aenter__(self) -> Self:
        self.guard = Guard(self._network)
        trust = ssl.create_default_context()
        if self._network.authority is not None:
            trust.load_verify_locations(cafile=self._network.authority)
        connector = aiohttp.TCPConnector(
            resolver=self.guard,
            socket_factory=self.guard.open_socket,
            ssl=trust if self._network.authority else True,
            limit=0,  # limited by ``Hosts``
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
        )
        limits = self._limits
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={
                "User-Agent": f"{USER_AGENT} (+{self._contact})" if self._contact else USER_AGENT,
                "Accept-Encoding": "identity",
            },
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=limits.connect_timeout, sock_read=limits.read_timeout
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,  # aiohttp accepts truncated gzip bodies
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._session.close()
        finally:
            await self.guard.close()

    async def ask(self, url: URL, request: Request, seconds: float) -> tuple[Answer, float]:
        """Send one request; return its outcome and duration in seconds.

        Args:
            url: An http(s) URL without credentials.
            request: Options.
            seconds: Timeout.
        """
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                answer = await _exchange(self._session, self.guard, url, request)
        except TimeoutError:
            answer = Refused("timeout", f"not finished within {self._limits.timeout:g} s")
        return answer, time.monotonic() - began


async def _exchange(session: aiohttp.ClientSession, guard: Guard, url: URL, request: Request) -> Answer:
    known = request.known or Validators()
    conditions = {
        name: value
        for name, value in {"If-None-Match": known.etag, "If-Modified-Since": known.modified}.items()
        if value
    }
    try:
        guard.check(url)
        headers = {"Accept": request.accept, **conditions}
        async with session.get(url, headers=headers, allow_redirects=False) as response:
            if response.status == 304 and conditions:
                return _objection(response, request) or Unchanged()
            return await _read(response, url, request)
    except (aiohttp.ClientError, OSError) as error:
        return _refusal(error)


async def _read(response: aiohttp.ClientResponse, url: URL, request: Request) -> Fetched | Refused | URL:
    status, headers = response.status, response.headers
    if status in _REDIRECTS:
        return _target(url, headers.get("Location"))
    if status not in _DELIVERED:
        return Refused(f"http_{status}", retry_after=retry_after(headers.get("Retry-After")))
    if refused := _objection(response, request):
        return refused
    coding = headers.get("Content-Encoding", "").strip().lower()
    if coding not in _PLAIN | _COMPRESSED:
        return Refused("encoding", coding[:40])
    too_large = Refused("too_large", f"more than {request.max_bytes} bytes")
    if not request.cut and coding in _PLAIN and (response.content_length or 0) > request.max_bytes:
        return too_large
    chunks = response.content.iter_chunked(_CHUNK_BYTES)
    body = bytearray()
    try:
        async for chunk in _inflate(chunks, request.max_bytes) if coding in _COMPRESSED else chunks:
            body += chunk
            if len(body) > request.max_bytes:
                if not request.cut:
                    return too_large
                break
    except zlib.error as error:
        return Refused("incomplete", f"the body does not match its Content-Encoding: {error}")
    content = bytes(body[: request.max_bytes])
    return Fetched(content, str(url), _validator(headers.get("ETag")), _validator(headers.get("Last-Modified")))


async def _inflate(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    inflater = zlib.decompressobj(_DETECT_WRAPPER)
    async for chunk in chunks:
        # One byte above the limit is enough to refuse a compression bomb.
        yield inflater.decompress(chunk, limit + 1)
    if not inflater.eof:
        raise zlib.error("the body ended early")


def _objection(response: aiohttp.ClientResponse, request: Request) -> Refused | None:
    directive = opt_out(response.headers.getall("X-Robots-Tag", ())) if request.kept else None
    return Refused("x_robots_tag", directive) if directive else None


def _validator(header: str | None) -> str | None:
    """Return a validator if it can be sent back unchanged, else ``None``."""
    usable = header is not None and header.isascii() and header.isprintable() and len(header) <= _MAX_VALIDATOR_LENGTH
    return header if usable else None


def _target(url: URL, location: str | None) -> URL | Refused:
    if not location:
        return Refused("bad_redirect", "no Location")
    try:
        target = parse_url(str(url.join(URL(location))))
    except (ValueError, IndexError) as error:  # yarl raises IndexError for http://[]@
        return Refused("bad_redirect", str(error))
    if url.scheme == "https" and target.scheme == "http":
        return Refused("bad_redirect", "from https to http")
    return target


def retry_after(header: str | None) -> float | None:
    """Return the seconds of a ``Retry-After`` header (RFC 9110, section 10.2.3), or ``None`` if absent or invalid.

    Args:
        header: Its value: seconds or a date.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _refusal(error: BaseException) -> Refused:
    """Return an error as a result whose text is reproducible: without ports and times."""
    name = type(error).__name__
    match getattr(error, "os_error", error):
        case ForbiddenHostError(strerror=reason):
            return Refused("private_address", reason or "")
    match error:
        case aiohttp.InvalidURL():
            return Refused("bad_url", name)
        case aiohttp.ClientPayloadError():
            return Refused("incomplete", "the body ended early, or does not match its encoding")
        case aiohttp.ClientResponseError():
            return Refused("bad_response", name)
        case aiohttp.ClientSSLError():
            return Refused("tls", name)
        case TimeoutError():
            return Refused("timeout", "no response")
        case aiohttp.ClientConnectorError():
            return Refused("connection", "unknown host, or connection refused")
        case _:
            return Refused("connection", name)
