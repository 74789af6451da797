"""Show what each selector of a site finds on a page, so that a person can mend the site's file."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from pixmill.errors import ScrapeError
from pixmill.fetch import Fetched, Network, Refused
from pixmill.params import ScrapeParams
from pixmill.scrape.candidate import Query
from pixmill.scrape.equipment import equip
from pixmill.scrape.sources import open_sources
from pixmill.scrape.sources.evidence import save_evidence
from pixmill.scrape.sources.failure import SearchFailed
from pixmill.scrape.sources.page import Page, script
from pixmill.scrape.sources.site import SiteSource
from pixmill.scrape.sources.sites import site_file
from pixmill.scrape.sources.source import Access
from pixmill.scrape.sources.tile import Tile, Tiles

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from selenium.webdriver.remote.webdriver import WebDriver

__all__ = ["Finding", "ProbeReport", "probe", "probe_source"]

_LOOKS = 4
_PAUSE = 0.7
"""Enough for what a page draws by itself, and for the pictures of a screen or two."""

_SUPPLIED = 100
_RESOLVED = 5
"""Results whose originals are looked for elsewhere than in the tiles; a click that brings nothing takes seconds."""


@dataclass(frozen=True)
class Finding:
    """Say what one selector finds.

    Args:
        place: Where it stands in the site's file, such as ``selectors.item``.
        selector: The selector, or the words on a button.
        within: Whether it was looked for in each result, and not on the whole page.
        count: In how many results it finds something, or how many elements of the page it finds.
        example: What it finds first: text, address or HTML.
    """

    place: str
    selector: str
    within: bool
    count: int
    example: str | None


@dataclass(frozen=True)
class ProbeReport:
    """Hold what a probe saw.

    Args:
        url: The page that was opened.
        site: The site's name.
        checked: The date in its file.
        state: What the page is taken for, with the sign that it is known by.
        findings: What each selector finds, in the order of the file.
        tiles: The results that the site's script reads, as far as a few screens show them.
        further: The results that a search finds elsewhere than in the tiles: what the page's own script asks for, the
            arrays in its scripts, a click, a rule of ``rewrite``.
        elsewhere: How that went, in a sentence; ``None`` where the tiles are all that there is.
        folder: Where the page's HTML and a picture of it lie.
        failure: Why there is no page to look at, or ``None``.
        mend: The command that makes the site's file the project's own; ``None`` where it is already.
    """

    url: str
    site: str
    checked: str
    state: str
    findings: tuple[Finding, ...]
    tiles: tuple[Tile, ...]
    folder: Path
    failure: str | None = None
    mend: str | None = None
    further: tuple[Tile, ...] = ()
    elsewhere: str | None = None

    def lines(self) -> Iterator[str]:
        """Yield the report as text; a page's own words cannot command a terminal."""
        for line in self._lines():
            yield "".join(character if character.isprintable() else " " for character in line)

    def _lines(self) -> Iterator[str]:
        yield self.url
        yield f"{self.site}.yaml, checked {self.checked}; the page: {self.state}"
        if self.failure is not None:
            yield self.failure
        place = ""
        for finding in self.findings:
            if finding.place != place:
                place = finding.place
                yield f"{place}:"
            count = f"{finding.count:>5} {'results' if finding.within else 'on the page'}"
            example = f"  e.g. {finding.example}" if finding.example else ""
            yield f"{count:>17}  {finding.selector}{example}"
        originals = [tile for tile in self.tiles if tile.image is not None]
        if self.findings:
            yield f"{len(self.tiles)} results read, {len(originals)} with the address of a picture"
        if self.elsewhere is not None:
            yield self.elsewhere
        originals += [tile for tile in self.further if tile.image is not None]
        for tile in (originals or self.tiles)[:1]:
            for name, value in dataclasses.asdict(tile).items():
                if value is not None:
                    yield f"  {name}: {value if len(str(value)) <= 200 else f'{str(value)[:197]}...'}"
        if self.mend is not None and self.findings:
            yield f"to mend it: {self.mend}"
        yield f"saved: {self.folder}"


def probe(source: SiteSource, text: str, access: Access, folder: Path) -> ProbeReport:
    """Open a source's page of results and look at it with each of its selectors.

    Args:
        source: A source that reads pages in a browser.
        text: What to search for.
        access: The ways out.
        folder: Where to save the page's HTML and a picture of it.

    Raises:
        ScrapeError: A selector is not sound.
        BrowserError: There is no browser, or it broke down.
    """
    query = source.queries("probe", [text])[0]
    with access.browser() as driver:
        page = Page(driver, source.site, query, _Saving(access, folder))
        state, failure = "not opened", None
        findings: list[Finding] = []
        tiles: tuple[Tile, ...] = ()
        further: tuple[Tile, ...] = ()
        elsewhere: str | None = None
        try:
            page.open(query.address)
            tiles = _tiles(page)
            # Looked at last, when what the page draws by itself is there.
            verdict = page.verdict()
            state = f"{verdict.state} ({verdict.sign})" if verdict.sign else verdict.state
            findings = page.run(script("probe"), told=TypeAdapter(list[Finding]))
            page.judge(verdict)
            further, elsewhere = _elsewhere(source, page, tiles)
        except SearchFailed as failed:
            failure = failed.message if failed.advice is None else f"{failed.message}; {failed.advice}"
        save_evidence(driver, folder)
    return ProbeReport(
        query.address,
        source.site.name,
        source.site.checked,
        state,
        tuple(findings),
        tiles,
        folder,
        failure,
        further=further,
        elsewhere=elsewhere,
    )


