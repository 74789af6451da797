"""Run a scrape: from the params to images, tables and counts."""

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
from pixmill.scrape.collection.searches import FailedSearch, plan_searches
from pixmill.scrape.collection.tally import ScrapeTally, failures, remarks
from pixmill.scrape.image_store import ImageStore
from pixmill.scrape.journal import hold_journal
from pixmill.scrape.sources import is_local, open_sources
from pixmill.web.fetch import Network

if TYPE_CHECKING:
    import pandas as pd

_ROW_GROUP_SIZE = 8192
"""Rows of the sightings table that are written together."""


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
            ScrapeError: More searches failed than ``scrape.tolerate`` allows, or a class has no images; the message
                has a line for each.
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
    """Find and fetch images of the classes.

    Results and images in the journal are reused: with the same params and a finished journal, no browser starts. The
    result depends on the sources' results, not on the order in which they arrive.

    Args:
        classes: Labels, in the order that decides which sighting of an image is its first.
        params: Sources, limits and politeness settings.
        root: Folder of the project, with local images in ``data/`` and site descriptions in ``sites/``.
        output: Folder of the stage; ``images/`` will hold exactly the images of the manifest, and
            ``sightings.parquet`` all candidates, by :data:`pixmill.core.manifest.SIGHTINGS`.
        scratch: Scratch folder of the stage.
        network: Reachable hosts in addition to the public internet.

    Raises:
        BrowserError: No usable browser was found.
        DataError: Files of a local source are missing.
        ScrapeError: The description of a site is invalid.
    """
    # Imported late: pandas and Arrow need twice the memory of the rest.
    from pixmill.core.manifest import SIGHTINGS, table_writer
    from pixmill.scrape.collection.harvest import Harvest, manifest_frame, manifest_row, sighting_row

    images = ImageStore(output / "images")
    remove_temporary(output)
    names = dict.fromkeys(name for label in classes for name in params.sources_of(label))
    with open_sources(names, classes, params, root=root) as opened, hold_journal(params, scratch) as journal:
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
            while batch := list(islice(sightings, _ROW_GROUP_SIZE)):
                rows += [manifest_row(each, params.snapshot) for search, each in batch if tally.add(search, each)]
                write([sighting_row(sighting) for _, sighting in batch])
        tally.fail([*failed, *harvest.failed])
        frame = manifest_frame(rows, tally.label)
        images.prune(frame["path"].str.removeprefix("images/"))
        return ScrapeResult(frame, tally, [*opened.remarks(), *remarks(tally)], params)
