"""What all searches came to: every sighting in its order, read from the journal or from this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from pixmill.fetch import Refused
from pixmill.progress import track
from pixmill.scrape.access import NOWHERE
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.crawl import Failing
from pixmill.scrape.journal import Journal
from pixmill.scrape.ledger import Ledger
from pixmill.scrape.pictures import Picture, Pictures
from pixmill.scrape.plan import Search
from pixmill.scrape.sighting import Sighting
from pixmill.scrape.sources.failure import SearchFailed
from pixmill.scrape.sources.source import LocalSource, is_local

__all__ = ["Harvest"]


class Harvest:
    """Go through the sightings of all searches; none of them is held longer than it is looked at.

    What is on this machine is read here, straight into the output; what was fetched is copied there.

    Args:
        searches: In the order that decides which sighting of a picture is its first.
        journal: What the searches of the web were answered.
        ledger: Knows what came of each address, and where its picture lies.
        output: Where all pictures shall lie.
        per_class: The most different pictures of a class; what is behind the last of them is left out.
        per_query: The most candidates of a search.
        max_bytes: The largest file that is read.
    """

    def __init__(
        self,
        searches: Sequence[Search],
        journal: Journal,
        ledger: Ledger,
        output: Pictures,
        *,
        per_class: int | None,
        per_query: int | None,
        max_bytes: int,
    ) -> None:
        self._searches = searches
        self._journal = journal
        self._ledger = ledger
        self._output = output
        self._per_class = per_class
        self._per_query = per_query
        self._max_bytes = max_bytes
        self.failing: list[Failing] = []
        """The searches of this machine's files and lists that failed."""

    def __iter__(self) -> Iterator[tuple[Search, Sighting]]:
        """Yield each sighting with its search; ``failing`` is complete at the end."""
        for label, searches in groupby(self._searches, key=lambda search: search.query.label):
            yield from self._up_to_limit(track(self._of_class(searches), f"Gather {label}", unit="candidate"))

    def _of_class(self, searches: Iterator[Search]) -> Iterator[tuple[Search, Sighting]]:
        for search in searches:
            try:
                for sighting in islice(self._of_search(search), self._per_query):
                    yield search, sighting
            except SearchFailed as error:
                self.failing.append(Failing(search, error.failure, error.message, error.evidence, error.advice))

    def _up_to_limit(self, sightings: Iterator[tuple[Search, Sighting]]) -> Iterator[tuple[Search, Sighting]]:
        ids: set[str] = set()
        for search, sighting in sightings:
            if sighting.picture is not None:
                if not is_local(search.source):
                    self._output.copy(sighting.picture, self._ledger.place(sighting.picture))
                if self._per_class is not None:
                    ids.add(sighting.picture.id)
            yield search, sighting
            if self._per_class is not None and len(ids) >= self._per_class:
                return

    def _of_search(self, search: Search) -> Iterator[Sighting]:
        source = search.source
        if is_local(source):
            for candidate in source.search(search.query, NOWHERE):
                yield self._read(source, candidate)
            return
        for candidate in self._candidates(search):
            yield self._ledger.sighting(source.name, search.world, candidate)

    def _candidates(self, search: Search) -> Iterator[Candidate]:
        if search.source.kind == "list":
            return search.source.search(search.query, NOWHERE)
        answers = self._journal.answers(search.name)
        return iter(answers.candidates if answers else ())

    def _read(self, source: LocalSource, candidate: Candidate) -> Sighting:
        if refused := self._ledger.refused_licence(candidate):
            return Sighting(source.name, candidate, None, refused)
        if candidate.image_url is None:
            raise ValueError(f"expected an address, received {candidate}")
        received = source.read(candidate.image_url, max_bytes=self._max_bytes)
        if isinstance(received, Refused):
            return Sighting(source.name, candidate, None, received)
        # Every file that people brought is taken as it is, so that validate can name what is wrong with it.
        picture = Picture.of(received.content)
        self._output.add(picture, received.content)
        return Sighting(source.name, candidate, picture)
