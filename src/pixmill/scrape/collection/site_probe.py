"""Count what each selector of a site matches on its results page."""

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
from pixmill.scrape.candidate import Candidate, Query
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

_MAX_CANDIDATES = 20
"""Results that are read."""

_MAX_DETAIL_PAGES = 3
"""Results whose own pages are visited."""

_MAX_CHARACTERS = 200
"""Length to which printed URLs are cut."""


@dataclass(frozen=True)
class SelectorMatch:
    """The matches of one selector.

    Args:
        place: Key in the site's file, such as ``selectors.item``.
        selector: The selector, or the text of a button.
        within: Whether the selector was applied to each result instead of the whole page.
        count: Number of results with a match, or of matching elements on the page.
        example: Text, URL or HTML of the first match.
    """

    place: str
    selector: str
    within: bool
    count: int
    example: str | None


@dataclass
class ProbeReport:
    """The result of a probe.

    Args:
        url: URL of the results page.
        site: Description of the site.
        folder: Folder of the saved page and its screenshot.
        candidates: First candidates of the search.
        findings: Matches of each selector, in the order of the file; empty if no page was opened.
        saved: Whether a page was opened and saved.
        failure: Why the search failed, or ``None``.
        fix: Command that copies the site's file into the project; ``None`` if the project has its own.
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
        """Store the failure of a search instead of raising it."""
        try:
            yield
        except SearchError as failed:
            self.failure = failed.message if failed.advice is None else f"{failed.message}; {failed.advice}"

    def lines(self) -> Iterator[str]:
        """Yield the lines of the report, without control characters from the page."""
        return (printable(line, instead=" ") for line in self._lines())

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
                yield f"  {candidate.route}: {candidate.page_url}"[:_MAX_CHARACTERS]
        yield from (f"  e.g. {candidate.image_url}"[:_MAX_CHARACTERS] for candidate in originals[:1])
        if self.fix is not None:
            yield f"to edit {self.site.name}.yaml: {self.fix}"
        saved = f"saved page and screenshot: {self.folder}"
        yield saved if self.saved else "no page was opened, so none is saved"


_FINDINGS = TypeAdapter(list[SelectorMatch])


class _SharedBrowser:
    """Access that always gives the same browser and saves failed pages in one folder."""

    def __init__(self, access: Access, driver: WebDriver, folder: Path) -> None:
        self.find_refusal, self.ask, self.journal = access.find_refusal, access.ask, access.journal
        self._driver, self._folder = driver, folder

    def browser(self) -> contextlib.nullcontext[WebDriver]:
        return contextlib.nullcontext(self._driver)

    def save_failure_page(self, driver: WebDriver, query: Query) -> str:  # noqa: ARG002 (named as in Access)
        return str(save_evidence(driver, self._folder))


def probe(source: SiteSource, text: str, access: Access, folder: Path) -> ProbeReport:
    """Read a few results of a site, and count the matches of each selector.

    Args:
        source: Source of the site.
        text: Search text.
        access: Network access.
        folder: Target folder for the page and its screenshot.

    Raises:
        BrowserError: No browser was found, or it crashed.
    """
    query = source.queries("probe", [text])[0]
    report = ProbeReport(query.address, source.site, folder)
    with access.browser() as driver:
        lent = _SharedBrowser(access, driver, folder)
        results = copy.copy(source)
        results.site = source.site.model_copy(update={"detail": None})
        with report.note_failure():
            report.candidates += islice(results.search(query, lent), _MAX_CANDIDATES)
        if driver.current_url.startswith("http"):
            report.findings = Page(driver, source.site, query, lent).run(script("selectors"), answer=_FINDINGS)
            save_evidence(driver, folder)
            report.saved = (folder / "page.html").is_file()
        if source.site.detail and report.failure is None:
            with report.note_failure():
                report.candidates = list(islice(source.search(query, lent), _MAX_DETAIL_PAGES))
    return report


def probe_source(
    name: str, text: str, params: ScrapeParams, *, root: Path, scratch: Path, network: Network | None = None
) -> ProbeReport:
    """Probe the results page of a source.

    Args:
        name: Name of the source, as in ``scrape.source``.
        text: Search text.
        params: Limits and politeness settings.
        root: Folder of the project; its ``sites/`` take precedence over bundled descriptions.
        scratch: Scratch folder of the stage, for the page and its screenshot.
        network: Reachable hosts in addition to the public internet.

    Raises:
        ScrapeError: The source has no results page, or its description is invalid.
        BrowserError: No browser was found, or it crashed.
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
                # In a thread, since this event loop serves its requests.
                return await asyncio.to_thread(probe, source, text, access, scratch / "probe" / source.site.name)

        file = site_file(source.site.name, root / "sites")
        report = asyncio.run(look())
        report.fix = None if file.is_relative_to(root / "sites") else f"mkdir -p sites && cp {file} sites/"
        return report
