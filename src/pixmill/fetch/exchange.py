"""One GET with its redirects, each of them checked, within limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from pixmill import __version__
from pixmill.fetch.body import TooLarge, UnknownEncoding, read_body
from pixmill.fetch.guard import Forbidden, Guard
from pixmill.fetch.limits import Limits
from pixmill.fetch.location import parse_url
from pixmill.fetch.outcome import Fetched, Refused
from pixmill.fetch.pause import retry_after
from pixmill.fetch.robots import opt_out

__all__ = ["USER_AGENT", "Exchange"]

USER_AGENT = f"Pixmill/{__version__}"
"""What we call ourselves."""

_REDIRECTS = {301, 302, 303, 307, 308}
_DELIVERED = {200, 203}

Permission = Callable[[URL], Awaitable[Refused | None]]


class Exchange:
    """Hold the connections, and make requests over them.

    Args:
        limits: What each request obeys.
        guard: Decides what may be connected to.
    """

    def __init__(self, limits: Limits, guard: Guard) -> None:
        self._limits = limits
        self._guard = guard
        connector = aiohttp.TCPConnector(
            resolver=guard, socket_factory=guard.open_socket, limit=0, limit_per_host=limits.per_host
        )
        # Half the time for a connection that does not come, or a server that falls silent, leaves the other half for
        # another attempt.
        silence = limits.timeout / 2
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=silence, sock_read=silence),
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

    async def get(self, url: URL, *, accept: str, permission: Permission | None = None) -> Fetched | Refused:
        """Fetch a URL once, and follow its redirects.

        Args:
            url: An http(s) URL without credentials.
            accept: The media types that are asked for.
            permission: Asked before each redirect is followed; the first URL is the caller's to ask for. Without it,
                the site's own rules are being fetched: these need no permission, and are cut rather than refused where
                they are too large.
        """
        for _ in range(self._limits.redirects + 1):
            try:
                step = await self._step(url, accept, is_rules=permission is None)
            except (aiohttp.ClientError, TimeoutError, Forbidden) as error:
                return _refusal(error)
            if not isinstance(step, URL):
                return step
            url = step
            if permission is not None and (refused := await permission(url)):
                return refused
        return Refused("too_many_redirects", f"more than {self._limits.redirects}")

    async def _step(self, url: URL, accept: str, *, is_rules: bool) -> Fetched | Refused | URL:
        self._guard.check(url)
        async with self._session.get(url, headers={"Accept": accept}, allow_redirects=False) as response:
            if response.status in _REDIRECTS:
                return _target(url, response.headers.get("Location"))
            if response.status not in _DELIVERED:
                wanted = retry_after(response.headers.get("Retry-After"))
                return Refused(f"http_{response.status}", retry_after=wanted)
            directive = opt_out(response.headers.getall("X-Robots-Tag", ()))
            if directive is not None and not is_rules:
                return Refused("x_robots_tag", directive)
            try:
                content = await read_body(response, self._limits.max_bytes, cut=is_rules)
            except TooLarge as error:
                return Refused("too_large", str(error))
            except UnknownEncoding as error:
                return Refused("encoding", str(error))
            return Fetched(content, str(url))


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
        case _:
            return Refused("connection", name)


def _forbidden(error: BaseException | None) -> Forbidden | None:
    while error is not None:
        if isinstance(error, Forbidden):
            return error
        error = error.__cause__
    return None
