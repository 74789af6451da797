"""Openly licensed pictures of many collections, by the public API of Openverse."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.licences import parse_licence
from pixmill.scrape.sources.api import Refusal, ask_json, number, text
from pixmill.scrape.sources.failure import SearchFailed
from pixmill.scrape.sources.source import Access, Kind

__all__ = ["OpenverseSource"]

_SEARCH = "https://api.openverse.org/v1/images/"
_PAGE_SIZE = 20
"""The largest page that is given to who asks without an account; a larger one is answered with 401."""
_MOST_PAGES = 500
"""Bounds a search whatever is answered: nobody sees more than 10,000 results."""
_TOO_DEEP = {"http_400", "http_401", "http_404"}
"""How a page behind the last that may be seen is answered: who has no account sees 240 results of a search."""


class OpenverseSource:
    """Search Openverse as it wants to be searched: page by page, no deeper than it shows.

    Args:
        licences: The families of licences that are asked for, so that none of the few results that may be seen is
            wasted; ``None`` for all.
    """

    name = "openverse"
    kind: Kind = "api"

    def __init__(self, licences: Collection[str] | None = None) -> None:
        self._licences = None if licences is None else ",".join(sorted(licences))

    def fingerprint(self) -> str:
        """Return nothing: this is the live web."""
        return ""

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:
        """Return a search for each text."""
        return [Query(label, words, self._page(words, 1)) for words in texts]

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:
        """Yield the results of all pages, in the order of their relevance.

        Raises:
            SearchFailed: The API does not answer, answers something unknown, or has no results.
        """
        rank = 0
        page, pages = 1, 1
        while page <= pages:
            try:
                answer = ask_json(access, self._page(query.text or query.label, page))
            except Refusal as refusal:
                if page > 1 and refusal.refused.reason in _TOO_DEEP:
                    return
                raise
            results = answer.get("results")
            if not isinstance(results, list):
                raise SearchFailed("layout_changed", f"{query.address} answered without 'results'")
            for result in results:
                if isinstance(result, dict):
                    yield _candidate(query, rank, result)
                    rank += 1
            pages = min(number(answer.get("page_count")) or 0, _MOST_PAGES)
            page += 1
        if rank == 0:
            raise SearchFailed("no_results", f"{query.address} has no results")

    def _page(self, words: str, page: int) -> str:
        asked = {"q": words, "page": page, "page_size": _PAGE_SIZE}
        return f"{_SEARCH}?{urlencode(asked if self._licences is None else asked | {'license': self._licences})}"


def _candidate(query: Query, rank: int, result: dict[str, Any]) -> Candidate:
    # 'filesize' is left out: it is what some catalogue once saw, no promise about what its site serves today.
    return Candidate(
        query.label,
        query.text,
        rank,
        text(result.get("url")),
        thumbnail_url=text(result.get("thumbnail")),
        page_url=text(result.get("foreign_landing_url")),
        title=text(result.get("title")),
        width=number(result.get("width")),
        height=number(result.get("height")),
        licence=_licence(result),
        author=text(result.get("creator")),
        route="json",
    )


def _licence(result: dict[str, Any]) -> str | None:
    url, code = text(result.get("license_url")), text(result.get("license"))
    if url or not code:
        return url
    name = f"{code} {text(result.get('license_version')) or ''}".strip()
    return str(parse_licence(name) or name)
