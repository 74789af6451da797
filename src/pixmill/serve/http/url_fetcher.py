"""Fetch images that clients name by URL, under an SSRF guard and a rate limit per client."""

import asyncio
import ipaddress
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence

from pixmill.web.fetch import Fetched, FetchLimits, Network, Politeness, Refused
from pixmill.web.fetch.fetcher import Fetcher
from pixmill.web.problems import ProblemError

_TIMEOUT_SECONDS = 10.0
_MAX_CONCURRENT = 8


class UrlFetcher:
    """Fetch images by URL.

    Each request uses a new fetcher, so that a host that was down or refused by ``robots.txt`` earlier is tried again.

    Args:
        per_minute: URLs that each client may request in a minute.
        max_bytes: Maximum size of an image.
        network: Addresses that may be reached in addition to the public internet; default: none.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        per_minute: int,
        max_bytes: int,
        network: Network | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = FetchLimits(
            max_bytes=max_bytes,
            timeout=_TIMEOUT_SECONDS,
            connect_timeout=_TIMEOUT_SECONDS / 2,
            read_timeout=_TIMEOUT_SECONDS / 2,
            attempts=1,
        )
        self._network, self._clock, self._per_minute = network, clock, per_minute
        self._slots = asyncio.Semaphore(_MAX_CONCURRENT)
        self._window_start, self._counts = -60.0, Counter[str]()

    def charge(self, client: str, count: int) -> None:
        """Count URLs against a client's rate.

        Raises:
            ProblemError: The client requested too many URLs in this minute.
        """
        if self._clock() - self._window_start >= 60:
            self._window_start, self._counts = self._clock(), Counter()
        network = _network_of(client)
        if self._counts[network] + count > self._per_minute:
            wait = {"Retry-After": str(math.ceil(self._window_start + 60 - self._clock()))}
            raise ProblemError(429, "Too many URLs in a minute: wait, or send the image itself.", wait)
        self._counts[network] += count

    async def fetch(self, client: str, urls: Sequence[str], hold: Callable[[int], None]) -> list[bytes | Refused]:
        """Return the bytes at each URL, or the reason why there are none.

        Args:
            client: Address of the client.
            urls: The URLs.
            hold: Counts bytes that are kept in memory; raises :class:`ProblemError` if they are too many.

        Raises:
            ProblemError: The client requested too many URLs, or too much is in memory.
        """
        self.charge(client, len(urls))

        async def fetch_one(url: str) -> bytes | Refused:
            async with self._slots:
                found = await fetcher.fetch(url)
            if isinstance(found, Fetched):
                hold(len(found.content))
                return found.content
            assert isinstance(found, Refused)
            return found

        async with Fetcher(self._limits, Politeness(), self._network) as fetcher:
            outcomes = await asyncio.gather(*map(fetch_one, urls), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]


def _network_of(client: str) -> str:
    """Return the addresses that one client usually holds: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address) and not address.ipv4_mapped:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return client
