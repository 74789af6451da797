"""Fetch untrusted URLs politely and within limits, with redirects and retries."""

import asyncio
import dataclasses
import email.utils
import ssl
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Self

import aiohttp
from yarl import URL

from pixmill import __version__
from pixmill.fetch.guard import ForbiddenHostError, Guard
from pixmill.fetch.host import (
    MAX_PAUSE_SECONDS,
    Host,
    Hosts,
    Robots,
    opt_out,
    pause,
    refuses_training,
)
from pixmill.fetch.location import InvalidURLError, decode_data_uri, parse_url
from pixmill.fetch.values import (
    Fetched,
    FetchLimits,
    Network,
    Politeness,
    Refused,
    Unchanged,
    Validators,
)

Answer = Fetched | Unchanged | Refused | URL
"""Outcome of one request; a URL for a valid redirect."""

USER_AGENT = f"Pixmill/{__version__}"
"""The User-Agent, followed by the contact in parentheses if there is one."""

_REDIRECTS = {301, 302, 303, 307, 308}
_DELIVERED = {200, 203}

_KEEP_ALIVE_SECONDS = 3.0
"""Lifetime of idle connections; with many hosts, longer ones would exhaust file descriptors."""

_MAX_VALIDATOR_LENGTH = 512

_CHUNK_BYTES = 65536
_PLAIN = {"", "identity"}
_COMPRESSED = {"gzip", "x-gzip", "deflate"}
"""Supported content codings. We request no compression, but some servers compress anyway."""

_DETECT_WRAPPER = zlib.MAX_WBITS | 32
"""``wbits`` with which zlib detects gzip or zlib headers."""

_IMAGES = "image/jpeg,image/png,image/webp,image/gif,image/*;q=0.5,*/*;q=0.1"


@dataclass(frozen=True)
class Request:
    """Options of a request.

    Args:
        accept: Value of the ``Accept`` header.
        max_bytes: Maximum body size in bytes, compressed or not.
        cut: Truncate a larger body instead of refusing it.
        kept: Whether the content is collected, so ``robots.txt``, ``X-Robots-Tag`` and
            ``Content-Usage`` apply.
        known: Validators of the caller's version, if any.
    """

    accept: str
    max_bytes: int
    cut: bool = False
    kept: bool = True
    known: Validators | None = None


def _parse(address: str) -> URL | Refused:
    try:
        return parse_url(address)
    except InvalidURLError as error:
        return Refused("bad_url", str(error))


async def _read(
    response: aiohttp.ClientResponse, url: URL, request: Request
) -> Fetched | Refused | URL:
    status = response.status
    headers = response.headers
    if status in _REDIRECTS:
        return _target(url, headers.get("Location"))
    if status not in _DELIVERED:
        return Refused(f"http_{status}", retry_after=retry_after(headers.get("Retry-After")))
    if refused := _objection(response, request):
        return refused
    coding = headers.get("Content-Encoding", "").strip().lower()
    if coding not in _PLAIN | _COMPRESSED:
        return Refused("encoding", coding[:40])
    limit = request.max_bytes
    if coding in _PLAIN and (response.content_length or 0) > limit and not request.cut:
        return Refused("too_large", f"more than {limit} bytes")
    chunks = response.content.iter_chunked(_CHUNK_BYTES)
    try:
        body = await _join(_inflate(chunks, limit) if coding in _COMPRESSED else chunks, limit)
    except zlib.error as error:
        return Refused("incomplete", f"the body does not match its Content-Encoding: {error}")
    if len(body) > limit and not request.cut:
        return Refused("too_large", f"more than {limit} bytes")
    etag = _validator(headers.get("ETag"))
    return Fetched(body[:limit], str(url), etag, _validator(headers.get("Last-Modified")))


async def _join(chunks: AsyncIterator[bytes], limit: int) -> bytes:
    """Return the chunks until they exceed a limit in bytes."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            break
    return bytes(body)


async def _inflate(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    inflater = zlib.decompressobj(_DETECT_WRAPPER)
    async for chunk in chunks:
        # One byte above the limit is enough to refuse a compression bomb.
        yield inflater.decompress(chunk, limit + 1)
    if not inflater.eof:
        raise zlib.error("the body ended early")


def _objection(response: aiohttp.ClientResponse, request: Request) -> Refused | None:
    if not request.kept:
        return None
    if directive := opt_out(response.headers.getall("X-Robots-Tag", ())):
        return Refused("x_robots_tag", directive)
    usage = ", ".join(response.headers.getall("Content-Usage", ()))
    return (
        Refused("no_training", f"Content-Usage: {usage[:80]}") if refuses_training(usage) else None
    )


def _validator(header: str | None) -> str | None:
    """Return a validator if it can be sent back unchanged, else ``None``."""
    usable = (
        header is not None
        and header.isascii()
        and header.isprintable()
        and len(header) <= _MAX_VALIDATOR_LENGTH
    )
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
    """Return the seconds of a ``Retry-After`` header (RFC 9110, 10.2.3); ``None`` if invalid.

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


_ROBOTS_REQUEST = Request("text/plain,*/*;q=0.1", max_bytes=512 * 1024, cut=True, kept=False)
"""RFC 9309, section 2.5, requires reading at least 500 KiB of a ``robots.txt``."""
_API_REQUEST = Request("application/json", max_bytes=10_000_000, kept=False)


