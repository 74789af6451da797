"""Turn candidates into pictures, each address once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from pixmill.fetch import Fetched, Fetcher, Refused, Unchanged, Validators
from pixmill.images import sniff
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.journal import Journal, Outcome
from pixmill.scrape.junk import is_junk
from pixmill.scrape.ledger import Ledger, address_of
from pixmill.scrape.pictures import Picture, Pictures
from pixmill.scrape.sighting import Sighting

__all__ = ["Collector"]


class Collector:
    """Fetch what the ledger does not know yet, keep it, and write it down.

    Args:
        fetcher: Fetches addresses.
        ledger: Tells what is known.
        journal: Where it is written.
        pictures: Where pictures are kept.
        elsewhere: Further places where a picture may lie already.
        previous: The journal of an earlier snapshot, whose pictures lie in one of these places: what a server calls
            unchanged since then is not sent again.
        connections: Addresses of one batch that are fetched at the same time.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        ledger: Ledger,
        journal: Journal,
        pictures: Pictures,
        elsewhere: Iterable[Pictures] = (),
        *,
        previous: Journal | None = None,
        connections: int = 64,
    ) -> None:
        self._fetcher = fetcher
        self._ledger = ledger
        self._journal = journal
        self._pictures = pictures
        self._elsewhere = tuple(elsewhere)
        self._previous = previous
        self._connections = connections
        self._under_way: dict[str, asyncio.Future[None]] = {}

    async def collect(
        self, source: str, world: str, candidates: Sequence[Candidate], settled: Callable[[Sighting], None]
    ) -> None:
        """Fetch the pictures of some candidates that are not at hand.

        What failed for a passing reason in an earlier run is tried again, once a run.

        Args:
            source: The name of who showed them.
            world: What the bytes behind their addresses follow from.
            candidates: Where to find them; the order in which they are begun.
            settled: Told each candidate with what came of it.
        """
        pending = iter(candidates)
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(self._connections, len(candidates))):
                    workers.create_task(self._work(source, world, pending, settled))
        except ExceptionGroup as failures:
            # The first worker that fails ends all others; callers shall see why, not how many were at work.
            raise failures.exceptions[0] from None

    async def _work(
        self, source: str, world: str, pending: Iterator[Candidate], settled: Callable[[Sighting], None]
    ) -> None:
        for candidate in pending:
            await self._settle(world, candidate)
            settled(self._ledger.sighting(source, world, candidate))

    async def _settle(self, world: str, candidate: Candidate) -> None:
        if self._ledger.refused_licence(candidate):
            return
        if candidate.image_url is not None:
            address = address_of(world, candidate.image_url, candidate.md5)
            await self._obtain(address, candidate.image_url, candidate.md5)
        if candidate.thumbnail_url is not None and self._ledger.wants_thumbnail(world, candidate):
            await self._obtain(address_of(world, candidate.thumbnail_url), candidate.thumbnail_url, None)

    async def _obtain(self, address: str, url: str, md5: str | None) -> None:
        """Make sure that the journal tells what comes of an address."""
        while (other := self._under_way.get(address)) is not None:
            # Another search shows the same picture.
            await asyncio.shield(other)
        if self._ledger.is_settled(address):
            return
        done = self._under_way[address] = asyncio.get_running_loop().create_future()
        try:
            known, earlier = self._known(address)
            received = await self._fetcher.fetch(url, known)
            if isinstance(received, Unchanged) and earlier is not None:
                for place in self._elsewhere:
                    if place.holds(earlier):
                        self._pictures.copy(earlier, place)
                self._journal.keep_outcome(address, earlier, known)
            elif isinstance(received, Fetched):
                moved = received.url if received.url != url else None
                validators = Validators(received.etag, received.modified, moved)
                self._journal.keep_outcome(address, self._keep(received.content, md5), validators)
            elif isinstance(received, Refused):
                self._journal.keep_outcome(address, received)
        finally:
            del self._under_way[address]
            done.set_result(None)

    def _known(self, address: str) -> tuple[Validators | None, Picture | None]:
        """Return the version of an address that an earlier snapshot had, if its bytes are still at hand."""
        if self._previous is None:
            return None, None
        validators, earlier = self._previous.validators(address), self._previous.outcome(address)
        if validators is None or not isinstance(earlier, Picture) or not self._ledger.is_at_hand(earlier):
            return None, None
        return validators, earlier

    def _keep(self, content: bytes, md5: str | None) -> Outcome:
        picture = Picture.of(content)
        if picture.format is None:
            return Refused(sniff(content), "no picture, by its first bytes")
        if is_junk(content):
            return Refused("placeholder", "a picture that says that there is none")
        if md5 is not None and hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
            return Refused("wrong_md5", "not the bytes that the list promises")
        self._pictures.add(picture, content)
        return picture
