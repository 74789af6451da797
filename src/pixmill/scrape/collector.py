"""Turn candidates into pictures, many at a time, each address once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from pixmill.fetch import Limits, Refused
from pixmill.images import sniff
from pixmill.progress import Progress
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.journal import Journal, Outcome
from pixmill.scrape.pictures import Picture, Pictures
from pixmill.scrape.sources import Reader, Source

__all__ = ["NO_ADDRESS", "Collector"]

NO_ADDRESS = Refused("no_address", "the page never showed one")


class Collector:
    """Fetch what a journal does not know yet, keep it, and write it down; a context manager.

    The event loop turns only while pictures are being fetched, so that a browser can be driven between, from the same
    thread.

    Args:
        source: Where the addresses come from.
        journal: What is known, and will be.
        pictures: Where pictures are kept.
        elsewhere: Further places where a picture may lie already.
        limits: What each fetch obeys.
    """

    def __init__(
        self, source: Source, journal: Journal, pictures: Pictures, elsewhere: Iterable[Pictures], limits: Limits
    ) -> None:
        self._source = source
        self._journal = journal
        self._pictures = pictures
        self._places = (*elsewhere, pictures)
        self._limits = limits
        self._tried: set[str] = set()

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        self._opened = AsyncExitStack()
        self._reader: Reader = self._runner.run(self._opened.enter_async_context(self._source.reader(self._limits)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._runner.run(self._opened.aclose())
        finally:
            self._runner.close()

    def permitted(self, url: str) -> Refused | None:
        """Return why a page must not be visited, or ``None`` where it may."""
        return self._runner.run(self._reader.permitted(url))

    def collect(self, candidates: Iterable[Candidate], what: str) -> None:
        """Fetch the pictures of some candidates that are not at hand.

        What failed for a passing reason in an earlier run is tried again, once a run.

        Args:
            candidates: Where to find them; the order in which they are begun.
            what: What is being done, for the progress.
        """
        wanted = dict.fromkeys(url for candidate in candidates if (url := candidate.image_url) is not None)
        missing = [url for url in wanted if not self._is_settled(url)]
        if missing:
            self._runner.run(self._collect(missing, what))

    def outcome(self, candidate: Candidate) -> Outcome:
        """Return what came of a candidate that has been collected."""
        if candidate.image_url is None:
            return NO_ADDRESS
        outcome = self._journal.outcome(candidate.image_url)
        if outcome is None:
            raise ValueError(f"not collected: {candidate}")
        return outcome

    def _is_settled(self, url: str) -> bool:
        outcome = self._journal.outcome(url)
        if isinstance(outcome, Picture):
            return any(place.holds(outcome) for place in self._places)
        return outcome is not None and (not outcome.transient or url in self._tried)

    async def _collect(self, urls: list[str], what: str) -> None:
        pending = iter(urls)
        with Progress(what, len(urls)) as progress:
            try:
                async with asyncio.TaskGroup() as workers:
                    for _ in range(min(self._limits.connections, len(urls))):
                        workers.create_task(self._work(pending, progress))
            except ExceptionGroup as failures:
                # The first worker that fails ends all others; callers shall see why, not how many were at work.
                raise failures.exceptions[0] from None

    async def _work(self, pending: Iterator[str], progress: Progress) -> None:
        for url in pending:
            self._tried.add(url)
            fetched = await self._reader.fetch(url)
            self._journal.keep_outcome(url, fetched if isinstance(fetched, Refused) else self._keep(fetched.content))
            progress.advance()

    def _keep(self, content: bytes) -> Outcome:
        picture = Picture.of(content)
        if picture.format is None and self._source.is_web:
            return Refused(sniff(content), "no picture, by its first bytes")
        self._pictures.add(picture, content)
        return picture
