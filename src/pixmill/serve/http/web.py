"""Images that clients name by their URL: fetched under guard, so many a minute for each client."""

import asyncio
import ipaddress
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence

from pixmill.web.fetch import Fetched, Fetcher, FetchLimits, Network, Politeness, Refused
from pixmill.web.problems import ProblemError

_SECONDS, _AT_A_TIME = 10.0, 8


class Web:
    """Fetch images by their URLs.

    Each request has a fetcher of its own: what a server said hours ago, that it is down or what its ``robots.txt``
    forbids, is not held against it.

    Args:
        per_minute: URLs that each client may have fetched in a minute.
        max_bytes: Maximum size of an image.
        network: What may be reached beside the public internet; nothing by default.
        clock: Returns seconds.
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
            timeout=_SECONDS,
            connect_timeout=_SECONDS / 2,
            read_timeout=_SECONDS / 2,
            attempts=1,
        )
        self._network, self._clock, self._per_minute = network, clock, per_minute
        self._slots = asyncio.Semaphore(_AT_A_TIME)
        self._since, self._taken = -60.0, Counter[str]()

    def take(self, client: str, count: int) -> None:
        """Count URLs of a client, for a minute.

        Raises:
            ProblemError: There are too many.
        """
        if self._clock() - self._since >= 60:
            self._since, self._taken = self._clock(), Counter()
        network = _network_of(client)
        if self._taken[network] + count > self._per_minute:
            wait = {"Retry-After": str(math.ceil(self._since + 60 - self._clock()))}
            raise ProblemError(429, "Too many URLs in a minute: wait, or send the image itself.", wait)
        self._taken[network] += count

    async def fetch(self, client: str, urls: Sequence[str], hold: Callable[[int], None]) -> list[bytes | Refused]:
        """Return for each URL the bytes that it names, or why there are none.

        Args:
            client: The client's address.
            urls: The URLs.
            hold: Counts bytes that are kept in memory; raises a problem where they are too many.

        Raises:
            ProblemError: The client has had too many URLs fetched, or too much is in memory.
        """
        self.take(client, len(urls))

        async def one(url: str) -> bytes | Refused:
            async with self._slots:
                found = await fetcher.fetch(url)
            if isinstance(found, Fetched):
                hold(len(found.content))
                return found.content
            assert isinstance(found, Refused)
            return found

        async with Fetcher(self._limits, Politeness(), self._network) as fetcher:
            outcomes = await asyncio.gather(*map(one, urls), return_exceptions=True)
        found: list[bytes | Refused] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            found.append(outcome)
        return found


def _network_of(client: str) -> str:
    """Return what one client holds as a rule: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address) and not address.ipv4_mapped:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return client
