"""Say what a scrape would visit, and about how long that takes, without visiting anything."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pixmill.params import ScrapeParams
from pixmill.scrape.access import NOWHERE
from pixmill.scrape.crawl import fewest
from pixmill.scrape.journal import Journal
from pixmill.scrape.ledger import address_of
from pixmill.scrape.licences import permits
from pixmill.scrape.pictures import Picture
from pixmill.scrape.plan import Search, plan
from pixmill.scrape.shelf import journal_path
from pixmill.scrape.sources import SearchFailed, open_sources

__all__ = ["Forecast", "Visit", "forecast"]

_CANDIDATES = {"pages": 400, "api": 240}
"""About how many a search brings where no parameter limits it."""

_SEARCH_SECONDS = {"google": 0.45, "shop": 0.02, "openverse": 0.05, "wikimedia": 0.02}
_PAGE_SECONDS = 0.1
"""Seconds that finding one candidate takes, roughly: pages as on replicas of the slower of them, APIs by guess."""

_FETCHES = 20.0
"""Pictures a second from the many hosts that engines and lists lead to; a shop's come from one (``scrape.rate``)."""

_MANY_HOSTS = {"bing", "duckduckgo", "google", "openverse", "urls", "yahoo"}

_DOWNLOAD = "Keras downloads it once"


@dataclass(frozen=True)
class Visit:
    """Say what one search would do.

    Args:
        search: The search.
        known: How many candidates are in the journal, or of a list: are still to be fetched; ``None`` where the source
            must be asked.
        seconds: About how long finding and fetching take.
        note: What a person should know of it, in a few words.
    """

    search: Search
    known: int | None
    seconds: float
    note: str

    def __str__(self) -> str:
        query = self.search.query
        return f"{query.label}: {self.search.source.name} {query.address} ({self.note})"


@dataclass(frozen=True)
class Forecast:
    """Hold what a scrape would do.

    Args:
        visits: One a search, in order.
        browsers: How many searches run at the same time.
        remarks: What speaks against it, in sentences.
    """

    visits: Sequence[Visit]
    browsers: int
    remarks: Sequence[str] = ()

    @property
    def seconds(self) -> float:
        """About how long it takes in all."""
        return sum(visit.seconds for visit in self.visits) / min(self.browsers, max(1, len(self.visits)))

    def lines(self) -> list[str]:
        """Return the forecast for people."""
        asked = sum(visit.known is None and visit.search.source.kind in _CANDIDATES for visit in self.visits)
        listed = sum(visit.known or 0 for visit in self.visits if visit.search.source.kind == "list")
        told = [f"{asked:,} to visit"] if asked else []
        told += [f"{listed:,} pictures of lists to fetch"] if listed else []
        told += ["a data set to download"] if any(visit.note == _DOWNLOAD for visit in self.visits) else []
        if not told:
            nothing = "Nothing to visit: all of it is in the journal or on this machine."
            return [*map(str, self.visits), *self.remarks, nothing]
        minutes = max(1, round(self.seconds / 60))
        time = "less than a minute" if self.seconds < 45 else f"about {minutes:,} minute{'s' if minutes > 1 else ''}"
        return [
            *map(str, self.visits),
            *self.remarks,
            f"{', '.join(told)}; {time}, where sites answer as they usually do and their robots.txt lets us.",
        ]


