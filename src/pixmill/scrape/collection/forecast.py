"""The dry run: what a scrape would visit, and about how long it would take, without visiting anything."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from pixmill.core.params import ScrapeParams
from pixmill.core.words import count
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.collection.access import NOWHERE
from pixmill.scrape.collection.judge import address_of
from pixmill.scrape.collection.reach import private_hosts
from pixmill.scrape.collection.searches import Search, plan_searches
from pixmill.scrape.image_store import StoredImage
from pixmill.scrape.journal import Journal, read_journal
from pixmill.scrape.licences import permits
from pixmill.scrape.quota import Quota, at_most
from pixmill.scrape.sources import SearchError, open_sources, row_of
from pixmill.scrape.sources.site import SiteSource
from pixmill.web.fetch import Refused
from pixmill.web.fetch.location import is_within

_CANDIDATES = {"pages": 400, "api": 240}
"""About how many a search brings where no parameter limits it."""

_FETCHES = 20.0
"""Images a second from the many hosts that engines and lists lead to; a shop's come from one (``scrape.rate``)."""

_DETAIL_SECONDS = 1.0
"""How long it takes to open a product page, where the pace of its host allows that."""

_DOWNLOAD_SECONDS = 30.0


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
    quotas: defaultdict[str, Quota] = defaultdict(lambda: Quota(params.per_class))
    lines, total = [], 0.0
    with open_sources(names, classes, params, root=root) as opened:
        searches = plan_searches(classes, params, opened.sources)
        with read_journal(params, scratch) as journal:
            for search in searches:
                note, seconds = _visit(search, journal, params, quotas[search.query.label])
                lines.append(f"{search.query.label}: {search.source.name} {search.query.address} ({note})")
                total += seconds
        lines += [f"'{name}': {sentence}" for name, sentence in private_hosts(opened.sources, classes, params)]
    if params.licences is not None:
        lines += [
            f"'{name}' reports no licences, so scrape.licences refuses all its images (use openverse or wikimedia, "
            "or set scrape.licences to null)"
            for name in dict.fromkeys(each.source.name for each in searches if each.source.kind in ("pages", "local"))
        ]
    if not total:
        return [*lines, "Nothing to visit: everything has been fetched or is on this machine."]
    minutes = max(1, round(total / min(params.browsers, len(searches)) / 60))
    time = f"about {count(minutes, 'minute')}"
    return [*lines, f"Estimated time: {time}, if sites respond as usual and robots.txt allows it."]


def _visit(search: Search, journal: Journal | None, params: ScrapeParams, quota: Quota) -> tuple[str, float]:
    """Return what one search would do, and about how many seconds that takes.

    Args:
        search: The search.
        journal: What was answered before; ``None`` where there is no journal.
        params: What the scrape would be told.
        quota: The images of the class so far, to which those of this search are added.
    """
    source, row = search.source, row_of(search.source.name)
    answers = journal.answers(search.name) if journal else None
    try:
        if source.kind == "local":
            return _read(search, params)
        remembered = answers.candidates if answers else []
        known = source.search(search.query, NOWHERE) if source.kind == "list" else remembered
        taken, left = _count(search, known, journal, params, quota)
    except SearchError as failed:
        return failed.message, 0.0
    rate = _FETCHES if row.many_hosts or params.rate is None else params.rate
    if source.kind == "list":
        return f"{taken:,} URLs in the lists, {left:,} still to fetch", left / rate
    is_enough = answers and answers.suffice(params.per_query) and taken >= at_most(params.expect_at_least, params)
    if quota.is_full or is_enough:
        return f"{taken:,} candidates from an earlier run", 0.0
    if is_within(urlsplit(search.query.address).hostname or "", params.opt_out):
        return "skipped: in scrape.opt_out", 0.0
    expected = at_most(_CANDIDATES[source.kind], params)
    seconds = expected * (row.seconds + (0.0 if source.name == "shop" else 1 / rate))
    if isinstance(source, SiteSource) and source.site.detail:
        # Results pages are few; product pages are one each.
        pages = min(expected, source.site.settings.most)
        visits, longest = pages * max(_DETAIL_SECONDS, 1 / rate), source.site.settings.longest
        end = f", ended by settings.longest after {longest:g} s" if visits > longest else ""
        return f"to visit, and up to {pages:,} product pages{end}", seconds + min(visits, longest)
    return "to visit", seconds


def _read(search: Search, params: ScrapeParams) -> tuple[str, float]:
    """Return whether a source of this machine has images for a class."""
    if search.source.name == "folder":
        next(search.source.search(search.query, NOWHERE))
    is_remote = search.source.name == "keras" and params.keras.path is None
    return ("downloaded once by Keras", _DOWNLOAD_SECONDS) if is_remote else ("on this machine", 0.0)


def _count(
    search: Search, known: Iterable[Candidate], journal: Journal | None, params: ScrapeParams, quota: Quota
) -> tuple[int, int]:
    """Return how many of the known candidates would be looked at, and how many images are still to fetch."""
    taken = left = 0
    for candidate in islice(known, params.per_query):
        if left >= quota.missing:
            break
        taken += 1
        if not permits(candidate.licence, params.licences):
            continue
        address = address_of(search.world, candidate.image_url or "", candidate.md5)
        outcome = journal.outcome(address) if journal else None
        left += outcome is None or (isinstance(outcome, Refused) and outcome.transient)
        if isinstance(outcome, StoredImage):
            quota.add(outcome)
    return taken, left
