"""Ask a source every query, and collect what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pixmill.errors import ScrapeError
from pixmill.progress import track
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.collector import Collector
from pixmill.scrape.journal import Journal, Outcome
from pixmill.scrape.pictures import Picture
from pixmill.scrape.sources import Source

__all__ = ["Crawl", "Harvest", "Sighting"]

Sighting = tuple[Candidate, Outcome]


@dataclass(frozen=True)
class Harvest:
    """Hold what came of a query.

    Args:
        query: What was asked.
        sightings: Each candidate, by rank, with what came of it.
        failure: Why the source did not answer as it should; ``None`` where it did.
    """

    query: Query
    sightings: list[Sighting]
    failure: str | None


class Crawl:
    """Ask queries of one source.

    Args:
        source: Who is asked.
        journal: What was answered before.
        collector: Turns candidates into pictures.
        per_class: The most different pictures of a query; nothing is looked at behind the last of them.
        expect_at_least: Fewer candidates of a query are a failure, unless ``per_class`` is reached.
    """

    def __init__(
        self, source: Source, journal: Journal, collector: Collector, *, per_class: int | None, expect_at_least: int
    ) -> None:
        self._source = source
        self._journal = journal
        self._collector = collector
        self._per_class = per_class
        # Where per_class is reached, there are at least as many candidates.
        self._expected = min(expect_at_least, per_class or expect_at_least)

    def harvest(self, query: Query) -> Harvest:
        """Return what comes of a query; what is in the journal is not asked for again.

        An answer that fails is not remembered, so that the next run asks anew.

        Raises:
            BrowserError: There is no browser, or it broke down.
        """
        candidates = self._journal.answers(query, self._per_class)
        failure = None
        if candidates is None or len(candidates) < self._expected:
            candidates, failure = self._ask(query)
            if failure is None:
                self._journal.keep_answers(query, self._per_class, candidates)
        self._collector.collect(candidates, f"Fetch {query.label}")
        return Harvest(query, self._up_to_limit(candidates), failure)

    def _ask(self, query: Query) -> tuple[list[Candidate], str | None]:
        """Return the candidates, and why they are not what they should be."""
        candidates: list[Candidate] = []
        try:
            if self._source.is_web and (refused := self._collector.permitted(query.address)):
                raise ScrapeError(f"{query.address} must not be visited: {refused.reason}, {refused.detail}")
            self._listen(query, candidates)
        except ScrapeError as error:
            return candidates, error.message
        if len(candidates) < self._expected:
            return candidates, (
                f"{query.address} shows {len(candidates)} candidates, expected at least {self._expected} "
                "(scrape.expect_at_least)"
            )
        return candidates, None

    def _listen(self, query: Query, candidates: list[Candidate]) -> None:
        """Add what a source answers, up to the last picture that is wanted."""
        limit = self._per_class
        enough = limit
        for candidate in track(self._source.search(query), f"Find {query.label}", unit="candidate"):
            candidates.append(candidate)
            if limit is not None and len(candidates) == enough:
                # Only their bytes tell how many different pictures these are.
                self._collector.collect(candidates, f"Fetch {query.label}")
                missing = limit - len(self._distinct(candidates))
                if missing == 0:
                    return
                enough = len(candidates) + missing

    def _distinct(self, candidates: Sequence[Candidate]) -> set[str]:
        outcomes = (self._collector.outcome(candidate) for candidate in candidates)
        return {outcome.id for outcome in outcomes if isinstance(outcome, Picture)}

    def _up_to_limit(self, candidates: Sequence[Candidate]) -> list[Sighting]:
        """Return the sightings up to the last picture that is wanted.

        A picture that an earlier run could not fetch may be there now, and makes the last ones superfluous.
        """
        sightings: list[Sighting] = []
        ids: set[str] = set()
        for candidate in candidates:
            if len(ids) == self._per_class:
                break
            outcome = self._collector.outcome(candidate)
            sightings.append((candidate, outcome))
            if isinstance(outcome, Picture):
                ids.add(outcome.id)
        return sightings
