"""Images that clients name by their URL: fetched under guard, so many a minute for each client."""

import asyncio
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from pixmill.web.fetch import Fetched, Fetcher, FetchLimits, Network, Politeness, Refused
from pixmill.web.problems import ProblemError

_CLIENTS = 10_000
"""Clients whose rate is remembered; those who asked least recently are forgotten first."""

_SECONDS, _AT_A_TIME = 10.0, 8


class Rate:
    """Bound what each client may have, as a token bucket: a minute's worth at once, and then evenly.

    Args:
        per_minute: What a client may have in a minute.
        clock: Returns seconds.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = per_minute
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, count: int) -> float:
        """Take so many from a client's bucket, and return 0; or take none, and return the seconds until they are there.

        Args:
            client: The client.
            count: How many; more than a minute's worth never come.
        """
        now = self._clock()
        left, then = self._left.pop(client, (float(self._most), now))
        left = min(self._most, left + (now - then) * self._most / 60)
        missing = count - left
        self._left[client] = (left - count if missing <= 0 else left, now)
        if len(self._left) > _CLIENTS:
            self._left.popitem(last=False)
        return max(0.0, missing) * 60 / self._most


class Web:
    """Fetch images by their URLs.

    Each request has a fetcher of its own: what a server said hours ago, that it is down or what its ``robots.txt``
    forbids, is not held against it.

    Args:
        per_minute: URLs that each client may have fetched in a minute.
        max_bytes: Maximum size of an image.
        network: What may be reached beside the public internet; nothing by default.
    """

    def __init__(self, per_minute: int, max_bytes: int, network: Network | None = None) -> None:
        self._limits = FetchLimits(
            max_bytes=max_bytes,
            timeout=_SECONDS,
            connect_timeout=_SECONDS / 2,
            read_timeout=_SECONDS / 2,
            attempts=1,
        )
        self._network = network
        self._slots = asyncio.Semaphore(_AT_A_TIME)
        self._rate = Rate(per_minute)

    async def fetch(self, client: str, urls: Sequence[str], hold: Callable[[int], None]) -> list[bytes | Refused]:
        """Return for each URL the bytes that it names, or why there are none.

        Args:
            client: The client's address.
            urls: The URLs.
            hold: Counts bytes that are kept in memory; raises a problem where they are too many.

        Raises:
            ProblemError: The client has had too many URLs fetched, or too much is in memory.
        """
        if seconds := self._rate.take(_network_of(client), len(urls)):
            raise ProblemError(
                429,
                "Too many URLs in a minute: wait, or send the image itself.",
                {"Retry-After": str(math.ceil(seconds))},
            )
        async with Fetcher(self._limits, Politeness(), self._network) as fetcher:
            outcomes = await asyncio.gather(*(self._one(fetcher, url, hold) for url in urls), return_exceptions=True)
        found = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            found.append(outcome)
        return found

    async def _one(self, fetcher: Fetcher, url: str, hold: Callable[[int], None]) -> bytes | Refused:
        async with self._slots:
            found = await fetcher.fetch(url)
        assert isinstance(found, Fetched | Refused)
        if isinstance(found, Refused):
            return found
        hold(len(found.content))
        return found.content


def _network_of(client: str) -> str:
    """Return what one client holds as a rule: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address) and not address.ipv4_mapped:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return client
