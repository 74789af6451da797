"""The whole of a scrape: from the params to the pictures, their tables and their account."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.errors import ScrapeError
from pixmill.fetch import Network
from pixmill.files import remove_temporary
from pixmill.params import ScrapeParams
from pixmill.scrape.account import Account
from pixmill.scrape.board import Board
from pixmill.scrape.collector import Collector
from pixmill.scrape.crawl import Crawl, Failing
from pixmill.scrape.equipment import equip
from pixmill.scrape.examples import Examples
from pixmill.scrape.harvest import Harvest
from pixmill.scrape.journal import Journal
from pixmill.scrape.ledger import Ledger
from pixmill.scrape.originals import doubtful_originals
from pixmill.scrape.pictures import Pictures
from pixmill.scrape.plan import Search, plan
from pixmill.scrape.shelf import JOURNAL, earlier_shelf, journal_key, shelf
from pixmill.scrape.sources import open_sources
from pixmill.scrape.sources.source import is_local

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ScrapeResult", "scrape"]


@dataclass(frozen=True)
class ScrapeResult:
    """Hold the outcome of a scrape; its pictures and sightings lie in the output folder already.

    Args:
        manifest: One row a picture, by :data:`pixmill.manifest.SCRAPED`.
        account: What came of all candidates.
        examples: Pictures and refusals to show.
        remarks: What else a person should know, in sentences.
        params: What was asked for.
    """

    manifest: pd.DataFrame
    account: Account
    examples: Examples
    remarks: list[str]
    params: ScrapeParams

    def check(self) -> None:
        """Complain about the searches that did not bring what they must.

        Raises:
            ScrapeError: There are more of them than ``scrape.tolerate`` allows, or a class has no picture at all; each
                is named with what was found, what was wanted and where.
        """
        if self._is_enough():
            return
        named = {failing.search.query.label for failing in self.account.failing}
        lines = [str(failing) for failing in self.account.failing]
        lines += [self._told_fruitless(label) for label in self.account.fruitless if label not in named]
        lines += [f"{failure}: {advice}" for failure, advice in self.account.advice().items()]
        raise ScrapeError(
            "\n".join(lines),
            next="look at reports/scrape.html, mend the source or the scrape section of params.yaml, "
            "then: dvc repro scrape (what was found is kept)",
        )

    def tolerated(self) -> list[str]:
        """Return a line for each search that failed where ``scrape.tolerate`` lets it."""
        if not self.account.failing or not self._is_enough():
            return []
        told = [f"tolerated: {failing}" for failing in self.account.failing]
        return [*told, "to ask again what failed, and nothing else: dvc repro -f scrape"]

    def _told_fruitless(self, label: str) -> str:
        tally = self.account.of_class(label)
        if not tally.candidates:
            return f"{label}: no picture at all, since there was no candidate"
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in tally.refused.most_common())
        return f"{label}: no picture at all: all candidates were refused ({reasons})"

    def _is_enough(self) -> bool:
        account = self.account
        return not account.fruitless and len(account.failing) <= self.params.tolerate * len(account.searches)


def scrape(
    classes: Sequence[str],
    params: ScrapeParams,
    *,
    root: Path,
    output: Path,
    scratch: Path,
    network: Network | None = None,
) -> ScrapeResult:
    """Find and fetch the pictures of some classes.

    Whatever a journal in ``scratch`` knows is not asked for again: with the same params and a finished journal, no
    browser is opened. The result follows from what the sources answer, never from the order in which they do.

    Args:
        classes: The labels, in the order that decides which sighting of a picture is its first.
        params: Where pictures come from, limits and manners.
        root: The project's folder, with what people brought in ``data/`` and their own sites in ``sites/``.
        output: The stage's folder; ``images/`` in it will hold the manifest's pictures, and no others, and
            ``sightings.parquet`` all candidates, by :data:`pixmill.manifest.SIGHTINGS`.
        scratch: The stage's scratch place.
        network: What else may be reached beside the public internet.

    Raises:
        BrowserError: A browser is needed, and there is none.
        DataError: What a source on this machine needs is missing.
        ScrapeError: The description of a site is not sound.
    """
    # Tables bring pandas and Arrow with them, twice the memory of all the rest.
    from pixmill.scrape.tables import ManifestTable, SightingsTable

    artifacts = Pictures(output / "images")
    remove_temporary(output)
    names = dict.fromkeys(name for label in classes for name in params.sources_of(label))
    with open_sources(names, classes, params, root=root, scratch=scratch) as opened, _memory(params, scratch) as memory:
        searches = plan(classes, params, opened.sources)
        places = [memory.pictures, artifacts, *memory.earlier]
        ledger = Ledger(
            memory.journal,
            places,
            licences=params.licences,
            thumbnails=params.thumbnails,
            robots_exceptions=params.robots_exceptions,
        )
        failing: list[Failing] = []
        of_the_web = [search for search in searches if not is_local(search.source)]
        if of_the_web:
            failing = asyncio.run(
                _crawl(of_the_web, params, memory, ledger, artifacts, opened.served, network, scratch)
            )
        harvest = Harvest(
            searches,
            memory.journal,
            ledger,
            artifacts,
            per_class=params.per_class,
            per_query=params.per_query,
            max_bytes=params.max_bytes,
        )
        account, examples, manifest = Account(classes, searches), Examples(), ManifestTable(params.snapshot)
        with SightingsTable(output / "sightings.parquet") as sightings:
            for search, sighting in harvest:
                if account.add(search, sighting):
                    manifest.add(sighting)
                examples.add(sighting)
                sightings.add(sighting)
        account.fail([*failing, *harvest.failing])
        frame = manifest.frame(account.label)
        artifacts.prune(frame["path"].str.removeprefix("images/"))
        remarks = [*opened.remarks(), *doubtful_originals(account)]
        return ScrapeResult(frame, account, examples, remarks, params)


async def _crawl(
    searches: Sequence[Search],
    params: ScrapeParams,
    memory: _Memory,
    ledger: Ledger,
    artifacts: Pictures,
    served: Mapping[str, int],
    network: Network | None,
    scratch: Path,
) -> list[Failing]:
    """Ask the web what the journal cannot answer, and fetch what is found."""
    async with equip(params, served=served, network=network, scratch=scratch) as (fetcher, access):
        collector = Collector(
            fetcher,
            ledger,
            memory.journal,
            memory.pictures,
            [artifacts, *memory.earlier],
            previous=memory.previous,
            connections=params.connections,
        )
        with contextlib.closing(Board()) as board:
            crawl = Crawl(
                access,
                memory.journal,
                collector,
                board,
                per_class=params.per_class,
                per_query=params.per_query,
                expect_at_least=params.expect_at_least,
            )
            return await crawl.run(searches, params.browsers)


@dataclass(frozen=True)
class _Memory:
    """Hold what earlier runs left.

    Args:
        journal: Of this snapshot.
        pictures: Where its pictures lie.
        previous: The journal of the snapshot before it, if there is one.
        earlier: Where the pictures of that one lie.
    """

    journal: Journal
    pictures: Pictures
    previous: Journal | None
    earlier: tuple[Pictures, ...]


@contextlib.contextmanager
def _memory(params: ScrapeParams, scratch: Path) -> Iterator[_Memory]:
    """Open the journal of a snapshot, and the one before it."""
    key = journal_key(params)
    with contextlib.ExitStack() as opened:
        folder = opened.enter_context(shelf(scratch, key))
        journal = opened.enter_context(Journal(folder / JOURNAL))
        before = earlier_shelf(scratch, key)
        previous = None
        if before is not None:
            previous = opened.enter_context(Journal(before / JOURNAL, read_only=True))
        earlier = () if before is None else (Pictures(before / "pictures"),)
        yield _Memory(journal, Pictures(folder / "pictures"), previous, earlier)
