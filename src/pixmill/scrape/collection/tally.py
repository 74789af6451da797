"""Counts of candidates by class, source, query and host, with examples, and remarks on them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pixmill.core.cells import cells_of, merge_texts
from pixmill.core.params import ScrapeParams
from pixmill.core.words import shell_word
from pixmill.fetch import Refused
from pixmill.scrape.candidate import (
    EVERY,
    MAX_REPEATED,
    Candidate,
    Quota,
    Sighting,
    StoredImage,
)
from pixmill.scrape.collection.labelling import LABELLINGS, Labelling
from pixmill.scrape.collection.searches import FailedSearch, Search

LOCAL = "local"
"""Host of local images."""

OTHERS = "others"
"""Host of images from hosts that are not listed."""

_MAX_HOSTS = 50
"""Hosts listed per class and source, largest first; search engines lead to hundreds."""

_MAX_EXAMPLES = 7
_MAX_REFUSED_EXAMPLES = 3

_MIN_COMPLETE_SHARE = 0.9
"""Share of the stated total below which a search is incomplete; sites count duplicates too."""

_MIN_IMAGES_FOR_REMARK = 10
"""Images of a search below which its share of thumbnails is not reported."""

_MAX_NAMED_HOSTS = 7


@dataclass
class Counts:
    """Outcome counts.

    ``candidates`` is the sum of ``fetched`` and all of ``refused``. ``duplicates`` are fetched
    candidates whose image an earlier candidate brought; ``thumbnails`` are fetched candidates whose
    original was refused.
    """

    candidates: int = 0
    fetched: int = 0
    duplicates: int = 0
    thumbnails: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, sighting: Sighting, *, is_new: bool) -> None:
        """Count a sighting."""
        self.candidates += 1
        if sighting.image is None:
            self.refused[sighting.refused.reason if sighting.refused else ""] += 1
        else:
            self.fetched += 1
            self.duplicates += not is_new
            self.thumbnails += sighting.thumbnail

    def merge(self, other: Counts) -> None:
        """Add other counts."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def metrics(self) -> dict[str, Any]:
        """Return the counts in the form of ``plots/scrape/full.json``."""
        return vars(self) | {"refused": dict(self.refused)}


@dataclass
class SearchTally:
    """Counts of one search.

    Args:
        search: The search.
        counts: Outcomes of its candidates.
        routes: Number of originals by route.
        limit: Maximum number of candidates; ``None`` for no limit.
        total: Number of results according to the site; 0 if it gives none.
        cut: Whether the search ended early because its class was full.
        repeats: Whether it ended because its images repeat.
        failed: The failure, if any.
    """

    search: Search
    counts: Counts = field(default_factory=Counts)
    routes: Counter[str] = field(default_factory=Counter)
    limit: int | None = None
    total: int = 0
    cut: bool = False
    repeats: bool = False
    failed: FailedSearch | None = None

    @property
    def wanted(self) -> int | None:
        """The expected number of candidates, up to ``scrape.per_query``, if clearly fewer came."""
        if self.failed or self.cut or self.repeats:
            return None
        wanted = min(self.total, self.limit or self.total)
        return wanted if 0 < self.counts.candidates < _MIN_COMPLETE_SHARE * wanted else None


