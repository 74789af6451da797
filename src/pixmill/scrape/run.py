"""Scrape: every class's pictures, their manifest and their account."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pixmill.errors import ScrapeError
from pixmill.fetch import Limits
from pixmill.files import remove_temporary
from pixmill.params import ScrapeParams
from pixmill.scrape.account import Account, take_account
from pixmill.scrape.collector import Collector
from pixmill.scrape.crawl import Crawl, Harvest
from pixmill.scrape.journal import Journal
from pixmill.scrape.pictures import Picture, Pictures
from pixmill.scrape.shelf import shelf
from pixmill.scrape.sources import Source, open_source
from pixmill.scrape.tables import manifest_table, sightings_table

__all__ = ["ScrapeResult", "scrape"]

_VERSION = 2
"""Part of the journal's key: goes up when an old journal would mislead this code."""


@dataclass(frozen=True)
class ScrapeResult:
    """Hold the outcome of a scrape; its pictures lie in the output folder already.

    Args:
        manifest: One row a picture, by :data:`pixmill.manifest.SCRAPED`.
        sightings: One row a candidate, by :data:`pixmill.manifest.SIGHTINGS`.
        account: What the two tables amount to.
        failures: What is wrong with a class, by its label.
        source: The name of where the pictures are from.
        snapshot: The date that they stand for.
    """

    manifest: pd.DataFrame
    sightings: pd.DataFrame
    account: Account
    failures: dict[str, str]
    source: str
    snapshot: str

    def check(self) -> None:
        """Complain about the classes that did not get what they must.

        Raises:
            ScrapeError: There are some; each is named with what was found, what was wanted and where.
        """
        if self.failures:
            lines = [f"{label} (source '{self.source}'): {failure}" for label, failure in self.failures.items()]
            raise ScrapeError(
                "\n".join(lines),
                next="look at reports/scrape.html, mend the source or the scrape section of params.yaml, "
                "then: dvc repro scrape (what was found is kept)",
            )


def scrape(classes: Sequence[str], params: ScrapeParams, *, data: Path, output: Path, scratch: Path) -> ScrapeResult:
    """Find and fetch the pictures of some classes.

    Whatever a journal in ``scratch`` knows is not asked for again: with the same params and a finished journal, no
    browser is opened. The result follows from what the sources answer, never from the order in which they do.

    Args:
        classes: The labels, in the order that decides which sighting of a picture is its first.
        params: Where pictures come from, and limits.
        data: The pictures that people brought, as ``<class>/<file>``.
        output: The stage's folder; ``images/`` in it will hold the manifest's pictures, and no others.
        scratch: The stage's scratch place.

    Raises:
        BrowserError: There is no browser, or it broke down.
        DataError: ``data`` is missing.
    """
    limits = Limits(max_bytes=params.max_bytes, timeout=params.timeout, connections=params.connections)
    artifacts = Pictures(output / "images")
    remove_temporary(output)
    with (
        open_source(params.source, data=data, scratch=scratch) as source,
        _memory(source, params, scratch, artifacts) as (journal, pictures),
    ):
        with Collector(source, journal, pictures, [artifacts], limits) as collector:
            crawl = Crawl(
                source,
                journal,
                collector,
                per_class=params.per_class,
                expect_at_least=params.expect_at_least if source.is_web else 0,
            )
            harvests = [crawl.harvest(query) for query in source.queries(classes)]
        _publish(harvests, pictures, artifacts)
    return _result(harvests, source.name, params.snapshot)


@contextlib.contextmanager
def _memory(
    source: Source, params: ScrapeParams, scratch: Path, artifacts: Pictures
) -> Iterator[tuple[Journal, Pictures]]:
    """Open the journal of a source, and the place for its pictures.

    What is on this machine is read again each time, straight into the output.
    """
    if source.is_web:
        with shelf(scratch, _key(source, params)) as folder, Journal(folder / "journal.jsonl") as journal:
            yield journal, Pictures(folder / "pictures")
    else:
        with Journal(None) as journal:
            yield journal, artifacts


def _key(source: Source, params: ScrapeParams) -> str:
    """Return the name of all that a journal's records depend on.

    Queries and ``per_class`` are in the records themselves, so that one more class visits no other again.
    """
    content = [_VERSION, source.name, source.fingerprint(), params.snapshot, params.max_bytes]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def _publish(harvests: Sequence[Harvest], pictures: Pictures, artifacts: Pictures) -> None:
    """Put the pictures of some sightings into the output, and remove all others there."""
    wanted = {outcome for harvest in harvests for _, outcome in harvest.sightings if isinstance(outcome, Picture)}
    for picture in wanted:
        artifacts.copy(picture, pictures)
    artifacts.prune(wanted)


def _result(harvests: Sequence[Harvest], source: str, snapshot: str) -> ScrapeResult:
    sightings = [sighting for harvest in harvests for sighting in harvest.sightings]
    manifest = manifest_table(sightings, source=source, snapshot=snapshot)
    table = sightings_table(sightings, source=source)
    failures = {harvest.query.label: harvest.failure for harvest in harvests if harvest.failure}
    return ScrapeResult(manifest, table, take_account(sightings, source=source), failures, source, snapshot)