def probe_source(
    name: str, text: str, params: ScrapeParams, *, root: Path, scratch: Path, network: Network | None = None
) -> ProbeReport:
    """Open the page of a source by its name, and look at it.

    Args:
        name: As in ``scrape.source``.
        text: What to search for.
        params: Limits and manners.
        root: The project's folder, whose ``sites/`` wins over the descriptions that come with Pixmill.
        scratch: The stage's scratch place, where the page and a picture of it are saved.
        network: What else may be reached beside the public internet.

    Raises:
        ScrapeError: The source has no page, or its description is not sound.
        BrowserError: There is no browser, or it broke down.
    """
    with open_sources([name], ["probe"], params, root=root, scratch=scratch) as opened:
        source = opened.sources[name]
        if not isinstance(source, SiteSource):
            raise ScrapeError(
                f"the source '{name}' has no page of results: there is nothing to look at",
                next="name one that has, such as: pixmill scrape --probe bing 'silk saree'",
            )

        async def look() -> ProbeReport:
            async with equip(params, served=opened.served, network=network, scratch=scratch) as (_, access):
                # In a thread, since the page's questions are answered by this event loop.
                return await asyncio.to_thread(probe, source, text, access, scratch / "probe" / source.site.name)

        file = site_file(source.site.name, root / "sites")
        mend = None if file.is_relative_to(root / "sites") else f"mkdir -p sites && cp {file} sites/"
        return dataclasses.replace(asyncio.run(look()), mend=mend)


def _tiles(page: Page) -> tuple[Tile, ...]:
    """Return what the site's script reads on the first screens."""
    found = Tiles(page.site.settings.most)
    step = {"buttons": ["consent", "dismiss"], "smooth": True, "nudge": False, "sweep": False}
    for _ in range(_LOOKS):
        for tile in page.look(found.complete, found.keys, step).tiles:
            found.take(tile)
        time.sleep(_PAUSE)
    return tuple(found.rest())


def _elsewhere(source: SiteSource, page: Page, tiles: tuple[Tile, ...]) -> tuple[tuple[Tile, ...], str | None]:
    """Look for originals where a search does beside the tiles; return what is found, and how that went."""
    if source.supply is not None:
        supplied = tuple(islice(source.supply(page), _SUPPLIED))
        return supplied, f"what its own script asks for: {len(supplied)} results, {_routes(supplied)}"
    if source.site.rewrite:
        shown = [tile for tile in tiles if tile.image is not None]
        lifted = tuple(
            dataclasses.replace(tile, image=original)
            for tile in shown
            if tile.image is not None and (original := source.site.original(tile.image)) != tile.image
        )
        example = f", e.g. {lifted[0].image}" if lifted else ""
        return lifted, f"rewrite: makes originals of {len(lifted)} of {len(shown)} addresses{example}"
    resolve = source.resolver()
    lacking = [tile for tile in tiles if tile.image is None][:_RESOLVED]
    if resolve is None or not lacking:
        return (), None
    resolved = tuple(resolve(page, tile) for tile in lacking)
    return resolved, f"elsewhere, for {len(resolved)} of the others: {_routes(resolved)}"


def _routes(tiles: tuple[Tile, ...]) -> str:
    """Say how many of some results have the address of a picture, and by which route."""
    routes = Counter(tile.route for tile in tiles if tile.image is not None)
    told = ", ".join(f"{route} {count}" for route, count in sorted(routes.items(), key=str))
    return f"{routes.total()} with the address of a picture" + (f" ({told})" if told else "")


class _Saving:
    """Give the ways out that another gives, but save what a browser shows in a folder of one's own."""

    def __init__(self, access: Access, folder: Path) -> None:
        self._access = access
        self._folder = folder

    def permitted(self, url: str) -> Refused | None:
        return self._access.permitted(url)

    def ask(self, url: str) -> Fetched | Refused:
        return self._access.ask(url)

    def browser(self) -> AbstractContextManager[WebDriver]:
        return self._access.browser()

    def witness(self, driver: WebDriver, _query: Query) -> str:
        return str(save_evidence(driver, self._folder))