class ScrapeTally:
    """Count all candidates, in the order of the searches.

    Args:
        classes: Labels that need images.
        searches: All searches, in order.
        params: Parameters of the scrape.
        labelling: How images are labelled.

    Attributes:
        total: Counts of all candidates.
        parts: Counts by class, source and host, in the order of the classes.
        searches: Counts by search, in order.
        examples: First distinct images of each class, each with its first candidate.
        refused: Refused originals by reason, including those replaced by a thumbnail.
        refused_examples: First refused URLs by reason.
        not_public: Images refused because their host is not public, by message.
        unlabelled: Counts of the unlabelled images, which no other count includes.
    """

    def __init__(
        self,
        classes: Sequence[str],
        searches: Sequence[Search],
        params: ScrapeParams,
        labelling: Labelling = LABELLINGS["one_label"],
    ) -> None:
        self.total = Counts()
        self.parts: defaultdict[tuple[str, str, str], Counts] = defaultdict(Counts)
        self.searches = {
            search.name: SearchTally(search, limit=params.per_query) for search in searches
        }
        self.examples: defaultdict[str, dict[StoredImage, Candidate]] = defaultdict(dict)
        self.refused: Counter[str] = Counter()
        self.refused_examples: defaultdict[str, list[str]] = defaultdict(list)
        self.not_public: Counter[str] = Counter()
        self.unlabelled = Counts()
        self._classes = tuple(classes)
        self.labelling = labelling
        # Few distinct texts, so images share them.
        self._texts: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._labels: dict[bytes, tuple[str, ...]] = {}
        self._known: set[str] = set()
        self._unlabelled: set[bytes] = set()
        self._quotas: defaultdict[str, Quota] = defaultdict(lambda: Quota(params.per_class))

    def add(self, search: Search, sighting: Sighting) -> bool:
        """Count a sighting; return whether its image is new."""
        candidate = sighting.candidate
        text = candidate.label or search.query.label
        cells = cells_of(text)
        labels = [label for label, answer in cells.items() if answer]
        is_new = False
        if sighting.image is not None:
            self._known.update(cells)
            is_new = self._add_image(text, labels, sighting.image, candidate)
        if sighting.refused is not None:
            self._add_refusal(sighting.refused, candidate)
        of_search = self.searches[search.name]
        host = _host(candidate)
        parts = [self.parts[label, sighting.source, host] for label in labels]
        for counts in (self.total, *parts, of_search.counts):
            counts.add(sighting, is_new=is_new)
        if candidate.route is not None:
            of_search.routes[candidate.route] += 1
        of_search.total = max(of_search.total, candidate.total or 0)
        quota = self._quotas[search.query.label]
        quota.add(sighting.image)
        of_search.cut = quota.is_full
        return is_new

    def _add_image(
        self, text: str, labels: Sequence[str], image: StoredImage, candidate: Candidate
    ) -> bool:
        key = bytes.fromhex(image.id)
        texts = self._labels.get(key, ())
        if text not in texts:
            several = (*texts, text)
            self._labels[key] = self._texts.setdefault(several, several)
        for label in labels:
            examples = self.examples[label]
            if len(examples) < _MAX_EXAMPLES:
                examples.setdefault(image, candidate)
        return not texts

    def _add_refusal(self, refused: Refused, candidate: Candidate) -> None:
        self.refused[refused.reason] += 1
        if refused.reason == "private_address":
            self.not_public[refused.detail] += 1
        examples = self.refused_examples[refused.reason]
        if len(examples) < _MAX_REFUSED_EXAMPLES:
            examples.append(_address(candidate))

    def add_unlabelled(self, sighting: Sighting) -> bool:
        """Count a sighting of an unlabelled image; return whether the image is new."""
        is_new = False
        if sighting.image is not None:
            key = bytes.fromhex(sighting.image.id)
            is_new = key not in self._labels and key not in self._unlabelled
            self._unlabelled.add(key)
        self.unlabelled.add(sighting, is_new=is_new)
        return is_new

    def fail(self, searches: Iterable[FailedSearch]) -> None:
        """Record failed searches."""
        for failed in searches:
            self.searches[failed.search.name].failed = failed

    def repeat(self, searches: Iterable[Search]) -> None:
        """Record searches that ended since their images repeat."""
        for search in searches:
            self.searches[search.name].repeats = True

    def label(self, image_id: str) -> str | None:
        """Return the label of an image, or ``None`` if its sightings disagree or it has none."""
        texts = self._labels.get(bytes.fromhex(image_id))
        return None if texts is None else merge_texts(texts)[0]

    def labels(self) -> list[str]:
        """Return all labels, in the order of the searches."""
        names = [each.search.query.label for each in self.searches.values()]
        found = dict.fromkeys([*names, *self._classes, *self.examples])
        return [label for label in found if label != EVERY]

    @property
    def images(self) -> int:
        """The number of distinct images."""
        return len(self._labels)

    @property
    def conflicts(self) -> int:
        """The number of images whose sightings disagree."""
        return sum(merge_texts(texts)[1] for texts in self._labels.values())

    @property
    def failed(self) -> list[FailedSearch]:
        """The failed searches, in order."""
        return [of_search.failed for of_search in self.searches.values() if of_search.failed]

    def advice(self) -> dict[str, str]:
        """Return the advice for each kind of failure."""
        return {
            failed.failure: failed.advice
            for failed in reversed(self.failed)
            if failed.advice is not None
        }

    @property
    def empty_classes(self) -> list[str]:
        """The classes without images, and the labels of which nothing is known."""
        return [label for label in self._classes if label not in self._known]

    def by_host(self) -> dict[tuple[str, str, str], Counts]:
        """Return the counts by class, source and host; minor hosts are merged as :data:`OTHERS`."""
        ranks: defaultdict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
        for (label, source, host), counts in self.parts.items():
            ranks[label, source].append((-counts.candidates, host))
        merged: defaultdict[tuple[str, str, str], Counts] = defaultdict(Counts)
        for (label, source), ranked in ranks.items():
            for rank, (_, host) in enumerate(sorted(ranked)):
                merged[label, source, host if rank < _MAX_HOSTS else OTHERS].merge(
                    self.parts[label, source, host]
                )
        return merged

    def headline(self) -> dict[str, int]:
        """Return the content of ``metrics/scrape.json``."""
        total = self.total
        counts = {
            "candidates": total.candidates,
            "fetched": total.fetched,
            "refused": total.refused.total(),
        }
        return {"images": self.images, **counts}

    def metrics(self) -> dict[str, Any]:
        """Return the content of ``plots/scrape/full.json``."""
        per_class: dict[str, Any] = {}
        for (label, source, host), counts in self.by_host().items():
            of_source = per_class.setdefault(label, {}).setdefault(source, {})
            of_source[host] = counts.metrics()
        per_query: dict[str, Any] = {}
        for each in self.searches.values():
            query = each.search.query
            of_source = per_query.setdefault(query.label, {}).setdefault(
                each.search.source.name, {}
            )
            of_source[query.text or query.label] = each.counts.metrics() | {
                "routes": dict(each.routes),
                "failure": each.failed and each.failed.failure,
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
    """Return the host of an image; for a ``data:`` URI, that of its page."""
    for url in (candidate.image_url, candidate.page_url):
        if url is not None and url.startswith(("http://", "https://")):
            try:
                return urlsplit(url).hostname or ""
            except ValueError:
                return ""
    return LOCAL


def summary(tally: ScrapeTally) -> str:
    """Return the total counts in one line."""
    total = tally.total
    return (
        f"{tally.images:,} images from {total.candidates:,} candidates; {total.duplicates:,} "
        f"duplicates, {_refused(total)}"
        f"{f', {total.thumbnails:,} as thumbnails' if total.thumbnails else ''}"
    )


def _refused(counts: Counts) -> str:
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in sorted(counts.refused.items()))
    return f"{counts.refused.total():,} refused" + (f" ({reasons})" if reasons else "")


