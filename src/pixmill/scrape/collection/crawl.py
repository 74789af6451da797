"""Run searches in threads and fetch their candidates."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import groupby

from pixmill.core.errors import BrowserLostError
from pixmill.core.params import ScrapeParams
from pixmill.core.process.progress import Progress, announce
from pixmill.scrape.candidate import (
    Candidate,
    Quota,
    Repetition,
    Sighting,
    StoredImage,
    limit_candidates,
)
from pixmill.scrape.collection.access import NetworkAccess, StoppedError
from pixmill.scrape.collection.collector import Collector
from pixmill.scrape.collection.searches import FailedSearch, Search
from pixmill.scrape.journal import Journal, SearchResults
from pixmill.scrape.sources import SearchError

_SHUTDOWN_SECONDS = 10.0
"""How long an ending run waits for its searches; one that waits for a page cannot be interrupted.
"""

_POLL_SECONDS = 0.05

_MAX_BROWSERS = 2
"""Browsers started for one search."""

_BLOCKING_FAILURES = {"blocked", "captcha"}
"""Failures after which the site is not queried again."""

_BATCH_SIZE = 256
"""Maximum number of candidates fetched together."""

_BATCH_SECONDS = 0.5
"""Maximum age of a batch; results pages show a few candidates per second."""

_MAX_PENDING_BATCHES = 4
"""Batches in progress before the search waits, which bounds memory for lists of a million URLs."""


Images = list[StoredImage | None]
"""The image of each candidate of a batch, if it has one."""


class Crawl:
    """Run searches in threads while the event loop fetches what they find.

    A source that blocks one search gets no further ones in this run: sites ask for pauses longer
    than a run, and block longer clients that continue.

    Args:
        access: Network access for the searches.
        journal: Stored results.
        collector: Fetches candidates.
        params: Parameters of the scrape.
    """

    def __init__(
        self, access: NetworkAccess, journal: Journal, collector: Collector, params: ScrapeParams
    ) -> None:
        self._access = access
        self._journal = journal
        self._collector = collector
        self._params = params
        self._expected = limit_candidates(params.expect_at_least, params)
        self._progress = Progress("Fetch", 0, unit="candidate")
        self._progress_lock = threading.Lock()
        self._refused = 0
        self._failed: dict[str, FailedSearch] = {}
        self._blocked: dict[str, FailedSearch] = {}
        self._errors: list[BaseException] = []

    async def run(self, searches: Sequence[Search]) -> list[FailedSearch]:
        """Run searches; return those that failed, in order.

        Args:
            searches: Searches of web sources and URL lists.

        Raises:
            BrowserError: No usable browser was found; raised before the first request.
        """
        groups = self._groups(searches)
        # Only the first search of a group is sure to run.
        if any(
            first.source.kind == "pages" and self._journal.results(first.name) is None
            for first, *_ in groups
        ):
            await asyncio.to_thread(self._access.choose_browser)
        pending = iter(groups)
        # Threads live until the end, since a browser's driver dies with the thread that started it.
        threads = min(self._params.browsers, len(groups))
        workers = [
            threading.Thread(target=self._work, args=(pending,), daemon=True)
            for _ in range(threads)
        ]
        for worker in workers:
            worker.start()
        try:
            await _wait_for(workers)
        finally:
            self._access.stop()
            # Closing the proxy interrupts browsers that wait for a page.
            await asyncio.to_thread(self._access.close)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SHUTDOWN_SECONDS):
                    await _wait_for(workers)
            self._progress.close()
        if self._errors:
            raise self._errors[0]
        return [self._failed[search.name] for search in searches if search.name in self._failed]

    def _groups(self, searches: Sequence[Search]) -> list[list[Search]]:
        """Return the searches that run one after another, in groups that run concurrently."""
        if self._params.per_class is None:
            return [[search] for search in searches]
        # With per_class, a search is needed or not depending on the earlier ones of its class.
        grouped = groupby(searches, key=lambda search: search.query.label)
        return [list(group) for _, group in grouped]

    def _work(self, pending: Iterator[list[Search]]) -> None:
        """Run groups of searches until the shared iterator is exhausted."""
        try:
            for group in pending:
                quota = Quota(self._params.per_class)
                for search in group:
                    self._access.check()
                    if not quota.is_full:
                        quota = self._run_search(search, quota)
        except StoppedError:
            return
        except BaseException as error:  # noqa: BLE001 (raised again by run)
            self._errors.append(error)
            self._access.stop()

    def _run_search(self, search: Search, quota: Quota) -> Quota:
        """Run a search unless the journal has enough of its results, and fetch its candidates.

        Args:
            search: The search.
            quota: Images of the class before the search.

        Returns:
            Images of the class after the search.
        """
        stored, is_enough = self._recall(search, quota)
        if is_enough or stored.quota.is_full:
            return stored.quota
        if blocked := self._blocked.get(search.source.name):
            message = f"skipped, because the site blocked another query: {blocked.search}"
            self._failed[search.name] = FailedSearch(search, blocked.failure, message)
            return stored.quota
        # Start from the quota before the search, since new results replace the stored ones.
        found, failed = self._query(search, quota)
        self._access.check()  # failures during shutdown do not count
        if failed is not None:
            self._failed[search.name] = failed
            announce(f"Scrape {search}: {failed.failure.replace('_', ' ')}")
            if failed.failure in _BLOCKING_FAILURES:
                self._blocked.setdefault(search.source.name, failed)
            if stored.taken > found.taken:
                return stored.quota
        if search.source.kind != "list":
            # Incomplete results are stored too, but the next run searches again.
            complete = failed is None and (found.is_limited() or not found.quota.is_full)
            self._journal.save_results(
                search.name, SearchResults(found.candidates, self._params.per_query, complete)
            )
        return found.quota

    def _recall(self, search: Search, quota: Quota) -> tuple[Dispatcher, bool]:
        """Fetch candidates of stored results; return their dispatcher, and whether they suffice."""
        dispatcher = self._dispatcher(search, quota)
        stored = None if search.source.kind == "list" else self._journal.results(search.name)
        if stored is None:
            return dispatcher, False
        for candidate in stored.candidates:
            if not dispatcher.take(candidate):
                break
        dispatcher.finish()
        return dispatcher, stored.suffice(
            self._params.per_query
        ) and dispatcher.taken >= self._expected

    def _query(self, search: Search, quota: Quota) -> tuple[Dispatcher, FailedSearch | None]:
        """Query the source; if its browser crashes, once more in a new one."""
        attempts: list[Dispatcher] = []
        for _ in range(_MAX_BROWSERS):
            attempts.append(self._dispatcher(search, quota))
            try:
                self._consume(search, attempts[-1])
                return attempts[-1], None
            except SearchError as error:
                failed = FailedSearch.of(search, error)
                break
            except BrowserLostError as error:
                message = f"{error.message} ({len(attempts)} attempts)"
                failed = FailedSearch(search, "browser", message, advice=error.next)
                if len(attempts) < _MAX_BROWSERS:
                    announce(f"Scrape {search}: {error.message}; searching again in another one")
            finally:
                attempts[-1].finish()
        return max(attempts, key=lambda attempt: attempt.taken), failed

    def _consume(self, search: Search, dispatcher: Dispatcher) -> None:
        results = search.source.search(search.query, self._access)
        try:
            for candidate in results:
                self._access.check()
                if not dispatcher.take(candidate):
                    return
        finally:
            close = getattr(results, "close", None)
            if close is not None:
                close()
        if search.source.kind != "list" and dispatcher.taken < self._expected:
            raise SearchError(
                "too_few",
                f"{search.query.address} returned {dispatcher.taken} candidates, expected at least "
                f"{self._expected} "
                "(scrape.expect_at_least)",
            )

    def _dispatcher(self, search: Search, quota: Quota) -> Dispatcher:
        quota = quota.copy()

        def settle(sighting: Sighting) -> None:
            with self._progress_lock:
                self._refused += sighting.image is None
                self._progress.advance(note=f"{self._refused:,} refused" if self._refused else "")
            quota.add(sighting.image)

        def begin(batch: list[Candidate]) -> Future[Images]:
            with self._progress_lock:
                self._progress.expect(len(batch))
            return self._access.begin(self._collector.collect(search, batch, settle))

        return Dispatcher(
            begin, self._access.result, quota, self._params.per_query, search.source.kind != "list"
        )


@dataclass
class Dispatcher:
    """Fetch the candidates of one search in batches until there are enough.

    Args:
        begin: Starts fetching a batch.
        wait: Waits for a batch, and returns its images.
        quota: Images of the class; fetching adds to it.
        per_query: Maximum number of candidates; ``None`` for no limit.
        keep: Whether to store the candidates in ``candidates``, and to end when their images repeat.
        candidates: The candidates taken so far, if stored.
        taken: Number of candidates taken so far.
    """

    begin: Callable[[list[Candidate]], Future[Images]]
    wait: Callable[[Future[Images]], Images]
    quota: Quota
    per_query: int | None
    keep: bool
    candidates: list[Candidate] = field(default_factory=list)
    taken: int = 0

    def __post_init__(self) -> None:
        self._batch: list[Candidate] = []
        self._batch_since = 0.0
        self._pending: deque[Future[Images]] = deque()
        self._repetition = Repetition()
        # Candidates taken before the class can be full; then wait, to learn how many images are
        # distinct.
        self._needed = self.quota.missing

    def take(self, candidate: Candidate) -> bool:
        """Take a candidate, perhaps after earlier batches; return whether more are wanted."""
        if self.keep:
            self.candidates.append(candidate)
        self.taken += 1
        if not self._batch:
            self._batch_since = time.monotonic()
        self._batch.append(candidate)
        if (
            len(self._batch) >= _BATCH_SIZE
            or time.monotonic() - self._batch_since >= _BATCH_SECONDS
        ):
            self._begin_batch()
            while self._pending and (
                self._pending[0].done() or len(self._pending) > _MAX_PENDING_BATCHES
            ):
                self._count_images()
        if self.taken == self._needed:
            self.finish()
            self._needed = self.taken + self.quota.missing
        return not (self.is_limited() or self.quota.is_full or self._repetition.is_over)

    def _count_images(self) -> None:
        """Wait for the first pending batch."""
        images = self.wait(self._pending.popleft())
        if self.keep:
            for image in images:
                self._repetition.add(image)

    def is_limited(self) -> bool:
        """Return whether the search has reached ``scrape.per_query``."""
        return self.per_query is not None and self.taken >= self.per_query

    def finish(self) -> None:
        """Fetch the last batch and wait for all."""
        self._begin_batch()
        while self._pending:
            self._count_images()

    def _begin_batch(self) -> None:
        if self._batch:
            self._pending.append(self.begin(self._batch))
            self._batch = []


async def _wait_for(workers: Sequence[threading.Thread]) -> None:
    # Threads of asyncio that join workers would delay the exit of an interrupted run.
    while any(worker.is_alive() for worker in workers):
        await asyncio.sleep(_POLL_SECONDS)
