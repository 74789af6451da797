"""The whole of a scrape: from the params to the images, their tables and their tally."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixmill.core.errors import ScrapeError
from pixmill.core.files.writing import remove_temporary
from pixmill.core.params import ScrapeParams
from pixmill.scrape.collection.access import open_access
from pixmill.scrape.collection.collector import Collector
from pixmill.scrape.collection.crawl import Crawl
from pixmill.scrape.collection.judge import Judge
from pixmill.scrape.collection.remarks import failures, remarks
from pixmill.scrape.collection.searches import FailedSearch, plan_searches
from pixmill.scrape.collection.tally import ScrapeTally
from pixmill.scrape.image_store import ImageStore
from pixmill.scrape.journal import hold_journal
from pixmill.scrape.sources import is_local, open_sources
from pixmill.web.fetch import Network

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 8192
"""Sightings that are held as Python objects before they become a row group of their table."""


@dataclass(frozen=True)
class ScrapeResult:
    """The outcome of a scrape; its images and sightings lie in the output folder already.

    Args:
        manifest: One row an image, by :data:`pixmill.core.manifest.SCRAPED`.
        tally: What came of all candidates.
        remarks: Notes for the user, as sentences.
        params: What was asked for.
    """

    manifest: pd.DataFrame
    tally: ScrapeTally
    remarks: list[str]
    params: ScrapeParams

    def check(self) -> None:
        """Raise an error if too many searches failed, or a class has no images.

        Raises:
            ScrapeError: There are more of them than ``scrape.tolerate`` allows, or a class has no image at all; each
                is named with what was found, what was wanted and where.
        """
        if self._is_enough():
            return
        raise ScrapeError(
            "\n".join(failures(self.tally)),
            next="open reports/scrape.html, fix the source or the scrape section of params.yaml, "
            "then: dvc repro scrape (images found so far are kept)",
        )

    def tolerated_failures(self) -> list[str]:
        """Return a line for each search that failed where ``scrape.tolerate`` lets it."""
        if not self.tally.failed or not self._is_enough():
            return []
        lines = [f"tolerated: {failed}" for failed in self.tally.failed]
        return [*lines, "to retry only the failed queries: dvc repro -f scrape"]

    def _is_enough(self) -> bool:
        tally = self.tally
        return not tally.empty_classes and len(tally.failed) <= self.params.tolerate * len(tally.searches)


def scrape(
    classes: Sequence[str],
    params: ScrapeParams,
    *,
    root: Path,
    output: Path,
    scratch: Path,
    network: Network | None = None,
) -> ScrapeResult:
    """Find and fetch the images of some classes.

    Whatever a journal in ``scratch`` knows is not asked for again: with the same params and a finished journal, no
    browser is opened. The result follows from what the sources answer, never from the order in which they do.

    Args:
        classes: The labels, in the order that decides which sighting of an image is its first.
        params: Where images come from, limits and politeness.
        root: The project's folder, with local images in ``data/`` and the user's sites in ``sites/``.
        output: The stage's folder; ``images/`` in it will hold the manifest's images, and no others, and
            ``sightings.parquet`` all candidates, by :data:`pixmill.core.manifest.SIGHTINGS`.
        scratch: The stage's scratch place.
        network: What else may be reached beside the public internet.

    Raises:
        BrowserError: A browser is needed, and there is none.
        DataError: What a source on this machine needs is missing.
        ScrapeError: The description of a site is not sound.
    """
    # Tables bring pandas and Arrow with them, twice the memory of all the rest.
    from pixmill.core.manifest import SIGHTINGS, table_writer
    from pixmill.scrape.collection.harvest import Harvest, manifest_frame, manifest_row, sighting_row

    images = ImageStore(output / "images")
    remove_temporary(output)
    names = dict.fromkeys(name for label in classes for name in params.sources_of(label))
    with (
        open_sources(names, classes, params, root=root) as opened,
        hold_journal(params, scratch) as journal,
    ):
        searches = plan_searches(classes, params, opened.sources)
        judge = Judge(journal, params)

        async def crawl() -> list[FailedSearch]:
            opening = open_access(params, served=opened.served, network=network, scratch=scratch, journal=journal)
            async with opening as (fetcher, access):
                collector = Collector(fetcher, journal, judge, connections=params.connections)
                return await Crawl(access, journal, collector, params).run(remote)

        remote = [search for search in searches if not is_local(search.source)]
        failed = asyncio.run(crawl()) if remote else []
        harvest = Harvest(searches, journal, judge, images, params)
        tally = ScrapeTally(classes, searches, params)
        rows: list[tuple[Any, ...]] = []
        with table_writer(output / "sightings.parquet", SIGHTINGS) as write:
            sightings = iter(harvest)
            while batch := list(islice(sightings, _ROWS)):
                rows += [manifest_row(one, params.snapshot) for search, one in batch if tally.add(search, one)]
                write([sighting_row(sighting) for _, sighting in batch])
        tally.fail([*failed, *harvest.failed])
        frame = manifest_frame(rows, tally.label)
        images.prune(frame["path"].str.removeprefix("images/"))
        return ScrapeResult(frame, tally, [*opened.remarks(), *remarks(tally)], params)
