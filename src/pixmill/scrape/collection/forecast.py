"""The dry run: list the searches of a scrape and estimate its time without any request."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from pixmill.core.params import ScrapeParams
from pixmill.core.words import count
from pixmill.scrape.collection.access import NO_ACCESS
from pixmill.scrape.collection.judge import address_of
from pixmill.scrape.collection.searches import Search, plan_searches
from pixmill.scrape.journal import Journal, read_journal
from pixmill.scrape.quota import limit_candidates
from pixmill.scrape.sources import SearchError, open_sources
from pixmill.scrape.sources.site import SiteSource
from pixmill.web.fetch.location import is_within

_TYPICAL_CANDIDATES = 400
"""Candidates of a search without limits."""

_FETCHES_PER_SECOND = 20.0
"""Fetch rate for images from many hosts; those of a shop come from one (``scrape.rate``)."""

_ONE_HOST = {"amazon", "wikimedia"}


def forecast(classes: Sequence[str], params: ScrapeParams, *, root: Path, scratch: Path) -> list[str]:
    """Return a line for each search, then notes and the estimated time.

    Args:
        classes: Labels.
        params: Parameters of the scrape.
        root: Folder of the project.
        scratch: Scratch folder of the stage.

    Raises:
        DataError: Files of a local source are missing.
        ScrapeError: The description of a site is missing or invalid.
    """
    names = dict.fromkeys(name for label in classes for name in params.sources_of(label))
    lines, total = [], 0.0
    with open_sources(names, classes, params, root=root) as opened, read_journal(params, scratch) as journal:
        searches = plan_searches(classes, params, opened.sources)
        for search in searches:
            try:
                note, seconds = _visit(search, journal, params)
            except SearchError as failed:
                note, seconds = failed.message, 0.0
            lines.append(f"{search.query.label}: {search.source.name} {search.query.address} ({note})")
            total += seconds
    if params.licences is not None:
        lines += [
            f"'{name}' reports no licences, so scrape.licences refuses all its images (use openverse or wikimedia, "
            "or set scrape.licences to null)"
            for name in dict.fromkeys(each.source.name for each in searches if each.source.kind in ("pages", "local"))
        ]
    if not total:
        return [*lines, "Nothing to visit: everything has been fetched or is on this machine."]
    minutes = max(1, round(total / min(params.browsers, len(searches)) / 60))
    return [
        *lines,
        f"Estimated time: about {count(minutes, 'minute')}, if sites respond as usual and robots.txt allows it.",
    ]


def _visit(search: Search, journal: Journal | None, params: ScrapeParams) -> tuple[str, float]:
    """Return what a search would do and its estimated seconds."""
    source, query = search.source, search.query
    if source.kind == "local":
        if source.name == "folder":
            next(source.search(query, NO_ACCESS))
        return "on this machine", 0.0
    if source.kind == "list":
        found = list(islice(source.search(query, NO_ACCESS), params.per_query))
        addresses = [address_of(search.fingerprint, each.image_url or "", each.md5) for each in found]
        left = sum(journal is None or journal.outcome(address) is None for address in addresses)
        return f"{len(found):,} URLs in the lists, {left:,} still to fetch", left / _FETCHES_PER_SECOND
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
