"""Fetch the images of candidates, each URL once."""

import asyncio
from collections.abc import Callable, Iterator, Sequence

from pixmill.scrape.candidate import Candidate, Sighting
from pixmill.scrape.collection.judge import Judge, accept, address_of
from pixmill.scrape.collection.searches import Search
from pixmill.scrape.image_store import StoredImage
from pixmill.scrape.journal import Journal
from pixmill.web.fetch import Fetched, Fetcher, Refused, Unchanged, Validators


class Collector:
    """Fetch URLs that the journal lacks, store accepted images, and record each outcome.

    Images of an earlier snapshot are requested conditionally.

    Args:
        fetcher: The fetcher.
        journal: Outcomes and images.
        judge: Decides which URLs to fetch, and the outcome of each candidate.
        connections: Maximum number of concurrent fetches per batch.
    """

    def __init__(self, fetcher: Fetcher, journal: Journal, judge: Judge, *, connections: int = 64) -> None:
        self._fetcher = fetcher
        self._journal = journal
        self._judge = judge
        self._connections = connections
        self._pending: dict[str, asyncio.Future[None]] = {}

    async def collect(self, search: Search, batch: Sequence[Candidate], settle: Callable[[Sighting], None]) -> None:
        """Fetch the missing images of a batch.

        Transient failures of earlier runs are retried once per run.

        Args:
            search: Search of the candidates.
            batch: Candidates, in the order in which they are started.
            settle: Called with the outcome of each candidate.
        """
        remaining = iter(batch)
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(self._connections, len(batch))):
                    workers.create_task(self._work(search, remaining, settle))
        except ExceptionGroup as failures:
            # The first failure cancels the other workers.
            raise failures.exceptions[0] from None

    async def _work(self, search: Search, remaining: Iterator[Candidate], settle: Callable[[Sighting], None]) -> None:
        for candidate in remaining:
            if self._judge.refused_licence(candidate) is None:
                if candidate.image_url is not None:
                    await self._obtain(search.fingerprint, candidate.image_url, candidate.md5)
                if candidate.thumbnail_url is not None and self._judge.needs_thumbnail(search, candidate):
                    await self._obtain(search.fingerprint, candidate.thumbnail_url)
            settle(self._judge.sighting(search, candidate))

    async def _obtain(self, fingerprint: str, url: str, md5: str | None = None) -> None:
        """Fetch a URL unless the journal has its outcome or another search is fetching it."""
        address = address_of(fingerprint, url, md5)
        while (other := self._pending.get(address)) is not None:
            await asyncio.shield(other)
        if self._judge.is_settled(address):
            return
        done = self._pending[address] = asyncio.get_running_loop().create_future()
        try:
            await self._fetch(address, url, md5)
        finally:
            del self._pending[address]
            done.set_result(None)

    async def _fetch(self, address: str, url: str, md5: str | None) -> None:
        earlier, known = self._journal.earlier_version(address) or (None, None)
        match await self._fetcher.fetch(url, known):
            case Fetched() as fetched:
                outcome = accept(fetched.content, md5)
                if isinstance(outcome, StoredImage):
                    self._journal.images.add(outcome, fetched.content)
                moved = fetched.url if fetched.url != url else None
                self._journal.save_outcome(address, outcome, Validators(fetched.etag, fetched.modified, moved))
            case Unchanged() if earlier is not None:
                self._journal.save_outcome(address, earlier, known)
            case Refused() as refused:
                self._journal.save_outcome(address, refused)
