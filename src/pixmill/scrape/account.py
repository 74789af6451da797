"""The account of a scrape: what was seen, fetched, seen before and refused, by class, source, query and host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pixmill.scrape.candidate import Candidate
from pixmill.scrape.crawl import Failing
from pixmill.scrape.plan import Search
from pixmill.scrape.sighting import Sighting

__all__ = ["LOCAL", "OTHERS", "Account", "SearchTally", "Tally"]

LOCAL = "local"
"""Stands for the host where pictures come from this machine."""

OTHERS = "others"
"""Stands for the hosts that are not told one by one."""

_HOSTS = 50
"""Hosts of a class and a source that are told one by one, those with the most candidates: engines lead to hundreds."""


@dataclass
class Tally:
    """Count what came of some candidates.

    ``candidates`` is the sum of ``fetched`` and all of ``refused``; ``duplicates`` are those fetched whose picture an
    earlier candidate had already brought; ``thumbnails`` those fetched of which only a small copy could be had.
    """

    candidates: int = 0
    fetched: int = 0
    duplicates: int = 0
    thumbnails: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, sighting: Sighting, *, is_new: bool) -> None:
        """Count one more."""
        self.candidates += 1
        if sighting.picture is None:
            self.refused[sighting.refused.reason if sighting.refused else ""] += 1
        else:
            self.fetched += 1
            self.duplicates += not is_new
            self.thumbnails += sighting.thumbnail

    def merge(self, other: Tally) -> None:
        """Add the counts of another."""
        self.candidates += other.candidates
        self.fetched += other.fetched
        self.duplicates += other.duplicates
        self.thumbnails += other.thumbnails
        self.refused += other.refused

    def metrics(self) -> dict[str, Any]:
        """Return the counts as ``metrics/scrape.json`` has them."""
        return {
            "candidates": self.candidates,
            "fetched": self.fetched,
            "duplicates": self.duplicates,
            "thumbnails": self.thumbnails,
            "refused": dict(self.refused),
        }


@dataclass
class SearchTally:
    """Count what came of one search.

    Args:
        search: The search.
        tally: What came of its candidates.
        routes: How many originals its source gave away by each route.
        lifted: How many candidates have the address of an original and of a smaller copy.
        failing: What it failed of; ``None`` where it did not.
    """

    search: Search
    tally: Tally = field(default_factory=Tally)
    routes: Counter[str] = field(default_factory=Counter)
    lifted: int = 0
    failing: Failing | None = None

    def metrics(self) -> dict[str, Any]:
        """Return the counts as ``metrics/scrape.json`` has them."""
        failure = self.failing.failure if self.failing else None
        return {**self.tally.metrics(), "routes": dict(self.routes), "failure": failure}


class Account:
    """Take down what came of each candidate, in the order of the searches.

    Args:
        classes: The labels that must have pictures.
        searches: All searches, in order.

    Attributes:
        total: All candidates.
        parts: The counts by class, source and host, in the order of the classes.
        searches: The counts by search, in their order.
    """

    def __init__(self, classes: Sequence[str], searches: Sequence[Search]) -> None:
        self.total = Tally()
        self.parts: dict[tuple[str, str, str], Tally] = {}
        self.searches = {search.name: SearchTally(search) for search in searches}
        self._classes = tuple(classes)
        self._labels: dict[bytes, str | None] = {}

    def add(self, search: Search, sighting: Sighting) -> bool:
        """Count a sighting; return whether it is the first of its picture."""
        candidate, picture = sighting.candidate, sighting.picture
        is_new = False
        if picture is not None:
            key = bytes.fromhex(picture.id)
            is_new = key not in self._labels
            if self._labels.setdefault(key, candidate.label) != candidate.label:
                self._labels[key] = None  # which of them is right is for people to say
        of_search = self.searches[search.name]
        part = self.parts.setdefault((candidate.label, sighting.source, _host(candidate)), Tally())
        for tally in (self.total, part, of_search.tally):
            tally.add(sighting, is_new=is_new)
        if candidate.route is not None:
            of_search.routes[candidate.route] += 1
        of_search.lifted += candidate.image_url is not None and candidate.thumbnail_url is not None
        return is_new

    def fail(self, failing: Iterable[Failing]) -> None:
        """Take down which searches failed."""
        for failed in failing:
            self.searches[failed.search.name].failing = failed

    def label(self, picture_id: str) -> str | None:
        """Return the class of a picture, or ``None`` where its sightings disagree."""
        return self._labels[bytes.fromhex(picture_id)]

    @property
    def pictures(self) -> int:
        """How many different pictures there are."""
        return len(self._labels)

    @property
    def conflicts(self) -> int:
        """How many of them were found for more than one class."""
        return sum(label is None for label in self._labels.values())

    @property
    def failing(self) -> list[Failing]:
        """The searches that failed, in order."""
        return [of_search.failing for of_search in self.searches.values() if of_search.failing]

    def advice(self) -> dict[str, str]:
        """Return what a person may do, once for each way in which searches failed."""
        told: dict[str, str] = {}
        for failing in self.failing:
            if failing.advice is not None:
                told.setdefault(failing.failure, failing.advice)
        return told

    @property
    def fruitless(self) -> list[str]:
        """The classes for which nothing was fetched."""
        fetched = {label for (label, _, _), tally in self.parts.items() if tally.fetched}
        return [label for label in self._classes if label not in fetched]

    def of_class(self, label: str) -> Tally:
        """Return the counts of a class."""
        told = Tally()
        for (of, _, _), part in self.parts.items():
            if of == label:
                told.merge(part)
        return told

    def __str__(self) -> str:
        refused = ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.total.refused.items()))
        small = self.total.thumbnails
        return (
            f"{self.pictures:,} pictures from {self.total.candidates:,} candidates; {self.total.duplicates:,} seen "
            f"before, {self.total.refused.total():,} refused{f' ({refused})' if refused else ''}"
            f"{f', {small:,} only as thumbnails' if small else ''}"
        )

    def by_host(self) -> dict[tuple[str, str, str], Tally]:
        """Return the counts by class, source and host; hosts with few candidates together as :data:`OTHERS`."""
        hosts: dict[tuple[str, str], dict[str, Tally]] = {}
        for (label, source, host), tally in self.parts.items():
            hosts.setdefault((label, source), {})[host] = tally
        told: dict[tuple[str, str, str], Tally] = {}
        for (label, source), tallies in hosts.items():
            ranked = sorted(tallies, key=lambda host: (-tallies[host].candidates, host))
            for host in ranked[:_HOSTS]:
                told[label, source, host] = tallies[host]
            for host in ranked[_HOSTS:]:
                told.setdefault((label, source, OTHERS), Tally()).merge(tallies[host])
        return told

    def metrics(self) -> dict[str, Any]:
        """Return what ``metrics/scrape.json`` holds."""
        per_class: dict[str, dict[str, dict[str, Any]]] = {}
        for (label, source, host), tally in self.by_host().items():
            per_class.setdefault(label, {}).setdefault(source, {})[host] = tally.metrics()
        per_query: dict[str, dict[str, dict[str, Any]]] = {}
        for of_search in self.searches.values():
            query = of_search.search.query
            of_source = per_query.setdefault(query.label, {}).setdefault(of_search.search.source.name, {})
            of_source[query.text or query.label] = of_search.metrics()
        return {
            "pictures": self.pictures,
            "conflicts": self.conflicts,
            **self.total.metrics(),
            "per_class": per_class,
            "per_query": per_query,
        }


def _host(candidate: Candidate) -> str:
    """Return the host that a picture came from; for one that its page carries within itself, the page's."""
    for url in (candidate.image_url, candidate.page_url):
        if url is not None and url.startswith(("http://", "https://")):
            return _hostname(url)
    return LOCAL


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # a stranger's address may be any text
        return ""
