"""Run a scrape: from the params to images, tables and counts."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from pixmill.core.cells import Task
from pixmill.core.errors import ScrapeError
from pixmill.core.files.writing import remove_temporary
from pixmill.core.manifest import SCRAPED, TEXT, sightings_schema, table_writer
from pixmill.core.params import ScrapeParams
from pixmill.core.process.progress import track
from pixmill.fetch import Network, Refused
from pixmill.scrape.candidate import EVERY, Candidate, Quota, Repetition, Sighting, StoredImage
from pixmill.scrape.collection.access import NO_ACCESS, open_access
from pixmill.scrape.collection.collector import Collector, Judge
from pixmill.scrape.collection.crawl import Crawl
from pixmill.scrape.collection.labelling import LABELLINGS, Labelling
from pixmill.scrape.collection.searches import FailedSearch, Search, plan_searches
from pixmill.scrape.collection.tally import ScrapeTally, failures, remarks
from pixmill.scrape.journal import ImageStore, Journal, hold_journal
from pixmill.scrape.sources import LocalSource, SearchError, is_local
from pixmill.scrape.sources.folder import FOLDERS, UNLABELLED, FolderSource
from pixmill.scrape.sources.source_list import open_sources

_COMMON_FIELDS = ("label", "query", "page_url", "licence", "author", "given_split")
"""Fields of a candidate that are columns of both tables."""

_SIGHTING_FIELDS = (*_COMMON_FIELDS, "rank", "title", "price", "width", "height", "route")
_ROW_GROUP_SIZE = 8192
"""Rows of the sightings table that are written together."""


@dataclass
class Harvest:
    """Iterate over the sightings of all searches, and copy their images into the output.

    Fetched images come from the journal; local files are read here.

    Args:
        searches: Searches in priority order: an image found twice keeps the metadata of the first.
        journal: Stored results and images.
        judge: Decides the outcome of each candidate.
        output: Target folder of the images.
        params: Parameters of the scrape.
        labelling: How images are labelled.
        failed: Failed searches of local files and lists; complete after the iteration.
        repeated: Searches that ended since their images repeat; complete after the iteration.
    """

    searches: Sequence[Search]
    journal: Journal
    judge: Judge
    output: ImageStore
    params: ScrapeParams
    labelling: Labelling = LABELLINGS["one_label"]
    failed: list[FailedSearch] = field(default_factory=list)
    repeated: list[Search] = field(default_factory=list)

    def __iter__(self) -> Iterator[tuple[Search, Sighting]]:
        """Yield each search and sighting."""
        for label, searches in groupby(self.searches, key=lambda search: search.query.label):
            quota = Quota(None if label == EVERY else self.params.per_class)
            for search, sighting in track(
                self._of_class(searches), f"Gather {label}", unit="candidate"
            ):
                yield search, sighting
                quota.add(sighting.image)
                if quota.is_full:
                    break

    def read_unlabelled(self, source: FolderSource, folder: Path) -> Iterator[Sighting]:
        """Yield a sighting for each unlabelled image of a folder, whatever the limits."""
        for candidate in track(
            source.search_unlabelled(folder), "Gather unlabelled", unit="candidate"
        ):
            yield self._read(source, candidate)

    def _of_class(self, searches: Iterator[Search]) -> Iterator[tuple[Search, Sighting]]:
        for search in searches:
            repetition = Repetition()
            is_finite = search.source.kind in ("local", "list")
            try:
                for candidate in islice(self._candidates(search), self.params.per_query):
                    sighting = self._sighting(search, candidate)
                    label = self.labelling.text(candidate.label or search.query.label)
                    if label != candidate.label:
                        sighting = replace(sighting, candidate=replace(candidate, label=label))
                    yield search, sighting
                    if not is_finite:
                        repetition.add(sighting.image)
                    if repetition.is_over:
                        self.repeated.append(search)
                        break
            except SearchError as error:
                self.failed.append(FailedSearch.of(search, error))

    def _candidates(self, search: Search) -> Iterator[Candidate]:
        if search.source.kind in ("local", "list"):
            return search.source.search(search.query, NO_ACCESS)
        results = self.journal.results(search.name)
        return iter(results.candidates if results else ())

    def _sighting(self, search: Search, candidate: Candidate) -> Sighting:
        if is_local(search.source):
            return self._read(search.source, candidate)
        sighting = self.judge.sighting(search, candidate)
        if sighting.image is not None:
            self.output.copy(sighting.image, self.journal.images)
        return sighting

    def _read(self, source: LocalSource, candidate: Candidate) -> Sighting:
        refused = self.judge.refused(candidate)
        received = refused or source.read(
            candidate.image_url or "", max_bytes=self.params.max_bytes
        )
        if isinstance(received, Refused):
            return Sighting(source.name, candidate, None, received)
        # Files that are not images are stored too; validate reports them.
        image = self.judge.exclude(StoredImage.of(received.content))
        if not isinstance(image, StoredImage):
            return Sighting(source.name, candidate, None, image)
        self.output.add(image, received.content)
        return Sighting(source.name, candidate, image)


def manifest_frame(rows: list[tuple[Any, ...]], label: Callable[[str], str | None]) -> pd.DataFrame:
    """Return the manifest, sorted by id.

    Args:
        rows: Row of each image, by :func:`manifest_row`; sorted in place.
        label: Returns the label of an id; ``None`` if its sightings have none or disagree.
    """
    rows.sort(key=lambda row: row[0])
    columns = {
        field.name: pa.array((row[place] for row in rows), field.type)
        for place, field in enumerate(SCRAPED)
    }
    columns["label"] = pa.array((label(row[0]) for row in rows), pa.string())
    frame: pd.DataFrame = pa.table(columns, SCRAPED).to_pandas(types_mapper={pa.string(): TEXT}.get)
    return frame


def sighting_row(sighting: Sighting) -> dict[str, Any]:
    """Return a row of :data:`pixmill.core.manifest.SIGHTINGS`."""
    candidate = sighting.candidate
    return {
        **{name: getattr(candidate, name) for name in _SIGHTING_FIELDS},
        "id": sighting.image.id if sighting.image else None,
        "source": sighting.source,
        "image_url": _without_data(candidate.image_url),
        "thumbnail_url": _without_data(candidate.thumbnail_url),
        "thumbnail": sighting.thumbnail,
        "reason": sighting.refused.reason if sighting.refused else None,
    }


def manifest_row(sighting: Sighting, snapshot: str) -> tuple[Any, ...]:
    """Return a row of :data:`pixmill.core.manifest.SCRAPED`, as a tuple to save memory.

    Args:
        sighting: First sighting of the image.
        snapshot: Value of ``scrape.snapshot``.
    """
    candidate = sighting.candidate
    image = sighting.image
    if image is None:
        raise ValueError(f"expected an image, received {sighting}")
    row = {
        **{name: getattr(candidate, name) for name in _COMMON_FIELDS},
        "id": image.id,
        "path": f"images/{image.name}",
        "bytes": image.size,
        "format": image.format,
        "source": sighting.source,
        "image_url": _without_data(
            candidate.thumbnail_url if sighting.thumbnail else candidate.image_url
        ),
        "snapshot": snapshot,
    }
    return tuple(row[name] for name in SCRAPED.names)


def _without_data(url: str | None) -> str | None:
    """Return a URL, or ``None`` for a ``data:`` URI."""
    return None if url is None or url[:5].lower() == "data:" else url


@dataclass(frozen=True)
class ScrapeResult:
    """The result of a scrape whose images and sightings are in the output folder.

    Args:
        manifest: A row for each image, by :data:`pixmill.core.manifest.SCRAPED`.
        tally: Counts of the candidates.
        remarks: Notes for the user, one sentence each.
        params: Parameters of the scrape.
    """

    manifest: pd.DataFrame
    tally: ScrapeTally
    remarks: list[str]
    params: ScrapeParams

    def check(self) -> None:
        """Check the failures.

        Raises:
            ScrapeError: More searches failed than ``scrape.tolerate`` allows, or a class has no
                images; the message has a line for each.
        """
        if self._is_enough():
            return
        raise ScrapeError(
            "\n".join(failures(self.tally)),
            next="open reports/scrape.html, fix the source or the scrape section of params.yaml, "
            "then: dvc repro scrape (images found so far are kept)",
        )

    def tolerated_failures(self) -> list[str]:
        """Return a line for each failed search that ``scrape.tolerate`` allows."""
        if not self.tally.failed or not self._is_enough():
            return []
        lines = [f"tolerated: {failed}" for failed in self.tally.failed]
        return [*lines, "to retry only the failed queries: dvc repro -f scrape"]

    def _is_enough(self) -> bool:
        tally = self.tally
        return not tally.empty_classes and len(tally.failed) <= self.params.tolerate * len(
            tally.searches
        )


def scrape(
    classes: Sequence[str],
    params: ScrapeParams,
    *,
    root: Path,
    output: Path,
    scratch: Path,
    network: Network | None = None,
    unlabelled: str | None = None,
    task: Task = "one_label",
) -> ScrapeResult:
    """Find and fetch images of the classes, and read the unlabelled images in ``data/``.

    Results and images in the journal are reused: with the same params and a finished journal, no
    browser starts. The result depends on the sources' results, not on the order in which they
    arrive.

    Args:
        classes: Labels in priority order: an image found twice keeps the metadata of the first.
        params: Sources, limits and politeness settings.
        root: Folder of the project, with local images in ``data/`` and site descriptions in
            ``sites/``.
        output: Folder of the stage; ``images/`` will hold exactly the images of the manifest, and
            ``sightings.parquet`` all candidates, by :data:`pixmill.core.manifest.SIGHTINGS`.
        scratch: Scratch folder of the stage.
        network: Reachable hosts in addition to the public internet.
        unlabelled: ``evaluate.unlabelled``; default: ``data/unlabelled``.
        task: Whether an image has one label.

    Raises:
        BrowserError: No usable browser was found.
        DataError: Files of a local source are missing.
        ScrapeError: The description of a site is invalid.
    """
    images = ImageStore(output / "images")
    data = root / "data"
    pile = root / (unlabelled or UNLABELLED)
    remove_temporary(output)
    names = dict.fromkeys(name for label in classes for name in params.sources_of(label))
    with (
        open_sources(names, classes, params, root=root, task=task) as opened,
        hold_journal(params, scratch) as journal,
    ):
        shutil.rmtree(scratch / "browser", ignore_errors=True)  # profiles of killed runs
        # The others get images by decisions; their folders are read as those of undeclared classes.
        classes = [label for label in classes if params.sources_of(label)]
        place = pile.relative_to(data).as_posix()
        searches = plan_searches(classes, params, opened.sources, unlabelled=place)
        judge = Judge(journal, params)

        async def crawl() -> list[FailedSearch]:
            opening = open_access(
                params, served=opened.served, network=network, scratch=scratch, journal=journal
            )
            async with opening as (fetcher, access):
                collector = Collector(fetcher, journal, judge, connections=params.connections)
                return await Crawl(access, journal, collector, params).run(remote)

        remote = [search for search in searches if not is_local(search.source)]
        failed = asyncio.run(crawl()) if remote else []
        labelling = LABELLINGS[task]
        harvest = Harvest(searches, journal, judge, images, params, labelling)
        tally = ScrapeTally(classes, searches, params, labelling)
        # Last, so that an image that has a label elsewhere keeps it.
        files = harvest.read_unlabelled(FOLDERS[task](data), pile) if pile.is_dir() else ()
        seen = chain(
            ((sighting, tally.add(search, sighting)) for search, sighting in harvest),
            ((sighting, tally.add_unlabelled(sighting)) for sighting in files),
        )
        rows: list[tuple[Any, ...]] = []
        schema = sightings_schema(has_unlabelled=pile.is_dir())
        with table_writer(output / "sightings.parquet", schema) as write:
            while batch := list(islice(seen, _ROW_GROUP_SIZE)):
                rows += [manifest_row(each, params.snapshot) for each, is_new in batch if is_new]
                write([sighting_row(sighting) for sighting, _ in batch])
        tally.fail([*failed, *harvest.failed])
        tally.repeat(harvest.repeated)
        frame = manifest_frame(rows, tally.label)
        images.prune(frame["path"].str.removeprefix("images/"))
        return ScrapeResult(frame, tally, [*opened.remarks(), *remarks(tally)], params)
