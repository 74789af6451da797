"""Searches: one for each class, query and source; and why one of them failed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pixmill.core.params import ScrapeParams
from pixmill.scrape.candidate import Query
from pixmill.scrape.sources import SearchError, Source, is_local


@dataclass(frozen=True)
class Search:
    """One query to one source.

    Args:
        source: Who is asked.
        query: What, and for which class.
        world: What the bytes behind the source's addresses follow from; empty for the live web.
    """

    source: Source
    query: Query
    world: str

    @property
    def name(self) -> str:
        """By what the journal knows the answers."""
        query, version = self.query, self.source.version
        asked = [self.source.name, self.world, query.label, query.text, query.address]
        return json.dumps([*asked, version] if version else asked)

    def __str__(self) -> str:
        asked = f" '{self.query.text}'" if self.query.text not in (None, self.query.label) else ""
        return f"{self.query.label} (source '{self.source.name}'{asked})"


@dataclass(frozen=True)
class FailedSearch:
    """A search that failed, and why.

    Args:
        search: The search.
        failure: One word for tables, of :data:`pixmill.scrape.sources.Failure`, or ``browser``.
        message: What happened.
        evidence: The folder with the saved page and its screenshot.
        advice: What the user can do.
    """

    search: Search
    failure: str
    message: str
    evidence: str | None = None
    advice: str | None = None

    @classmethod
    def of(cls, search: Search, error: SearchError) -> FailedSearch:
        """Return what a source says of its failure, with the search that it is about."""
        return cls(search, error.failure, error.message, error.evidence, error.advice)

    def __str__(self) -> str:
        evidence = f"; saved page: {self.evidence}" if self.evidence else ""
        return f"{self.search}: {self.message}{evidence}"


def plan_searches(classes: Sequence[str], params: ScrapeParams, sources: Mapping[str, Source]) -> list[Search]:
    """Return all searches, in the order that decides which sighting of an image is its first.

    Classes come in their order, each with its queries, each of these with its sources; then the classes that nobody
    declared and that people's own folders hold all the same, so that a misspelt name is not passed over.

    Args:
        classes: The labels.
        params: What they are asked for, and of whom.
        sources: Each source by its name.
    """
    asked = [
        (label, text, sources[name])
        for label in classes
        for text in params.queries_of(label)
        for name in params.sources_of(label)
    ]
    for source in sources.values():
        if is_local(source):
            asked += [(label, label, source) for label in source.labels() if label not in classes]
    worlds = {name: source.fingerprint() for name, source in sources.items()}
    searches: dict[tuple[str, Query], Search] = {}
    for label, text, source in asked:
        for query in source.queries(label, [text]):
            searches.setdefault((source.name, query), Search(source, query, worlds[source.name]))
    return list(searches.values())
