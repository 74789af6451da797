"""What is asked of whom: one search for each class, query and source."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pixmill.params import ScrapeParams
from pixmill.scrape.candidate import Query
from pixmill.scrape.sources import Source
from pixmill.scrape.sources.source import is_local

__all__ = ["Search", "plan"]


@dataclass(frozen=True)
class Search:
    """Name one query to one source.

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
        query = self.query
        return json.dumps([self.source.name, self.world, query.label, query.text, query.address])

    def __str__(self) -> str:
        asked = f" '{self.query.text}'" if self.query.text not in (None, self.query.label) else ""
        return f"{self.query.label} (source '{self.source.name}'{asked})"


def plan(classes: Sequence[str], params: ScrapeParams, sources: Mapping[str, Source]) -> list[Search]:
    """Return all searches, in the order that decides which sighting of a picture is its first.

    Classes come in their order, each with its queries, each of these with its sources; then the classes that nobody
    declared and that people's own folders hold all the same, so that a misspelt name is not passed over.

    Args:
        classes: The labels.
        params: What they are asked for, and of whom.
        sources: Each source by its name.
    """
    worlds = {name: source.fingerprint() for name, source in sources.items()}
    found: dict[tuple[str, Query], Search] = {}

    def add(label: str, texts: Sequence[str], name: str) -> None:
        for query in sources[name].queries(label, texts):
            found.setdefault((name, query), Search(sources[name], query, worlds[name]))

    for label in classes:
        for text in params.queries_of(label):
            for name in params.sources_of(label):
                add(label, [text], name)
    for name, source in sources.items():
        if is_local(source):
            for label in source.labels():
                if label not in classes:
                    add(label, [label], name)
    return list(found.values())
