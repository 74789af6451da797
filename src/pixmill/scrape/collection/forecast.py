"""The dry run: the searches of a scrape, and about how long it would take, without visiting anything."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from pixmill.core.params import ScrapeParams
from pixmill.core.words import count
from pixmill.scrape.collection.access import NOWHERE
from pixmill.scrape.collection.judge import address_of
from pixmill.scrape.collection.searches import Search, plan_searches
from pixmill.scrape.journal import Journal, read_journal
from pixmill.scrape.quota import at_most
from pixmill.scrape.sources import SearchError, open_sources
from pixmill.scrape.sources.site import SiteSource
from pixmill.web.fetch.location import is_within

_CANDIDATES = 400
"""About how many a search brings where no parameter limits it."""

_FETCHES = 20.0
"""Images a second from the many hosts that engines and lists lead to; a shop's come from one (``scrape.rate``)."""

_ONE_HOST = {"amazon", "wikimedia"}


def forecast(classes: Sequence[str], params: ScrapeParams, *, root: Path, scratch: Path) -> list[str]:
    """Return what a scrape would do now, one line a search and one for all of them.

    Args:
        classes: The labels.
        params: What the scrape would be told.
        root: The project's folder.
        scratch: The stage's scratch place.

    Raises:
        DataError: What a source on this machine needs is missing.
        ScrapeError: The description of a site is missing or not sound.
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
    """Return what one search would do, and about how many seconds that takes."""
    source, query = search.source, search.query
    if source.kind == "local":
        if source.name == "folder":
            next(source.search(query, NOWHERE))
        return "on this machine", 0.0
    if source.kind == "list":
        found = list(islice(source.search(query, NOWHERE), params.per_query))
        addresses = [address_of(search.world, each.image_url or "", each.md5) for each in found]
        left = sum(journal is None or journal.outcome(address) is None for address in addresses)
        return f"{len(found):,} URLs in the lists, {left:,} still to fetch", left / _FETCHES
    answers = journal.answers(search.name) if journal else None
    if (
        answers
        and answers.suffice(params.per_query)
        and len(answers.candidates) >= at_most(params.expect_at_least, params)
    ):
        return f"{len(answers.candidates):,} candidates from an earlier run", 0.0
    if is_within(urlsplit(query.address).hostname or "", params.opt_out):
        return "skipped: in scrape.opt_out", 0.0
    is_one_host = source.name in _ONE_HOST or source.name.startswith("site:")
    seconds = at_most(_CANDIDATES, params) / ((params.rate if is_one_host else None) or _FETCHES)
    if isinstance(source, SiteSource) and source.site.detail:
        return "to visit, with a page for each result", 2 * seconds
    return "to visit", seconds
