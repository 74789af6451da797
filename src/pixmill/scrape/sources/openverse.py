"""The source ``openverse``: openly licensed images of many collections, from the public API of Openverse."""

from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import urlencode

from pixmill.scrape.candidate import Query
from pixmill.scrape.licences import parse_licence
from pixmill.scrape.sources.failure import SearchError
from pixmill.scrape.sources.search_api import ApiSource, ask_json, number, text
from pixmill.scrape.sources.source import Access

_SEARCH = "https://api.openverse.org/v1/images/"
_PAGE_SIZE = 20
"""The largest page size without an account; a larger one returns status 401."""
_MAX_PAGES = 500
"""Openverse shows at most 10,000 results."""
_END_REASONS = {"http_400", "http_401", "http_404"}
"""Responses to a page after the last; without an account, a search shows 240 results."""


class OpenverseSource(ApiSource):
    """Search Openverse page by page.

    Args:
        licences: Families of licences to search for; ``None`` for all.
    """

    name = "openverse"

    def __init__(self, licences: Collection[str] | None = None) -> None:
        self._licences = {} if licences is None else {"license": ",".join(sorted(licences))}

    def address(self, words: str, page: int = 1) -> str:
        """Return the URL of a results page."""
        return f"{_SEARCH}?{urlencode({'q': words, 'page': page, 'page_size': _PAGE_SIZE} | self._licences)}"

    def results(self, query: Query, access: Access) -> Iterator[dict[str, Any]]:
        """Yield the results of all pages, by relevance."""
        page, pages = 1, 1
        while page <= pages:
            ends = _END_REASONS if page > 1 else set()
            answer = ask_json(access, self.address(query.text or query.label, page), ends)
            results = answer.get("results") if answer else []
            if not isinstance(results, list):
                raise SearchError("layout_changed", f"{query.address} returned no 'results'")
            yield from (result for result in results if isinstance(result, dict))
            pages = min(number(answer.get("page_count")) or 0, _MAX_PAGES)
            page += 1

    def fields(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a candidate, without ``filesize``, which is often outdated."""
        code, version = text(result.get("license")), text(result.get("license_version"))
        name = f"{code} {version or ''}".strip() if code else None
        return {
            "image_url": text(result.get("url")),
            "thumbnail_url": text(result.get("thumbnail")),
            "page_url": text(result.get("foreign_landing_url")),
            "title": text(result.get("title")),
            "width": number(result.get("width")),
            "height": number(result.get("height")),
            "licence": text(result.get("license_url")) or (name and str(parse_licence(name) or name)),
            "author": text(result.get("creator")),
        }
