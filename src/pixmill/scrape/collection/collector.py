"""Turn candidates into images, each address once."""

import asyncio
from collections.abc import Callable, Iterator, Sequence

from pixmill.scrape.candidate import Candidate, Sighting
from pixmill.scrape.collection.judge import Judge, accept, address_of
from pixmill.scrape.collection.searches import Search
from pixmill.scrape.image_store import StoredImage
from pixmill.scrape.journal import Journal
from pixmill.web.fetch import Fetched, Fetcher, Refused, Unchanged, Validators


class Collector:
    """Fetch what the journal lacks, keep what is accepted, and write each outcome into it.

    What a server calls unchanged since the snapshot before is not sent again.

    Args:
        fetcher: Fetches addresses.
        journal: What is known, and where it is kept.
        judge: Tells what is still to be fetched, and what came of a candidate.
        connections: Addresses of one batch that are fetched at the same time.
    """

    def __init__(self, fetcher: Fetcher, journal: Journal, judge: Judge, *, connections: int = 64) -> None:
        self._fetcher = fetcher
        self._journal = journal
        self._judge = judge
        self._connections = connections
        self._pending: dict[str, asyncio.Future[None]] = {}

    async def collect(self, search: Search, batch: Sequence[Candidate], settle: Callable[[Sighting], None]) -> None:
        """Fetch the images of some candidates that are not at hand.

        What failed for a passing reason in an earlier run is tried again, once a run.

        Args:
            search: What found them.
            batch: Where to find them; the order in which they are begun.
            settle: Called for each candidate with what came of it.
        """
        remaining = iter(batch)
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(self._connections, len(batch))):
                    workers.create_task(self._work(search, remaining, settle))
        except ExceptionGroup as failures:
            # The first worker that fails ends all others; callers shall see why, not how many were at work.
            raise failures.exceptions[0] from None

    async def _work(self, search: Search, remaining: Iterator[Candidate], settle: Callable[[Sighting], None]) -> None:
        for candidate in remaining:
            if self._judge.refused_licence(candidate) is None:
                if candidate.image_url is not None:
                    await self._obtain(search.world, candidate.image_url, candidate.md5)
                if candidate.thumbnail_url is not None and self._judge.needs_thumbnail(search, candidate):
                    await self._obtain(search.world, candidate.thumbnail_url)
            settle(self._judge.sighting(search, candidate))

    async def _obtain(self, world: str, url: str, md5: str | None = None) -> None:
        """Make sure that the journal tells what comes of an address."""
        address = address_of(world, url, md5)
        while (other := self._pending.get(address)) is not None:
            # Another search shows the same image.
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
                self._journal.keep_outcome(address, outcome, Validators(fetched.etag, fetched.modified, moved))
            case Unchanged() if earlier is not None:
                self._journal.keep_outcome(address, earlier, known)
            case Refused() as refused:
                self._journal.keep_outcome(address, refused)
