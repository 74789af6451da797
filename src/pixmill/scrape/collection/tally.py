"""The outcome of all candidates: counts by class, source, query and host, and examples of each class and refusal."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pixmill.core.params import ScrapeParams
from pixmill.scrape.candidate import Candidate, Sighting
from pixmill.scrape.collection.searches import FailedSearch, Search
from pixmill.scrape.image_store import StoredImage
from pixmill.scrape.quota import Quota

LOCAL = "local"
"""Stands for the host where images come from this machine."""

OTHERS = "others"
"""Stands for the hosts that are not listed one by one."""

_HOSTS = 50
"""Hosts of a class and a source that are listed, those with the most candidates: engines lead to hundreds."""

_EXAMPLES = 7
_REFUSED_EXAMPLES = 3

_ENOUGH = 0.9
"""The share of what a site says it has below which a search is short: sites count duplicates, too."""


@dataclass
class Counts:
    """Count what came of some candidates.

    ``candidates`` is the sum of ``fetched`` and all of ``refused``; ``duplicates`` are those fetched whose image an
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
        if sighting.image is None:
            self.refused[sighting.refused.reason if sighting.refused else ""] += 1
        else:
            self.fetched += 1
            self.duplicates += not is_new
            self.thumbnails += sighting.thumbnail

    def merge(self, other: Counts) -> None:
        """Add the counts of another."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def metrics(self) -> dict[str, Any]:
        """Return the counts as ``plots/scrape/full.json`` has them."""
        return vars(self) | {"refused": dict(self.refused)}


@dataclass
class SearchTally:
    """Count what came of one search.

    Args:
        search: The search.
        counts: What came of its candidates.
        routes: How many originals its source gave away by each route.
        limit: The most candidates that it may bring; ``None`` for no limit.
        total: How many results there are, as the site says; 0 where it does not.
        cut: Whether its class had enough images, so that it was not read to its end.
        failed: What it failed of; ``None`` where it did not.
    """

    search: Search
    counts: Counts = field(default_factory=Counts)
    routes: Counter[str] = field(default_factory=Counter)
    limit: int | None = None
    total: int = 0
    cut: bool = False
    failed: FailedSearch | None = None

    @property
    def wanted(self) -> int | None:
        """How many candidates a site owes, if clearly fewer came: what it says it has, up to ``scrape.per_query``."""
        if self.failed or self.cut:
            return None
        wanted = min(self.total, self.limit or self.total)
        return wanted if 0 < self.counts.candidates < _ENOUGH * wanted else None


class ScrapeTally:
    """Count what came of each candidate, in the order of the searches.

    Args:
        classes: The labels that must have images.
        searches: All searches, in order.
        params: The limits of classes and queries; default: none.

    Attributes:
        total: All candidates.
        parts: The counts by class, source and host, in the order of the classes.
        searches: The counts by search, in their order.
        examples: The first different images of each class, each with the candidate that showed it first.
        refused: How many originals were refused for each reason, also where a thumbnail took their place.
        refused_examples: The first addresses that were refused, by reason.
        not_public: How many images each host that is not public kept back, by what is said of it.
    """

    def __init__(self, classes: Sequence[str], searches: Sequence[Search], params: ScrapeParams | None = None) -> None:
        self.total = Counts()
        self.parts: defaultdict[tuple[str, str, str], Counts] = defaultdict(Counts)
        self._per_class = None if params is None else params.per_class
        limit = None if params is None else params.per_query
        self.searches = {search.name: SearchTally(search, limit=limit) for search in searches}
        self.examples: defaultdict[str, dict[StoredImage, Candidate]] = defaultdict(dict)
        self.refused: Counter[str] = Counter()
        self.refused_examples: defaultdict[str, list[str]] = defaultdict(list)
        self.not_public: Counter[str] = Counter()
        self._classes = tuple(classes)
        self._labels: dict[bytes, str | None] = {}
        self._quotas: defaultdict[str, Quota] = defaultdict(lambda: Quota(self._per_class))

    def add(self, search: Search, sighting: Sighting) -> bool:
        """Count a sighting; return whether it is the first of its image."""
        candidate, image = sighting.candidate, sighting.image
        is_new = False
        if image is not None:
            key = bytes.fromhex(image.id)
            is_new = key not in self._labels
            if self._labels.setdefault(key, candidate.label) != candidate.label:
                self._labels[key] = None  # which of them is right is for people to say
            examples = self.examples[candidate.label]
            if len(examples) < _EXAMPLES:
                examples.setdefault(image, candidate)
        if sighting.refused is not None:
            reason = sighting.refused.reason
            self.refused[reason] += 1
            if reason == "private_address":
                self.not_public[sighting.refused.detail] += 1
            if len(self.refused_examples[reason]) < _REFUSED_EXAMPLES:
                self.refused_examples[reason].append(_address(candidate))
        of_search = self.searches[search.name]
        part = self.parts[candidate.label, sighting.source, _host(candidate)]
        for counts in (self.total, part, of_search.counts):
            counts.add(sighting, is_new=is_new)
        if candidate.route is not None:
            of_search.routes[candidate.route] += 1
        of_search.total = max(of_search.total, candidate.total or 0)
        quota = self._quotas[search.query.label]
        quota.add(image)
        of_search.cut = quota.is_full
        return is_new

    def fail(self, searches: Iterable[FailedSearch]) -> None:
        """Take down which searches failed."""
        for failed in searches:
            self.searches[failed.search.name].failed = failed

    def label(self, image_id: str) -> str | None:
        """Return the class of an image, or ``None`` where its sightings disagree."""
        return self._labels[bytes.fromhex(image_id)]

    @property
    def images(self) -> int:
        """How many different images there are."""
        return len(self._labels)

    @property
    def conflicts(self) -> int:
        """How many of them were found for more than one class."""
        return sum(label is None for label in self._labels.values())

    @property
    def failed(self) -> list[FailedSearch]:
        """The searches that failed, in order."""
        return [of_search.failed for of_search in self.searches.values() if of_search.failed]

    def advice(self) -> dict[str, str]:
        """Return what a person may do, once for each way in which searches failed."""
        return {failed.failure: failed.advice for failed in reversed(self.failed) if failed.advice is not None}

    @property
    def empty_classes(self) -> list[str]:
        """The classes for which nothing was fetched."""
        return [label for label in self._classes if not self.examples.get(label)]

    def by_host(self) -> dict[tuple[str, str, str], Counts]:
        """Return the counts by class, source and host; hosts with few candidates together as :data:`OTHERS`."""
        ranks: defaultdict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
        for (label, source, host), counts in self.parts.items():
            ranks[label, source].append((-counts.candidates, host))
        merged: defaultdict[tuple[str, str, str], Counts] = defaultdict(Counts)
        for (label, source), ranked in ranks.items():
            for rank, (_, host) in enumerate(sorted(ranked)):
                merged[label, source, host if rank < _HOSTS else OTHERS].merge(self.parts[label, source, host])
        return merged

    def headline(self) -> dict[str, int]:
        """Return what ``metrics/scrape.json`` holds."""
        total = self.total
        counts = {"candidates": total.candidates, "fetched": total.fetched, "refused": total.refused.total()}
        return {"images": self.images, **counts}

    def metrics(self) -> dict[str, Any]:
        """Return what ``plots/scrape/full.json`` holds."""
        per_class: defaultdict[str, defaultdict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
        for (label, source, host), counts in self.by_host().items():
            per_class[label][source][host] = counts.metrics()
        per_query: defaultdict[str, defaultdict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
        for of_search in self.searches.values():
            query, source = of_search.search.query, of_search.search.source.name
            per_query[query.label][source][query.text or query.label] = of_search.counts.metrics() | {
                "routes": dict(of_search.routes),
                "failure": of_search.failed.failure if of_search.failed else None,
            }
        return {
            "images": self.images,
            "conflicts": self.conflicts,
            **self.total.metrics(),
            "per_class": per_class,
            "per_query": per_query,
        }


def _address(candidate: Candidate) -> str:
    url = candidate.image_url
    if url is None or url[:5].lower() == "data:":
        return f"inlined in {candidate.page_url}" if url else f"on {candidate.page_url}"
    return url


def _host(candidate: Candidate) -> str:
    """Return the host that an image came from; for one that its page carries within itself, the page's."""
    for url in (candidate.image_url, candidate.page_url):
        if url is not None and url.startswith(("http://", "https://")):
            try:
                return urlsplit(url).hostname or ""
            except ValueError:  # a stranger's address may be any text
                return ""
    return LOCAL