def forecast(classes: Sequence[str], params: ScrapeParams, *, root: Path, scratch: Path) -> Forecast:
    """Return what a scrape would do now.

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
    with open_sources(names, classes, params, root=root, scratch=scratch) as opened:
        searches = plan(classes, params, opened.sources)
        path = journal_path(scratch, params)
        ids: dict[str, set[str]] = {}
        with Journal(path, read_only=True) if path.is_file() else contextlib.nullcontext() as journal:
            visits = [_visit(search, journal, params, ids.setdefault(search.query.label, set())) for search in searches]
    return Forecast(visits, params.browsers, _remarks(searches, params))


def _known(journal: Journal, search: Search, params: ScrapeParams, ids: set[str]) -> int | None:
    """Return how many candidates are known of a search that would not be asked again.

    Args:
        journal: What was answered before.
        search: The search.
        params: What the scrape would be told.
        ids: The different pictures of the class so far, to which those of the search are added.
    """
    answers = journal.answers(search.name)
    known = answers.candidates[: params.per_query] if answers else []
    if params.per_class is not None:
        for candidate in known:
            outcome = journal.outcome(address_of(search.world, candidate.image_url or "", candidate.md5))
            if isinstance(outcome, Picture):
                ids.add(outcome.id)
        if len(ids) >= params.per_class:
            return len(known)
    expected = fewest(params.expect_at_least, params.per_class, params.per_query)
    return len(known) if answers and answers.suffice(params.per_query) and len(known) >= expected else None


def _visit(search: Search, journal: Journal | None, params: ScrapeParams, ids: set[str]) -> Visit:
    source = search.source
    limits = [limit for limit in (params.per_query, params.per_class) if limit is not None]
    rate = _FETCHES if source.name in _MANY_HOSTS or params.rate is None else params.rate
    if source.kind == "local":
        is_remote = source.name == "keras" and params.keras.path is None
        return Visit(search, None, 0.0, _DOWNLOAD if is_remote else "on this machine")
    if source.kind == "list":
        return _listed(search, journal, params, ids, rate)
    known = None if journal is None else _known(journal, search, params, ids)
    if known is not None:
        return Visit(search, known, 0.0, f"in the journal, {known:,} candidates")
    if _is_left_alone(search, params):
        return Visit(search, 0, 0.0, "left alone: scrape.opt_out")
    count = min([_CANDIDATES[source.kind], *limits])
    fetching = 0.0 if source.name == "shop" else count / rate
    return Visit(search, None, count * _SEARCH_SECONDS.get(source.name, _PAGE_SECONDS) + fetching, "to visit")


def _listed(search: Search, journal: Journal | None, params: ScrapeParams, ids: set[str], rate: float) -> Visit:
    """Count the addresses that a list has for a class, and those of them that are still to be fetched."""
    count = settled = 0
    try:
        for count, candidate in enumerate(search.source.search(search.query, NOWHERE), start=1):
            if params.per_query is not None and count > params.per_query:
                continue
            if not permits(candidate.licence, params.licences):
                settled += 1
            elif journal is not None:
                outcome = journal.outcome(address_of(search.world, candidate.image_url or "", candidate.md5))
                settled += isinstance(outcome, Picture) or (outcome is not None and not outcome.transient)
                if isinstance(outcome, Picture) and params.per_class is not None:
                    ids.add(outcome.id)
    except SearchFailed as failed:
        return Visit(search, 0, 0.0, failed.message)
    wanted = min([count, *(limit for limit in (params.per_query, params.per_class) if limit is not None)])
    left = min(count, params.per_query or count) - settled
    if params.per_class is not None:
        left = min(left, max(0, params.per_class - len(ids)))
    told = f"a list with {count:,} address{'' if count == 1 else 'es'}"
    told += f", of which {wanted:,} are taken" if wanted < count else ""
    told += f", {left:,} still to fetch" if settled else ""
    return Visit(search, left, left / rate, told)


def _is_left_alone(search: Search, params: ScrapeParams) -> bool:
    host = f".{urlsplit(search.query.address).hostname}"
    return any(host.endswith(f".{name}") for name in params.opt_out)


def _remarks(searches: Sequence[Search], params: ScrapeParams) -> list[str]:
    if params.licences is None:
        return []
    silent = dict.fromkeys(search.source.name for search in searches if search.source.kind in ("pages", "local"))
    return [
        f"'{name}' tells no licence: with scrape.licences, none of its pictures is taken (use openverse or wikimedia, "
        "or set scrape.licences to null)"
        for name in silent
    ]
