"""One request and its answer, over a guarded connection and within limits."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from pixmill import __version__
from pixmill.errors import PixmillError
from pixmill.fetch.body import TooLarge, UnknownEncoding, read_body
from pixmill.fetch.guard import Forbidden, Guard
from pixmill.fetch.limits import Limits
from pixmill.fetch.location import parse_url
from pixmill.fetch.network import Network
from pixmill.fetch.outcome import Fetched, Refused, Unchanged, Validators
from pixmill.fetch.pause import retry_after
from pixmill.fetch.robots import opt_out

__all__ = ["USER_AGENT", "Exchange", "Wanted"]

USER_AGENT = f"Pixmill/{__version__}"
"""What we call ourselves; where the person responsible can be reached comes after it, in brackets."""

_REDIRECTS = {301, 302, 303, 307, 308}
_DELIVERED = {200, 203}

_KEEP_ALIVE = 3.0
"""Seconds that an idle connection is kept: at hundreds of hosts a second, more would use up the file descriptors."""

_LONGEST_VALIDATOR = 512


@dataclass(frozen=True)
class Wanted:
    """Say what a request is for.

    Args:
        accept: The media types that are asked for.
        max_bytes: The largest body, in bytes, compressed or not.
        cut: Whether a larger body is cut at the limit rather than refused.
        kept: Whether the answer is kept, so that ``X-Robots-Tag`` has a say in it.
        known: The version that is there already, where one is.
    """

    accept: str
    max_bytes: int
    cut: bool = False
    kept: bool = True
    known: Validators | None = None


class Exchange:
    """Hold the connections, and make requests over them.

    Args:
        limits: What each request obeys.
        guard: Decides what may be connected to.
        network: Whose authority is believed beside the system's.
        contact: Where the person responsible can be reached.

    Raises:
        PixmillError: The network's authority is no file of certificates.
    """

    def __init__(self, limits: Limits, guard: Guard, network: Network, contact: str | None) -> None:
        self._guard = guard
        connector = aiohttp.TCPConnector(
            resolver=guard,
            socket_factory=guard.open_socket,
            ssl=True if network.authority is None else _trusting(network.authority),
            limit=0,  # the hosts' turns bound them
            keepalive_timeout=_KEEP_ALIVE,
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
            auto_decompress=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, url: URL, wanted: Wanted) -> Fetched | Unchanged | Refused | URL:
        """Ask for a URL once, and return what comes: a URL where the answer is a redirect that may be followed.

        Args:
            url: An http(s) URL without credentials.
            wanted: What it is asked for.
        """
        try:
            self._guard.check(url)
            conditions = _conditions(wanted.known)
            headers = {"Accept": wanted.accept, **conditions}
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                if response.status == 304 and conditions:
                    return _objection(response, wanted) or Unchanged()
                return await _read(response, url, wanted)
        except (aiohttp.ClientError, OSError) as error:
            return _refusal(error)


async def _read(response: aiohttp.ClientResponse, url: URL, wanted: Wanted) -> Fetched | Refused | URL:
    status, headers = response.status, response.headers
    if status in _REDIRECTS:
        return _target(url, headers.get("Location"))
    if status not in _DELIVERED:
        return Refused(f"http_{status}", retry_after=retry_after(headers.get("Retry-After")))
    if refused := _objection(response, wanted):
        return refused
    try:
        content = await read_body(response, wanted.max_bytes, cut=wanted.cut)
    except TooLarge as error:
        return Refused("too_large", str(error))
    except UnknownEncoding as error:
        return Refused("encoding", str(error))
    return Fetched(content, str(url), _validator(headers.get("ETag")), _validator(headers.get("Last-Modified")))


def _objection(response: aiohttp.ClientResponse, wanted: Wanted) -> Refused | None:
    directive = opt_out(response.headers.getall("X-Robots-Tag", ())) if wanted.kept else None
    return Refused("x_robots_tag", directive) if directive else None


def _conditions(known: Validators | None) -> dict[str, str]:
    if known is None:
        return {}
    conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.modified}
    return {name: value for name, value in conditions.items() if value}


def _validator(header: str | None) -> str | None:
    """Return a validator that can be sent back as it came; others are of no use."""
    usable = header is not None and header.isascii() and header.isprintable() and len(header) <= _LONGEST_VALIDATOR
    return header if usable else None


def _target(url: URL, location: str | None) -> URL | Refused:
    if not location:
        return Refused("bad_redirect", "no Location")
    try:
        target = parse_url(str(url.join(URL(location))))
    except ValueError as error:
        return Refused("bad_redirect", str(error))
    if url.scheme == "https" and target.scheme == "http":
        return Refused("bad_redirect", "from https to http")
    return target


def _trusting(authority: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_verify_locations(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise PixmillError(
            f"{authority}: expected a certificate authority in PEM form, received: {error}",
            next="name the file that begins with -----BEGIN CERTIFICATE-----",
        ) from None
    return context


def _refusal(error: BaseException) -> Refused:
    """Name what went wrong, in words that hold no port and no moment."""
    if forbidden := _forbidden(error):
        return Refused("private_address", forbidden.strerror or "")
    name = type(error).__name__
    match error:
        case aiohttp.InvalidURL():
            return Refused("bad_url", name)
        case aiohttp.ClientPayloadError():
            return Refused("incomplete", "the body ended before its announced length")
        case aiohttp.ClientResponseError():
            return Refused("bad_response", name)
        case aiohttp.ClientSSLError():
            return Refused("tls", name)
        case TimeoutError():
            return Refused("timeout", "no answer")
        case aiohttp.ClientConnectorDNSError():
            return Refused("connection", "no such host, or no network")
        case aiohttp.ClientConnectorError():
            return Refused("connection", "nothing answers there")
        case _:
            return Refused("connection", name)


def _forbidden(error: BaseException | None) -> Forbidden | None:
    while error is not None:
        if isinstance(error, Forbidden):
            return error
        error = error.__cause__
    return None
