"""All sightings in their order, from the journal or from this machine, and the two tables that they become."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any

import pandas as pd
import pyarrow as pa

from pixmill.core.manifest import SCRAPED, TEXT
from pixmill.core.params import ScrapeParams
from pixmill.core.process.progress import track
from pixmill.scrape.candidate import Candidate, Sighting
from pixmill.scrape.collection.access import NOWHERE
from pixmill.scrape.collection.judge import Judge
from pixmill.scrape.collection.searches import FailedSearch, Search
from pixmill.scrape.image_store import ImageStore, StoredImage
from pixmill.scrape.journal import Journal
from pixmill.scrape.quota import Quota
from pixmill.scrape.sources import LocalSource, SearchError, is_local
from pixmill.web.fetch import Refused


class Harvest:
    """Go through the sightings of all searches; none of them is held longer than it is looked at.

    What is on this machine is read here, straight into the output; what was fetched is copied there.

    Args:
        searches: In the order that decides which sighting of an image is its first.
        journal: What the searches of the web were answered, and their images.
        judge: Knows what came of each candidate.
        output: Where all images shall lie.
        params: The limits: different images of a class, candidates of a search, bytes of a file.
    """

    def __init__(
        self, searches: Sequence[Search], journal: Journal, judge: Judge, output: ImageStore, params: ScrapeParams
    ) -> None:
        self._searches = searches
        self._journal = journal
        self._judge = judge
        self._output = output
        self._params = params
        self.failed: list[FailedSearch] = []
        """The searches of this machine's files and lists that failed."""

    def __iter__(self) -> Iterator[tuple[Search, Sighting]]:
        """Yield each sighting with its search; ``failed`` is complete at the end."""
        for label, searches in groupby(self._searches, key=lambda search: search.query.label):
            quota = Quota(self._params.per_class)
            for search, sighting in track(self._of_class(searches), f"Gather {label}", unit="candidate"):
                yield search, sighting
                quota.add(sighting.image)
                if quota.is_full:
                    break

    def _of_class(self, searches: Iterator[Search]) -> Iterator[tuple[Search, Sighting]]:
        for search in searches:
            try:
                for candidate in islice(self._candidates(search), self._params.per_query):
                    yield search, self._sighting(search, candidate)
            except SearchError as error:
                self.failed.append(FailedSearch.of(search, error))

    def _candidates(self, search: Search) -> Iterator[Candidate]:
        if search.source.kind in ("local", "list"):
            return search.source.search(search.query, NOWHERE)
        answers = self._journal.answers(search.name)
        return iter(answers.candidates if answers else ())

    def _sighting(self, search: Search, candidate: Candidate) -> Sighting:
        if is_local(search.source):
            return self._read(search.source, candidate)
        sighting = self._judge.sighting(search, candidate)
        if sighting.image is not None:
            self._output.copy(sighting.image, self._journal.images)
        return sighting

    def _read(self, source: LocalSource, candidate: Candidate) -> Sighting:
        refused = self._judge.refused_licence(candidate)
        received = refused or source.read(candidate.image_url or "", max_bytes=self._params.max_bytes)
        if isinstance(received, Refused):
            return Sighting(source.name, candidate, None, received)
        # Every file that people brought is taken as it is, so that validate can name what is wrong with it.
        image = StoredImage.of(received.content)
        self._output.add(image, received.content)
        return Sighting(source.name, candidate, image)


def manifest_frame(rows: list[tuple[Any, ...]], label: Callable[[str], str | None]) -> pd.DataFrame:
    """Return the manifest, sorted by id.

    Args:
        rows: One an image, by :func:`manifest_row`; sorted in place.
        label: Tells the class of an image by its id; ``None`` where its sightings disagree.
    """
    rows.sort(key=lambda row: row[0])
    columns = {field.name: pa.array((row[place] for row in rows), field.type) for place, field in enumerate(SCRAPED)}
    columns["label"] = pa.array((label(row[0]) for row in rows), pa.string())
    frame: pd.DataFrame = pa.table(columns, SCRAPED).to_pandas(types_mapper={pa.string(): TEXT}.get)
    return frame


_SAME = ("label", "query", "page_url", "licence", "author", "given_split")
"""Columns of both tables that are fields of a candidate."""

_SHOWN = (*_SAME, "rank", "title", "price", "width", "height", "route")


def sighting_row(sighting: Sighting) -> dict[str, Any]:
    """Return a row of :data:`pixmill.core.manifest.SIGHTINGS`: which image a candidate is, or why it was refused."""
    candidate = sighting.candidate
    return {
        **{name: getattr(candidate, name) for name in _SHOWN},
        "id": sighting.image.id if sighting.image else None,
        "source": sighting.source,
        "image_url": _without_data(candidate.image_url),
        "thumbnail_url": _without_data(candidate.thumbnail_url),
        "thumbnail": sighting.thumbnail,
        "reason": sighting.refused.reason if sighting.refused else None,
    }


def manifest_row(sighting: Sighting, snapshot: str) -> tuple[Any, ...]:
    """Return a row of :data:`pixmill.core.manifest.SCRAPED`, with the provenance of an image's first sighting.

    A tuple takes a fraction of a dictionary's memory, and there may be a million of them.

    Args:
        sighting: The first of its image.
        snapshot: The date that the image stands for.
    """
    candidate, image = sighting.candidate, sighting.image
    if image is None:
        raise ValueError(f"expected an image, received {sighting}")
    row = {
        **{name: getattr(candidate, name) for name in _SAME},
        "id": image.id,
        "path": f"images/{image.name}",
        "bytes": image.size,
        "format": image.format,
        "source": sighting.source,
        "image_url": _without_data(candidate.thumbnail_url if sighting.thumbnail else candidate.image_url),
        "snapshot": snapshot,
    }
    return tuple(row[name] for name in SCRAPED.names)


def _without_data(url: str | None) -> str | None:
    """Return an address that names a place; a ``data:`` URI is the image itself, which the manifest has."""
    return None if url is None or url[:5].lower() == "data:" else url
