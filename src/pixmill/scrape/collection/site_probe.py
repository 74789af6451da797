"""Show what each selector of a site finds on a page, to fix the site's file."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from pixmill.core.errors import ScrapeError
from pixmill.core.params import ScrapeParams
from pixmill.core.words import printable
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.collection.access import open_access
from pixmill.scrape.sources import Access, SearchError, open_sources
from pixmill.scrape.sources.browsing import Page, script
from pixmill.scrape.sources.definition import Buttons, SiteDefinition, site_file
from pixmill.scrape.sources.detail import NO_DETAIL
from pixmill.scrape.sources.failure import save_evidence
from pixmill.scrape.sources.site import SiteSource
from pixmill.web.fetch import Network

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

    from pixmill.scrape.candidate import Query

_CANDIDATES = 20
"""Results of the search that are read."""

_DETAILS = 3
"""Results whose own pages are visited."""

_LONGEST = 200
"""Characters of an address that are shown."""


@dataclass(frozen=True)
class SelectorMatch:
    """What one selector finds.

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


@dataclass
class ProbeReport:
    """The findings of a probe.

    Args:
        url: The page that was opened.
        site: What is known of the site.
        folder: Where the page's HTML and an image of it lie, if a page was opened.
        candidates: The first ones that a search finds.
        findings: What each selector finds, in the order of the file; nothing where no page was opened.
        saved: Whether a page was opened and saved.
        failure: What the search failed of, or ``None``.
        fix: The command that makes the site's file the project's own; ``None`` where it is already.
    """

    url: str
    site: SiteDefinition
    folder: Path
    candidates: list[Candidate] = field(default_factory=list)
    findings: list[SelectorMatch] = field(default_factory=list)
    saved: bool = False
    failure: str | None = None
    fix: str | None = None

    @contextlib.contextmanager
    def note_failure(self) -> Iterator[None]:
        """Note why a search failed, instead of raising it."""
        try:
            yield
        except SearchError as failed:
            self.failure = failed.message if failed.advice is None else f"{failed.message}; {failed.advice}"

    def lines(self) -> Iterator[str]:
        """Yield the report as text; a page's own words cannot command a terminal."""
        for line in self._lines():
            yield printable(line, instead=" ")

    def _lines(self) -> Iterator[str]:
        yield self.url
        yield f"{self.site.name}.yaml, checked {self.site.checked}"
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
        originals = [candidate for candidate in self.candidates if candidate.image_url is not None]
        routes = Counter(candidate.route or "tile" for candidate in originals)
        by_route = ", ".join(f"{route} {count}" for route, count in sorted(routes.items()))
        ways = f" ({by_route})" if by_route else ""
        yield f"{len(self.candidates)} results read, {len(originals)} with the URL of an original{ways}"
        if self.site.script == "tiles" and not self.site.paged and self.site.more == Buttons():
            yield "  without 'next', 'offset' or 'more', only what this page itself loads is read"
        for candidate in self.candidates:
            if candidate.route and candidate.route.startswith(NO_DETAIL):
                yield f"  {candidate.route}: {candidate.page_url}"[:_LONGEST]
        yield from (f"  e.g. {candidate.image_url}"[:_LONGEST] for candidate in originals[:1])
        if self.fix is not None:
            yield f"to edit {self.site.name}.yaml: {self.fix}"
        saved = f"saved page and screenshot: {self.folder}"
        yield saved if self.saved else "no page was opened, so none is saved"


_FINDINGS = TypeAdapter(list[SelectorMatch])


class _SharedBrowser:
    """Lend one browser to a search, which gives its other ways out as another does, and save what fails in a folder."""

    def __init__(self, access: Access, driver: WebDriver, folder: Path) -> None:
        self.find_refusal, self.ask, self.journal = access.find_refusal, access.ask, access.journal
        self._driver, self._folder = driver, folder

    def browser(self) -> contextlib.nullcontext[WebDriver]:
        return contextlib.nullcontext(self._driver)

    def witness(self, driver: WebDriver, query: Query) -> str:  # noqa: ARG002 (named as in Access)
        return str(save_evidence(driver, self._folder))


def probe(source: SiteSource, text: str, access: Access, folder: Path) -> ProbeReport:
    """Search a site for a few results, and count what each of its selectors finds.

    Args:
        source: A source that reads pages in a browser.
        text: What to search for.
        access: The ways out.
        folder: Where to save the page's HTML and an image of it.

    Raises:
        BrowserError: There is no browser, or it broke down.
    """
    query = source.queries("probe", [text])[0]
    report = ProbeReport(query.address, source.site, folder)
    with access.browser() as driver:
        lent = _SharedBrowser(access, driver, folder)
        results = copy.copy(source)
        results.site = source.site.model_copy(update={"detail": None})
        with report.note_failure():
            report.candidates += islice(results.search(query, lent), _CANDIDATES)
        if driver.current_url.startswith("http"):
            report.findings = Page(driver, source.site, query, lent).run(script("selectors"), answer=_FINDINGS)
            save_evidence(driver, folder)
            report.saved = (folder / "page.html").is_file()
        if source.site.detail and report.failure is None:
            with report.note_failure():
                report.candidates = list(islice(source.search(query, lent), _DETAILS))
    return report


def probe_source(
    name: str, text: str, params: ScrapeParams, *, root: Path, scratch: Path, network: Network | None = None
) -> ProbeReport:
    """Open the page of a source by its name, and probe it.

    Args:
        name: As in ``scrape.source``.
        text: What to search for.
        params: Limits and politeness settings.
        root: The project's folder, whose ``sites/`` wins over the descriptions that come with Pixmill.
        scratch: The stage's scratch place, where the page and an image of it are saved.
        network: What else may be reached beside the public internet.

    Raises:
        ScrapeError: The source has no page, or its description is not sound.
        BrowserError: There is no browser, or it broke down.
    """
    with open_sources([name], ["probe"], params, root=root) as opened:
        source = opened.sources[name]
        if not isinstance(source, SiteSource):
            raise ScrapeError(
                f"the source '{name}' has no results page to probe",
                next="choose another source, for example: pixmill scrape --probe bing 'silk saree'",
            )

        async def look() -> ProbeReport:
            async with open_access(params, served=opened.served, network=network, scratch=scratch) as (_, access):
                # In a thread, since the page's questions are answered by this event loop.
                return await asyncio.to_thread(probe, source, text, access, scratch / "probe" / source.site.name)

        file = site_file(source.site.name, root / "sites")
        report = asyncio.run(look())
        report.fix = None if file.is_relative_to(root / "sites") else f"mkdir -p sites && cp {file} sites/"
        return report
