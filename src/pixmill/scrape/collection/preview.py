"""Preview a scrape: estimate its time without any request, or probe the selectors of a site.

:func:`forecast` lists the searches. :func:`probe_source` counts what each selector matches on a
results page.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import TypeAdapter

from pixmill.core.cells import Task
from pixmill.core.errors import ScrapeError
from pixmill.core.params import ScrapeParams
from pixmill.core.words import count, printable
from pixmill.fetch import Network
from pixmill.fetch.location import is_within
from pixmill.scrape.candidate import Candidate, Query, limit_candidates
from pixmill.scrape.collection.access import NO_ACCESS, open_access
from pixmill.scrape.collection.collector import address_of
from pixmill.scrape.collection.searches import Search, plan_searches
from pixmill.scrape.journal import Journal, read_journal
from pixmill.scrape.sources import Access, SearchError
from pixmill.scrape.sources.browsing import Page, script
from pixmill.scrape.sources.definition import Buttons, SiteDefinition, site_file
from pixmill.scrape.sources.site import NO_DETAIL, SiteSource
from pixmill.scrape.sources.source import save_evidence
from pixmill.scrape.sources.source_list import make_sources, open_sources

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver


_MAX_CANDIDATES = 20
"""Results that are read."""

_MAX_DETAIL_PAGES = 3
"""Results whose own pages are visited."""

_MAX_CHARACTERS = 200
"""Length to which printed URLs are cut."""

_TYPICAL_CANDIDATES = 400
"""Candidates of a search without limits."""

_FETCHES_PER_SECOND = 20.0
"""Fetch rate for images from many hosts; those of a shop come from one (``scrape.rate``)."""

_ONE_HOST = {"amazon", "wikimedia"}


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
        turned: Whether a second page of results was read; ``None`` if the site's file describes
            none.
        fix: Command that copies the site's file into the project; ``None`` if the project has its
            own.
    """

    url: str
    site: SiteDefinition
    folder: Path
    candidates: list[Candidate] = field(default_factory=list)
    findings: list[SelectorMatch] = field(default_factory=list)
    saved: bool = False
    turned: bool | None = None
    failure: str | None = None
    fix: str | None = None

    @contextlib.contextmanager
    def note_failure(self) -> Iterator[None]:
        """Store the failure of a search instead of raising it."""
        try:
            yield
        except SearchError as failed:
            self.failure = (
                failed.message if failed.advice is None else f"{failed.message}; {failed.advice}"
            )

    def lines(self) -> Iterator[str]:
        """Yield the lines of the report, without control characters from the page."""
        return (printable(line, instead=" ") for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield self.url
        yield f"{self.site.name}.yaml, checked {self.site.checked}"
        if self.failure is not None:
            yield self.failure
        yield from self._matches()
        yield from self._results()
        if self.fix is not None:
            yield f"to edit {self.site.name}.yaml: {self.fix}"
        saved = f"saved page and screenshot: {self.folder}"
        yield saved if self.saved else "no page was opened, so none is saved"

    def _matches(self) -> Iterator[str]:
        """Yield what each selector matches."""
        place = ""
        for finding in self.findings:
            if finding.place != place:
                place = finding.place
                yield f"{place}:"
            where = "results" if finding.within else "on the page"
            example = f"  e.g. {finding.example}" if finding.example else ""
            count = f"{finding.count:>5} {where}"
            yield f"{count:>17}  {finding.selector}{example}"

    def _results(self) -> Iterator[str]:
        """Yield what is known of the results."""
        originals = [candidate for candidate in self.candidates if candidate.image_url is not None]
        routes = Counter(candidate.route or "tile" for candidate in originals)
        by_route = ", ".join(f"{route} {count}" for route, count in sorted(routes.items()))
        ways = f" ({by_route})" if by_route else ""
        yield (
            f"{len(self.candidates)} results read, {len(originals)} with the URL of an "
            f"original{ways}"
        )
        if self.site.script == "tiles" and not self.site.paged and self.site.more == Buttons():
            yield "  without 'next', 'offset' or 'more', only what this page itself loads is read"
        yield from self._end()
        for candidate in self.candidates:
            if candidate.route and candidate.route.startswith(NO_DETAIL):
                yield f"  {candidate.route}: {candidate.page_url}"[:_MAX_CHARACTERS]
        for candidate in originals[:1]:
            yield f"  e.g. {candidate.image_url}"[:_MAX_CHARACTERS]

    def _end(self) -> Iterator[str]:
        """Yield what is known of the results after the first page."""
        shown = max(
            (finding.count for finding in self.findings if finding.place == "selectors.item"),
            default=0,
        )
        total = max((candidate.total or 0 for candidate in self.candidates), default=0)
        if total > shown:
            yield f"  the page says that there are {count(total, 'result')}, and shows {shown:,}"
        if self.turned:
            yield "  a second page was read"
        elif self.turned is not None and self.failure is None:
            yield "  WARNING: no second page was found; if there is one, correct 'next' or 'offset'"


_FINDINGS = TypeAdapter(list[SelectorMatch])


class _SharedBrowser:
    """Access that always gives the same browser and saves failed pages in one folder."""

    def __init__(self, access: Access, driver: WebDriver, folder: Path) -> None:
        self.find_refusal = access.find_refusal
        self.ask = access.ask
        self.journal = access.journal
        self._driver = driver
        self._folder = folder

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
        search = results.search(query, lent)
        with report.note_failure():
            report.candidates += islice(search, _MAX_CANDIDATES)
        if driver.current_url.startswith("http"):
            report.findings = Page(driver, source.site, query, lent).run(
                script("selectors"), answer=_FINDINGS
            )
            save_evidence(driver, folder)
            report.saved = (folder / "page.html").is_file()
        if source.site.paged:
            with report.note_failure():
                report.turned = results.pages > 1 or any(results.pages > 1 for _ in search)
        if source.site.detail and report.failure is None:
            with report.note_failure():
                report.candidates = list(islice(source.search(query, lent), _MAX_DETAIL_PAGES))
    return report


def probe_source(
    name: str,
    text: str,
    params: ScrapeParams,
    *,
    root: Path,
    scratch: Path,
    network: Network | None = None,
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
            # Scrape deletes the browser profiles in its own folder.
            opening = open_access(
                params, served=opened.served, network=network, scratch=scratch / "probe"
            )
            async with opening as (_, access):
                # In a thread, since this event loop serves its requests.
                return await asyncio.to_thread(
                    probe, source, text, access, scratch / "probe" / source.site.name
                )

        file = site_file(source.site.name, root / "sites")
        report = asyncio.run(look())
        report.fix = (
            None if file.is_relative_to(root / "sites") else f"mkdir -p sites && cp {file} sites/"
        )
        return report


def forecast(
    classes: Sequence[str],
    params: ScrapeParams,
    *,
    root: Path,
    scratch: Path,
    task: Task = "one_label",
) -> list[str]:
    """Return a line for each search, then notes and the estimated time.

    Args:
        classes: Labels.
        params: Parameters of the scrape.
        root: Folder of the project.
        scratch: Scratch folder of the stage.
        task: Whether an image has one label.

    Raises:
        DataError: Files of a local source are missing.
        ScrapeError: The description of a site is missing or invalid.
    """
    names = dict.fromkeys(name for label in classes for name in params.sources_of(label))
    lines = []
    total = 0.0
    with read_journal(params, scratch) as journal:
        sources = make_sources(names, classes, params, root=root, task=task)
        searches = plan_searches(classes, params, sources)
        for search in searches:
            try:
                note, seconds = _visit(search, journal, params)
            except SearchError as failed:
                note = failed.message
                seconds = 0.0
            lines.append(
                f"{search.query.label}: {search.source.name} {search.query.address} ({note})"
            )
            total += seconds
    if params.licences is not None:
        lines += [
            f"'{name}' reports no licences, so scrape.licences refuses all its images (use "
            "openverse or wikimedia, "
            "or set scrape.licences to null)"
            for name in dict.fromkeys(
                each.source.name for each in searches if each.source.kind in ("pages", "local")
            )
        ]
    if not total:
        return [*lines, "Nothing to visit: everything has been fetched or is on this machine."]
    minutes = max(1, round(total / min(params.browsers, len(searches)) / 60))
    return [
        *lines,
        (
            f"Estimated time: about {count(minutes, 'minute')}, if sites respond as usual and "
            "robots.txt allows it."
        ),
    ]


def _visit(search: Search, journal: Journal | None, params: ScrapeParams) -> tuple[str, float]:
    """Return what a search would do and its estimated seconds."""
    source = search.source
    query = search.query
    if source.kind == "local":
        if source.name == "folder":
            next(source.search(query, NO_ACCESS))
        return "on this machine", 0.0
    if source.kind == "list":
        return _read_list(search, journal, params)
    results = journal.results(search.name) if journal else None
    expected = limit_candidates(params.expect_at_least, params)
    if results and results.suffice(params.per_query) and len(results.candidates) >= expected:
        return f"{len(results.candidates):,} candidates from an earlier run", 0.0
    if is_within(urlsplit(query.address).hostname or "", params.opt_out):
        return "skipped: in scrape.opt_out", 0.0
    is_one_host = source.name in _ONE_HOST or source.name.startswith("site:")
    rate = (params.rate if is_one_host else None) or _FETCHES_PER_SECOND
    seconds = limit_candidates(_TYPICAL_CANDIDATES, params) / rate
    if isinstance(source, SiteSource) and source.site.detail:
        return "to visit, with a page for each result", 2 * seconds
    return "to visit", seconds


def _read_list(search: Search, journal: Journal | None, params: ScrapeParams) -> tuple[str, float]:
    """Return how many URLs of a list are still to fetch, and the estimated seconds."""
    found = list(islice(search.source.search(search.query, NO_ACCESS), params.per_query))
    left = len(found)
    if journal is not None:
        for each in found:
            address = address_of(search.fingerprint, each.image_url or "", each.md5)
            left -= journal.outcome(address) is not None
    text = f"{len(found):,} URLs in the lists, {left:,} still to fetch"
    return text, left / _FETCHES_PER_SECOND
