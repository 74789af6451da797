"""Fetch images that clients name by URL, under an SSRF guard and a rate limit per client."""

import asyncio
from collections.abc import Callable, Sequence

from pixmill.fetch import Fetched, FetchLimits, Network, Politeness, Refused
from pixmill.fetch.fetcher import Fetcher
from pixmill.serve.http.quota import Quota

_TIMEOUT_SECONDS = 10.0
_MAX_CONCURRENT = 8


class UrlFetcher:
    """Fetch images by URL.

    Each request uses a new fetcher, so that a host that was down or refused by ``robots.txt``
    earlier is tried again.

    Args:
        per_minute: URLs that each client may request in a minute.
        max_bytes: Maximum size of an image.
        network: Addresses that may be reached in addition to the public internet; default: none.
    """

    def __init__(self, per_minute: int, max_bytes: int, network: Network | None = None) -> None:
        self._limits = FetchLimits(
            max_bytes=max_bytes,
            timeout=_TIMEOUT_SECONDS,
            connect_timeout=_TIMEOUT_SECONDS / 2,
            read_timeout=_TIMEOUT_SECONDS / 2,
            attempts=1,
        )
        self._network = network
        self._slots = asyncio.Semaphore(_MAX_CONCURRENT)
        self._quota = Quota(
            per_minute, 60, "Too many URLs in a minute: wait, or send the image itself."
        )

    async def fetch(
        self, client: str, urls: Sequence[str], hold: Callable[[int], None]
    ) -> list[bytes | Refused]:
        """Return the bytes at each URL, or the reason why there are none.

        Args:
            client: Address of the client.
            urls: The URLs.
            hold: Counts bytes that are kept in memory; raises :class:`ProblemError` if they are too
                many.

        Raises:
            ProblemError: The client requested too many URLs, or too much is in memory.
        """
        self._quota.charge(client, len(urls))

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
