"""The outcome of all candidates: counts by class, source, query and host, and examples of each class and refusal."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pixmill.core.params import ScrapeParams
from pixmill.scrape.candidate import Candidate, Sighting
from pixmill.scrape.collection.searches import FailedSearch, Search
from pixmill.scrape.image_store import StoredImage
from pixmill.scrape.quota import Quota
from pixmill.scrape.sources.detail import NO_DETAIL
from pixmill.scrape.sources.site import SiteSource

LOCAL = "local"
"""Stands for the host where images come from this machine."""

OTHERS = "others"
"""Stands for the hosts that are not listed one by one."""

_HOSTS = 50
"""Hosts of a class and a source that are listed, those with the most candidates: engines lead to hundreds."""

_EXAMPLES = 7
_REFUSED_EXAMPLES = 3

_ENOUGH = 0.9
"""The share of what was to be expected below which a search or a class is short: sites count duplicates, too."""

_DOUBT = 10
"""Images of a search below which nothing is concluded of its thumbnails."""


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
        lifted: How many candidates have the address of an original and of a smaller copy.
        small: How many images of the results page look like thumbnails.
        limit: The most candidates that it may bring; ``None`` for no limit.
        total: How many results there are, as the site says; 0 where it does not.
        licensed: How many candidates have a licence.
        cut: Whether its class had enough images, so that it was not read to its end.
        failed: What it failed of; ``None`` where it did not.
    """

    search: Search
    counts: Counts = field(default_factory=Counts)
    routes: Counter[str] = field(default_factory=Counter)
    lifted: int = 0
    small: int = 0
    limit: int | None = None
    total: int = 0
    licensed: int = 0
    cut: bool = False
    failed: FailedSearch | None = None

    @property
    def wanted(self) -> int | None:
        """How many candidates a site owes, if clearly fewer came: what it says it has, up to ``scrape.per_query``."""
        wanted = min((number for number in (self.limit, self.total) if number), default=0)
        came, source = self.counts.candidates, self.search.source
        if source.kind != "pages" or self.failed is not None or self.cut or (self._ends_by_mark and not self.total):
            return None
        return wanted if 0 < came < _ENOUGH * wanted else None

    @property
    def _ends_by_mark(self) -> bool:
        """Whether a search would have failed without a mark that says that these are all."""
        source = self.search.source
        return isinstance(source, SiteSource) and bool(source.site.end) and not source.site.paged

    @property
    def has_unknown_end(self) -> bool:
        """Whether a site was read until nothing more came, though neither a mark nor a number says that it was all."""
        if not isinstance(self.search.source, SiteSource) or self._ends_by_mark or self.total or self.cut:
            return False
        return self.limit is None or self.counts.candidates < self.limit

    def shortfall(self) -> str | None:
        """Return a sentence where a site that did not fail brought clearly fewer candidates than it owes."""
        if self.wanted is None:
            return None
        source, came = self.search.source, self.counts.candidates
        asks = "the site says it has" if self.wanted == self.total else "scrape.per_query allows"
        fix = ""
        if isinstance(source, SiteSource):
            fix = (
                f"; if the site shows more, correct 'next', 'more' or 'offset' in sites/{source.site.name}.yaml and "
                f"change scrape.snapshot{self._probe()}"
            )
        return f"{self.search}: ended after {came:,} of the {self.wanted:,} results that {asks}{fix}"

    def remark(self) -> str | None:
        """Return a sentence where the images are mostly thumbnails, or probably so: pages change without failing."""
        source, counts = self.search.source, self.counts
        site = source.site if isinstance(source, SiteSource) else None
        dropped = counts.refused["only_thumbnail"]
        images = counts.fetched + dropped
        missed = {route: count for route, count in self.routes.items() if route.startswith(NO_DETAIL)}
        if missed:
            unvisited = missed.pop(f"{NO_DETAIL} (not visited)", 0)
            reasons = ", ".join(f"{route[len(NO_DETAIL) + 2 : -1]} {count:,}" for route, count in missed.items())
            remark = (
                f"{sum(missed.values()):,} of {counts.candidates:,} product pages gave no image for 'detail' "
                f"({reasons}){f' and {unvisited:,} were not visited' if unvisited else ''}, so the results page's "
                "smaller one counts as a thumbnail"
            )
        elif images < _DOUBT:
            return None
        elif site is not None and site.rewrite and not self.lifted:
            remark = (
                f"the rewrite rules of {site.name}.yaml matched none of {images:,} image URLs, so they "
                "may be thumbnails"
            )
        elif site is not None and 2 * self.small > images:
            remark = (
                f"{self.small:,} of {images:,} images are thumbnails{' and were left out' if dropped else ''}: they "
                "are small, or smaller than the results page says; to take larger ones from srcset or from product "
                f"pages, set 'addresses: [srcset, src]' or 'detail' in sites/{site.name}.yaml"
            )
        elif 2 * counts.thumbnails > counts.fetched:
            remark = (
                f"{counts.thumbnails:,} of {counts.fetched:,} images are thumbnails, because their originals "
                "were refused (to drop them: scrape.thumbnails: false)"
            )
        else:
            return None
        return f"{self.search}: {remark}{self._probe() if site else ''}"

    def _probe(self) -> str:
        query = shlex.quote(self.search.query.text or "")
        return f"; check it with: pixmill scrape --probe {self.search.source.name} {query}"


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
        self._licences = None if params is None else params.licences
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
        of_search.lifted += None not in (urls := (candidate.image_url, candidate.thumbnail_url)) and len(set(urls)) == 2
        of_search.licensed += candidate.licence is not None
        of_search.total = max(of_search.total, candidate.total or 0)
        quota = self._quotas[search.query.label]
        quota.add(image)
        of_search.cut = quota.is_full
        of_search.small += sighting.refused is not None and sighting.refused.reason == "only_thumbnail"
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

    def remarks(self) -> list[str]:
        """Return a sentence for each search or class that is short, for thumbnails, and hosts that are not public."""
        hosts = [f"{count:,} images refused: {said}" for said, count in self.not_public.most_common(_EXAMPLES)]
        of_searches = [said for one in self.searches.values() for said in (one.shortfall(), one.remark()) if said]
        return [*hosts, *of_searches, *self._short_classes(), *self._without_licences()]

    def _without_licences(self) -> Iterator[str]:
        """Yield a sentence where a wiki reports no licence at all."""
        of_wiki = [one for one in self.searches.values() if one.search.source.name == "wikimedia"]
        came = sum(one.counts.candidates for one in of_wiki)
        if came and not any(one.licensed for one in of_wiki):
            so = ", so scrape.licences refuses them all" if self._licences else ""
            yield (
                f"the wiki reports no licence for any of {came:,} files{so}: it lacks the extension CommonsMetadata, "
                "or their pages name no licence; once it reports them, change scrape.snapshot to ask it again"
            )

    def _short_classes(self) -> Iterator[str]:
        """Yield a sentence for each class that stayed below ``scrape.per_class`` though no search of it failed."""
        for label, quota in self._quotas.items():
            of_class = [one for one in self.searches.values() if one.search.query.label == label]
            explained = any(one.failed or one.wanted or one.search.source.kind in ("list", "local") for one in of_class)
            if self._per_class is not None and not explained and quota.missing > (1 - _ENOUGH) * self._per_class:
                yield (
                    f"{label}: {self._per_class - int(quota.missing):,} images, where scrape.per_class allows "
                    f"{self._per_class:,}: for more, add queries or sources"
                )

    @property
    def empty_classes(self) -> list[str]:
        """The classes for which nothing was fetched."""
        return [label for label in self._classes if not self.examples.get(label)]

    def __str__(self) -> str:
        refused = ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.total.refused.items()))
        small = self.total.thumbnails
        return (
            f"{self.images:,} images from {self.total.candidates:,} candidates; {self.total.duplicates:,} "
            f"duplicates, {self.total.refused.total():,} refused{f' ({refused})' if refused else ''}"
            f"{f', {small:,} as thumbnails' if small else ''}"
        )

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