def remarks(tally: ScrapeTally) -> Iterator[str]:
    """Yield sentences on unlabelled images, hosts, incomplete searches, and thumbnails."""
    if (unlabelled := tally.unlabelled).candidates:
        yield (
            f"{unlabelled.fetched - unlabelled.duplicates:,} unlabelled images from "
            f"{unlabelled.candidates:,} files, {_refused(unlabelled)}"
        )
    for message, count in tally.not_public.most_common(_MAX_NAMED_HOSTS):
        yield f"{count:,} images refused: {message}"
    for of_search in tally.searches.values():
        counts = of_search.counts
        dropped = counts.refused["only_thumbnail"] + counts.refused["svg"]
        if of_search.repeats:
            yield (
                f"{of_search.search}: the site repeats itself: the last {MAX_REPEATED} of "
                f"{counts.candidates:,} results brought no new image, so the search ended there; "
                "all images found before are kept"
            )
        if of_search.wanted is not None:
            yield (
                f"{of_search.search}: ended after {counts.candidates:,} of the "
                f"{of_search.wanted:,} results that the "
                "site says it has; if it shows more, correct 'next', 'more' or 'offset' in its "
                "file of sites/ (if it is slow, raise settings.patience there), and change "
                "scrape.snapshot"
            )
        small = counts.thumbnails + dropped
        images = counts.fetched + dropped
        if images >= _MIN_IMAGES_FOR_REMARK and 2 * small > images:
            source = of_search.search.source.name
            where = ""
            if source.startswith("site:"):
                where = (
                    ", or the page names them elsewhere. This lists what holds an address: "
                    f"pixmill scrape --probe {source} "
                    f"{shell_word(of_search.search.query.text or '')}. Write the attribute into "
                    f"'addresses' of sites/{source.removeprefix('site:')}.yaml (one of an element "
                    "around the image, as selector@attribute, into 'selectors.image'), or describe "
                    "the image of the product page in 'detail'"
                )
            yield (
                f"{of_search.search}: {small:,} of {images:,} images are thumbnails or drawings"
                f"{' (left out)' if dropped else ''}: the originals were refused{where}"
            )


def failures(tally: ScrapeTally) -> Iterator[str]:
    """Yield a line for each failed search, each class without images, and each piece of advice."""
    yield from map(str, tally.failed)
    named = {failed.search.query.label for failed in tally.failed}
    for label in tally.empty_classes:
        if label not in named:
            refused = sum(
                (counts.refused for (of, _, _), counts in tally.parts.items() if of == label),
                Counter[str](),
            )
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in refused.most_common())
            why = (
                f"all candidates were refused ({reasons})"
                if refused
                else "no candidates were found"
            )
            yield f"{label}: no images, because {why}"
    for failure, advice in tally.advice().items():
        yield f"{failure}: {advice}"
