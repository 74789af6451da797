"""The searches of a scrape: one for each class, query and source."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from pixmill.core.params import ScrapeParams
from pixmill.scrape.candidate import Query
from pixmill.scrape.sources import SearchError, Source, is_local


@dataclass(frozen=True)
class Search:
    """A query to a source.

    Args:
        source: The source.
        query: The query.
        fingerprint: Fingerprint of the source (:meth:`Source.fingerprint`); empty for the live web.
    """

    source: Source
    query: Query
    fingerprint: str

    @property
    def name(self) -> str:
        """The journal's key for the results."""
        query = self.query
        version = self.source.version
        parts = [self.source.name, self.fingerprint, query.label, query.text, query.address]
        return json.dumps([*parts, version] if version else parts)

    def __str__(self) -> str:
        text = f" '{self.query.text}'" if self.query.text not in (None, self.query.label) else ""
        return f"{self.query.label} (source '{self.source.name}'{text})"


@dataclass(frozen=True)
class FailedSearch:
    """A failed search.

    Args:
        search: The search.
        failure: A value of :data:`pixmill.scrape.sources.Failure`, or ``browser``.
        message: Description of the failure.
        evidence: Folder with the saved page and its screenshot.
        advice: Next step for the user.
    """

    search: Search
    failure: str
    message: str
    evidence: str | None = None
    advice: str | None = None

    @classmethod
    def of(cls, search: Search, error: SearchError) -> FailedSearch:
        """Return the failure that an error of a source describes."""
        return cls(search, error.failure, error.message, error.evidence, error.advice)

    def __str__(self) -> str:
        evidence = f"; saved page: {self.evidence}" if self.evidence else ""
        return f"{self.search}: {self.message}{evidence}"


def plan_searches(
    classes: Sequence[str],
    params: ScrapeParams,
    sources: Mapping[str, Source],
    *,
    unlabelled: str | None = None,
) -> list[Search]:
    """Return all searches in priority order: an image found twice keeps the metadata of the first.

    The order is that of the classes, then of their queries, then of the sources. Undeclared classes
    found in local folders come last; they reveal misspelt names.

    Args:
        classes: Labels.
        params: Queries and sources of each class.
        sources: Sources by name.
        unlabelled: Folder of ``data/`` whose images have no label, so its name is no class.
    """
    planned = [
        (label, text, sources[name])
        for label in classes
        for text, name in product(params.queries_of(label), params.sources_of(label))
    ]
    for source in filter(is_local, sources.values()):
        others = [label for label in source.labels() if label not in (*classes, unlabelled)]
        planned += [(label, label, source) for label in others]
    fingerprints = {name: source.fingerprint() for name, source in sources.items()}
    searches = (
        Search(each, query, fingerprints[each.name])
        for label, text, each in planned
        for query in each.queries(label, [text])
    )
    return list(dict.fromkeys(searches))
