"""What every source of pictures can do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from pixmill.fetch import Fetched, Limits, Refused
from pixmill.scrape.candidate import Candidate, Query

__all__ = ["Reader", "Source"]


class Reader(Protocol):
    """Turn the addresses that a source gives into bytes; :class:`pixmill.fetch.Fetcher` is one."""

    async def fetch(self, url: str) -> Fetched | Refused:
        """Return the bytes at an address, or why there are none."""
        ...

    async def permitted(self, url: str) -> Refused | None:
        """Return why a page must not be visited, or ``None`` where it may."""
        ...


class Source(Protocol):
    """Turn a query into a stream of candidates.

    A source on the web (``is_web``) shows what strangers put there: its pages are visited with permission only, what is
    no picture is refused, few answers are suspicious, and its journal is worth keeping. Of a source on this machine
    every file is taken as it is, so that validate can name what is wrong with it.
    """

    @property
    def name(self) -> str:
        """Its name in ``scrape.source`` and in the manifest."""
        ...

    @property
    def is_web(self) -> bool:
        """Whether it shows strangers' pages."""
        ...

    def fingerprint(self) -> str:
        """Return a text that changes when its answers do, as far as this machine can know."""
        ...

    def queries(self, classes: Sequence[str]) -> list[Query]:
        """Return what is asked for some classes, in order."""
        ...

    def search(self, query: Query) -> Iterator[Candidate]:
        """Yield the candidates that answer a query, by rank, no sooner than they are asked for.

        Raises:
            ScrapeError: The source cannot answer, or stops before the end; what it has yielded holds.
            BrowserError: There is no browser, or it broke down.
        """
        ...

    def reader(self, limits: Limits) -> AbstractAsyncContextManager[Reader]:
        """Open what reads the addresses that it gives."""
        ...