class Fetcher:
    """Fetch URLs; an asynchronous context manager.

    Fetches are independent of each other: no cookies are kept, only each origin's ``robots.txt``
    and each host's failures.

    Args:
        limits: Limits of each fetch.
        politeness: Rate, opt-outs and exceptions.
        network: Allowed non-public origins; default: none.

    Raises:
        InvalidURLError: A host in the settings is invalid.
    """

    def __init__(
        self,
        limits: FetchLimits | None = None,
        politeness: Politeness | None = None,
        network: Network | None = None,
    ) -> None:
        self._limits = limits or FetchLimits()
        self._politeness = politeness or Politeness()
        self._network = network or Network()
        self._hosts = Hosts(self._limits, self._politeness)
        self._guard = Guard(self._network)

    async def __aenter__(self) -> Self:
        limits = self._limits
        contact = self._politeness.contact
        trust = ssl.create_default_context()
        if self._network.authority is not None:
            trust.load_verify_locations(cafile=self._network.authority)
        connector = aiohttp.TCPConnector(
            resolver=self._guard,
            socket_factory=self._guard.open_socket,
            ssl=trust if self._network.authority else True,
            limit=0,  # limited by ``Hosts``
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={
                "User-Agent": f"{USER_AGENT} (+{contact})" if contact else USER_AGENT,
                "Accept-Encoding": "identity",
            },
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=limits.connect_timeout, sock_read=limits.read_timeout
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,  # aiohttp accepts truncated gzip bodies
        )
        self._robots = Robots(partial(self.ask, request=_ROBOTS_REQUEST))
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._robots.close()
        finally:
            await self._session.close()
            await self._guard.close()

    async def fetch(
        self, url: str, known: Validators | None = None
    ) -> Fetched | Unchanged | Refused:
        """Return the content of a URL.

        Args:
            url: An absolute http(s) URL, or a ``data:`` URI.
            known: Validators of the caller's version; the result is :class:`Unchanged` if it is
                still current.
        """
        if url[:5].lower() == "data:":
            return decode_data_uri(url, max_bytes=self._limits.max_bytes)
        return await self._get(url, Request(_IMAGES, self._limits.max_bytes, known=known))

    async def ask(self, url: str, request: Request = _API_REQUEST) -> Fetched | Refused:
        """Return the unparsed response of a public API, by default JSON of at most 10 MB.

        ``robots.txt`` does not apply to APIs, which are made for programs; all else is as for
        images.

        Args:
            url: An absolute http(s) URL.
            request: Options.
        """
        outcome = await self._get(url, request)
        assert not isinstance(outcome, Unchanged)
        return outcome

    async def find_refusal(self, url: str) -> Refused | None:
        """Wait until a browser may visit a page, or return the reason why it must not.

        The visit counts as a request to the host, so its rate and ``Crawl-delay`` apply.

        Args:
            url: An absolute http(s) URL.
        """
        parsed = _parse(url)
        if isinstance(parsed, Refused):
            return parsed
        host = self._hosts.of(parsed)
        refused = host.objection or await self._robots.refusal(parsed, host) or await host.enter()
        if refused is None:
            host.leave()
        return refused

    async def _get(self, address: str, request: Request) -> Fetched | Unchanged | Refused:
        """Fetch a URL with redirects and retries; hosts that opted out are always refused."""
        url = _parse(address)
        if isinstance(url, Refused):
            return url
        limits = self._limits
        left = limits.timeout  # without waiting for hosts
        redirects = 0
        failures = 0
        last: Refused | None = None
        if request.known and not request.known.url:
            known = dataclasses.replace(request.known, url=str(url))
            request = dataclasses.replace(request, known=known)
        while True:
            host = self._hosts.of(url)
            if refused := await self._objection_to(url, host, request):
                return refused
            if refused := await host.enter():
                return last or refused  # the server's own answer is more informative
            began = time.monotonic()
            try:
                outcome, seconds = await self._send(url, request, left)
            finally:
                host.leave()
            host.record(outcome, began)
            left -= seconds
            if isinstance(outcome, URL):
                url = outcome
                redirects += 1
                if redirects > limits.redirects:
                    return Refused("too_many_redirects", f"more than {limits.redirects}")
                continue
            if not isinstance(outcome, Refused) or not outcome.transient:
                return outcome
            if last is None or outcome.reason != "timeout" or left > 0.0:
                last = outcome
            failures += 1
            seconds = pause(failures, limits.first_pause, outcome.retry_after)
            is_long = seconds > MAX_PAUSE_SECONDS or seconds >= left
            if is_long or failures >= limits.attempts:
                return last
            await asyncio.sleep(seconds)
            left -= seconds

    async def _objection_to(self, url: URL, host: Host, request: Request) -> Refused | None:
        if host.objection or not request.kept:
            return host.objection
        return await self._robots.refusal(url, host)

    async def _send(self, url: URL, request: Request, seconds: float) -> tuple[Answer, float]:
        """Send one request within a timeout; return its outcome and duration in seconds."""
        known = request.known or Validators()
        if known.url != str(url):
            known = Validators()
        validators = {"If-None-Match": known.etag, "If-Modified-Since": known.modified}
        conditions = {name: value for name, value in validators.items() if value}
        began = time.monotonic()
        answer: Answer
        try:
            self._guard.check(url)
            headers = {"Accept": request.accept, **conditions}
            async with (
                asyncio.timeout(seconds) as limit,
                self._session.get(url, headers=headers, allow_redirects=False) as response,
            ):
                if response.status == 304 and conditions:
                    answer = _objection(response, request) or Unchanged()
                else:
                    answer = await _read(response, url, request)
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError) and limit.expired():
                answer = Refused("timeout", f"not finished within {self._limits.timeout:g} s")
            else:
                answer = _refusal(error)
        return answer, time.monotonic() - began
