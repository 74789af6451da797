"""Ask every source every query, several at the same time, and collect what they answer."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from itertools import groupby

from pixmill.core.errors import BrowserLostError
from pixmill.core.params import ScrapeParams
from pixmill.core.process.progress import Progress, announce
from pixmill.scrape.candidate import Candidate, Sighting
from pixmill.scrape.collection.access import NetworkAccess, StoppedError
from pixmill.scrape.collection.collector import Collector
from pixmill.scrape.collection.dispatch import Dispatcher
from pixmill.scrape.collection.searches import FailedSearch, Search
from pixmill.scrape.journal import Answers, Journal
from pixmill.scrape.quota import Quota, at_most
from pixmill.scrape.sources import SearchError

_LEAVE_SECONDS = 10.0
"""How long searches may take to end once the run does: one that waits for a page, or for a grid, cannot be asked."""

_LOOK_SECONDS = 0.05

_BROWSERS = 2
"""In how many browsers one search is tried."""

_REFUSALS = {"blocked", "captcha"}
"""How a search fails whose site wants no more questions."""


class Crawl:
    """Run searches in threads, while the event loop fetches what they find.

    Threads live as long as the crawl: a browser's driver dies with the thread that started it. A source that blocks one
    search is asked no other: pauses that its site wants are longer than a run, and whoever goes on is blocked longer.

    Args:
        access: The ways out that searches are given.
        journal: What was answered before.
        collector: Turns candidates into images.
        params: The limits of classes and queries, how many candidates are expected, and how many searches run at once.
    """

    def __init__(self, access: NetworkAccess, journal: Journal, collector: Collector, params: ScrapeParams) -> None:
        self._access = access
        self._journal = journal
        self._collector = collector
        self._params = params
        self._expected = at_most(params.expect_at_least, params)
        self._progress = Progress("Scrape", 0, unit="candidate")
        self._progress_lock = threading.Lock()
        self._refused = 0
        self._failed: dict[str, FailedSearch] = {}
        self._refusals: dict[str, FailedSearch] = {}
        self._broken: list[BaseException] = []

    async def run(self, searches: Sequence[Search]) -> list[FailedSearch]:
        """Carry out some searches; return those that failed, in the order of the searches.

        Args:
            searches: What to ask; those of local files are left out, since they need no crawl.

        Raises:
            BrowserError: There is no browser, or it does not start. That there is none which fits its driver is told
                before anything is asked of anybody.
        """
        # Whether a class has enough is known only after its earlier searches.
        in_turn = self._params.per_class is not None
        grouped = groupby(searches, key=lambda search: search.query.label if in_turn else search.name)
        groups = [list(group) for _, group in grouped]
        # Those behind the first may turn out not to be needed.
        if any(first.source.kind == "pages" and self._journal.answers(first.name) is None for first, *_ in groups):
            await asyncio.to_thread(self._access.choose_browser)
        threads = min(self._params.browsers, len(groups))
        pending = iter(groups)
        workers = [threading.Thread(target=self._work, args=(pending,), daemon=True) for _ in range(threads)]
        for worker in workers:
            worker.start()
        try:
            await _wait_for(workers)
        finally:
            self._access.stop()
            # A browser that waits for a page hears of no end; without a way out it waits no longer.
            await asyncio.to_thread(self._access.close)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LEAVE_SECONDS):
                    await _wait_for(workers)
            self._progress.close()
        if self._broken:
            raise self._broken[0]
        return [self._failed[search.name] for search in searches if search.name in self._failed]

    def _work(self, pending: Iterator[list[Search]]) -> None:
        """Carry out groups of searches, which several threads take from one iterator, until there is none left."""
        try:
            for group in pending:
                quota = Quota(self._params.per_class)
                for search in group:
                    self._access.check()
                    if not quota.is_full:
                        quota = self._carry_out(search, quota)
        except StoppedError:
            return
        except BaseException as error:  # noqa: BLE001 (raised again by the thread that waits for this one)
            self._broken.append(error)
            self._access.stop()

    def _carry_out(self, search: Search, quota: Quota) -> Quota:
        """Search, and collect what is found; what the journal holds is not asked for again.

        Args:
            search: The search.
            quota: The images of the class before it.

        Returns:
            The images of the class with what now stands in the journal.
        """
        remembered, is_enough = self._recall(search, quota)
        if is_enough or remembered.quota.is_full:
            return remembered.quota
        if refusal := self._refusals.get(search.source.name):
            message = f"skipped, because the site blocked another query: {refusal.search}"
            self._failed[search.name] = FailedSearch(search, refusal.failure, message)
            return remembered.quota
        # What is asked again may be answered otherwise: what was known of it counts no longer.
        answered, failed = self._ask(search, quota)
        self._access.check()  # what fails because the run ends is no failure
        if failed is not None:
            self._failed[search.name] = failed
            # Printed at once: a run may take another hour to end.
            announce(f"Scrape {search}: {failed.failure.replace('_', ' ')}")
            if failed.failure in _REFUSALS:
                self._refusals.setdefault(search.source.name, failed)
            if remembered.taken > answered.taken:
                return remembered.quota  # an earlier run came further
        if search.source.kind != "list":
            # What breaks off is kept, but asked for again; so is what ends where the class had enough.
            complete = failed is None and (answered.is_limited() or not answered.quota.is_full)
            answers = Answers(answered.candidates, self._params.per_query, complete)
            self._journal.keep_answers(search.name, answers)
        return answered.quota

    def _recall(self, search: Search, quota: Quota) -> tuple[Dispatcher, bool]:
        """Collect what an earlier run was answered; return that, and whether asking again could bring no more."""
        dispatcher = self._dispatcher(search, quota)
        known = None if search.source.kind == "list" else self._journal.answers(search.name)
        if known is None:
            return dispatcher, False
        for candidate in known.candidates:
            if not dispatcher.take(candidate):
                break
        dispatcher.finish()
        return dispatcher, known.suffice(self._params.per_query) and dispatcher.taken >= self._expected

    def _ask(self, search: Search, quota: Quota) -> tuple[Dispatcher, FailedSearch | None]:
        """Ask the source; where its browser is lost, once more in a new one."""
        attempts: list[Dispatcher] = []
        for _ in range(_BROWSERS):
            attempts.append(self._dispatcher(search, quota))
            try:
                self._listen(search, attempts[-1])
                return attempts[-1], None
            except SearchError as error:
                failed = FailedSearch.of(search, error)
                break
            except BrowserLostError as error:
                message = f"{error.message} ({len(attempts)} attempts)"
                failed = FailedSearch(search, "browser", message, advice=error.next)
                if len(attempts) < _BROWSERS:
                    announce(f"Scrape {search}: {error.message}; searching again in another one")
            finally:
                attempts[-1].finish()
        return max(attempts, key=lambda attempt: attempt.taken), failed

    def _listen(self, search: Search, dispatcher: Dispatcher) -> None:
        answers = search.source.search(search.query, self._access)
        try:
            for candidate in answers:
                self._access.check()
                if not dispatcher.take(candidate):
                    return
        finally:
            close = getattr(answers, "close", None)
            if close is not None:
                close()
        if search.source.kind != "list" and dispatcher.taken < self._expected:
            raise SearchError(
                "too_few",
                f"{search.query.address} returned {dispatcher.taken} candidates, expected at least {self._expected} "
                "(scrape.expect_at_least)",
            )

    def _dispatcher(self, search: Search, quota: Quota) -> Dispatcher:
        quota = quota.copy()

        def settle(sighting: Sighting) -> None:
            with self._progress_lock:
                self._refused += sighting.image is None
                self._progress.advance(note=f"{self._refused:,} refused" if self._refused else "")
            quota.add(sighting.image)

        def begin(batch: list[Candidate]) -> Future[None]:
            with self._progress_lock:
                self._progress.expect(len(batch))
            return self._access.begin(self._collector.collect(search, batch, settle))

        keep = search.source.kind != "list"
        return Dispatcher(begin, self._access.result, quota, self._params.per_query, keep=keep)


async def _wait_for(workers: Sequence[threading.Thread]) -> None:
    # Not by joining them in asyncio's own threads, whose end it would wait for even where the run is interrupted.
    while any(worker.is_alive() for worker in workers):
        await asyncio.sleep(_LOOK_SECONDS)
