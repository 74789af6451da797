"""Ask every source every query, several at the same time, and collect what they answer."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Sequence, Set
from concurrent.futures import Future
from dataclasses import dataclass

from pixmill.errors import BrowserLost
from pixmill.scrape.access import NetworkAccess, Stopped
from pixmill.scrape.board import Board
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.collector import Collector
from pixmill.scrape.handover import Handover
from pixmill.scrape.journal import Answers, Journal
from pixmill.scrape.plan import Search
from pixmill.scrape.sighting import Sighting
from pixmill.scrape.sources.failure import SearchFailed

__all__ = ["Crawl", "Failing", "fewest"]

_LEAVE_SECONDS = 10.0
"""How long a search may take to end once the run does; a browser that is opening a page cannot be asked sooner."""

_BROWSERS = 2
"""In how many browsers one search is tried."""

_REFUSALS = {"blocked": "refused programs", "captcha": "asked for a proof of being human"}
"""What a site answers that wants no more questions, by failure."""


@dataclass(frozen=True)
class Failing:
    """Say what a search failed of.

    Args:
        search: The search.
        failure: One word for tables, of :data:`pixmill.scrape.sources.failure.Failure`, or ``browser``.
        message: What happened, for people.
        evidence: The folder with the saved page and its screenshot.
        advice: What a person may do.
    """

    search: Search
    failure: str
    message: str
    evidence: str | None = None
    advice: str | None = None

    def __str__(self) -> str:
        seen = f"; the page as it was is in {self.evidence}" if self.evidence else ""
        return f"{self.search}: {self.message}{seen}"


class Crawl:
    """Run searches in threads, while the event loop fetches what they find.

    Threads live as long as the crawl: a browser's driver dies with the thread that started it. A source that blocks one
    search is asked no other: pauses that its site wants are longer than a run, and whoever goes on is blocked longer.

    Args:
        access: The ways out that searches are given.
        journal: What was answered before.
        collector: Turns candidates into pictures.
        board: Told what is going on.
        per_class: The most different pictures of a class; later searches of a class that has them are not begun.
        per_query: The most candidates of a search.
        expect_at_least: Fewer candidates of a search are a failure, unless one of the limits is reached.
    """

    def __init__(
        self,
        access: NetworkAccess,
        journal: Journal,
        collector: Collector,
        board: Board,
        *,
        per_class: int | None,
        per_query: int | None,
        expect_at_least: int,
    ) -> None:
        self._access = access
        self._journal = journal
        self._collector = collector
        self._board = board
        self._per_class = per_class
        self._per_query = per_query
        self._expected = fewest(expect_at_least, per_class, per_query)
        self._failures: dict[str, Failing] = {}
        self._refusals: dict[str, Failing] = {}
        self._broken: list[BaseException] = []

    async def run(self, searches: Sequence[Search], threads: int) -> list[Failing]:
        """Carry out some searches; return those that failed, in the order of the searches.

        Args:
            searches: What to ask; those of local files are left out, since they need no crawl.
            threads: Searches at the same time.

        Raises:
            BrowserError: There is no browser, or it does not start. That there is none which fits its driver is told
                before anything is asked of anybody.
        """
        groups: queue.SimpleQueue[list[Search]] = queue.SimpleQueue()
        by_class: dict[str, list[Search]] = {}
        for search in searches:
            by_class.setdefault(search.query.label, []).append(search)
        count, first = 0, []
        for of_class in by_class.values():
            # Whether a class has enough is known only after its earlier searches.
            for group in [of_class] if self._per_class is not None else [[search] for search in of_class]:
                groups.put(group)
                first.append(group[0])
                count += 1
        # Those behind them may turn out not to be needed.
        if any(search.source.kind == "pages" and self._journal.answers(search.name) is None for search in first):
            await asyncio.to_thread(self._access.choose_browser)
        workers = [threading.Thread(target=self._work, args=(groups,), daemon=True) for _ in range(min(threads, count))]
        for worker in workers:
            worker.start()
        try:
            for worker in workers:
                await asyncio.to_thread(worker.join)
        finally:
            self._access.stop()
            # A browser that waits for a page hears of no end; without a way out it waits no longer.
            await asyncio.to_thread(self._access.close)
            for worker in workers:
                await asyncio.to_thread(worker.join, _LEAVE_SECONDS)
        if self._broken:
            raise self._broken[0]
        return [self._failures[search.name] for search in searches if search.name in self._failures]

    def _work(self, groups: queue.SimpleQueue[list[Search]]) -> None:
        with contextlib.suppress(queue.Empty, Stopped):
            while True:
                self._access.check()
                group = groups.get_nowait()
                ids: set[str] = set()
                for search in group:
                    if self._per_class is not None and len(ids) >= self._per_class:
                        break
                    try:
                        ids = self._carry_out(search, ids)
                    except Stopped:
                        raise
                    except BaseException as error:  # noqa: BLE001 (raised again by the thread that waits for this one)
                        self._broken.append(error)
                        self._access.stop()
                        return

    def _carry_out(self, search: Search, ids: Set[str]) -> set[str]:
        """Search, and collect what is found; what the journal holds is not asked for again.

        Args:
            search: The search.
            ids: The different pictures of the class before it.

        Returns:
            The different pictures of the class with what now stands in the journal.
        """
        is_kept = search.source.kind != "list"
        known = self._journal.answers(search.name) if is_kept else None
        remembered = None
        if known is not None:
            remembered = self._handover(search, ids)
            for candidate in known.candidates[: self._per_query]:
                remembered.take(candidate)
                if remembered.is_full():
                    break
            remembered.finish()
            if remembered.is_full() or (known.suffice(self._per_query) and remembered.taken >= self._expected):
                return remembered.ids
        if refusal := self._refusals.get(search.source.name):
            self._failures[search.name] = Failing(
                search, refusal.failure, f"not asked, since the site {_REFUSALS[refusal.failure]}: {refusal.search}"
            )
            return remembered.ids if remembered is not None else set(ids)
        # What is asked again may be answered otherwise: what was known of it counts no longer.
        handover, failing = self._ask(search, ids)
        self._access.check()  # what fails because the run ends is no failure
        if failing is not None:
            self._failures[search.name] = failing
            self._board.failed(search, failing.failure)
            if failing.failure in _REFUSALS:
                self._refusals.setdefault(search.source.name, failing)
        if not is_kept:
            return handover.ids
        if failing is not None and remembered is not None and remembered.taken > handover.taken:
            return remembered.ids  # an earlier run came further
        # What breaks off is kept, but asked for again; so is what ends where the class had enough.
        complete = failing is None and (handover.is_limited() or not handover.is_full())
        answers = Answers(handover.candidates, self._per_query, complete)
        self._journal.keep_answers(search.name, search.query.label, search.query.text, answers)
        return handover.ids

    def _ask(self, search: Search, ids: Set[str]) -> tuple[Handover, Failing | None]:
        """Ask the source; where its browser is lost, once more in a new one."""
        attempts: list[Handover] = []
        for _ in range(_BROWSERS):
            handover = self._handover(search, ids)
            attempts.append(handover)
            try:
                self._listen(search, handover)
                return handover, None
            except SearchFailed as error:
                failing = Failing(search, error.failure, error.message, error.evidence, error.advice)
                break
            except BrowserLost as error:
                failing = Failing(search, "browser", f"{error.message}, {len(attempts)} times", advice=error.next)
            finally:
                handover.finish()
        return max(attempts, key=lambda attempt: attempt.taken), failing

    def _listen(self, search: Search, handover: Handover) -> None:
        answers = search.source.search(search.query, self._access)
        try:
            for candidate in answers:
                self._access.check()
                handover.take(candidate)
                if handover.is_limited() or handover.is_full():
                    return
        finally:
            close = getattr(answers, "close", None)
            if close is not None:
                close()
        if search.source.kind != "list" and handover.taken < self._expected:
            raise SearchFailed(
                "too_few",
                f"{search.query.address} shows {handover.taken} candidates, expected at least {self._expected} "
                "(scrape.expect_at_least)",
            )

    def _handover(self, search: Search, ids: Set[str]) -> Handover:
        so_far = set(ids)

        def settled(sighting: Sighting) -> None:
            self._board.settled(sighting)
            if self._per_class is not None and sighting.picture is not None:
                so_far.add(sighting.picture.id)

        def begin(batch: list[Candidate]) -> Future[None]:
            self._board.found(search.query.label, len(batch))
            return self._access.begin(self._collector.collect(search.source.name, search.world, batch, settled))

        return Handover(
            begin,
            self._access.result,
            so_far,
            per_class=self._per_class,
            per_query=self._per_query,
            keep=search.source.kind != "list",
        )


def fewest(expect_at_least: int, *limits: int | None) -> int:
    """Return the fewest candidates that a search must bring: no more than a limit lets it.

    Args:
        expect_at_least: What it must bring where there is no limit.
        limits: The most that are wanted; ``None`` for no limit.
    """
    return min([expect_at_least, *(limit for limit in limits if limit is not None)])
