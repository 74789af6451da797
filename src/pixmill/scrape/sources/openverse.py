"""Openly licensed images of many collections, by the public API of Openverse."""

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
"""The largest page that is given to who asks without an account; a larger one is answered with 401."""
_MOST_PAGES = 500
"""Bounds a search whatever is answered: nobody sees more than 10,000 results."""
_TOO_DEEP = {"http_400", "http_401", "http_404"}
"""How a page behind the last that may be seen is answered: who has no account sees 240 results of a search."""


class OpenverseSource(ApiSource):
    """Search Openverse as it wants to be searched: page by page, no deeper than it shows.

    Args:
        licences: The families of licences that are asked for, so that none of the few results that may be seen is
            wasted; ``None`` for all.
    """

    name = "openverse"

    def __init__(self, licences: Collection[str] | None = None) -> None:
        self._licences = {} if licences is None else {"license": ",".join(sorted(licences))}

    def address(self, words: str, page: int = 1) -> str:
        """Return the address of a page of results."""
        return f"{_SEARCH}?{urlencode({'q': words, 'page': page, 'page_size': _PAGE_SIZE} | self._licences)}"

    def results(self, query: Query, access: Access) -> Iterator[dict[str, Any]]:
        """Yield the results of all pages, in the order of their relevance."""
        page, pages = 1, 1
        while page <= pages:
            ends = _TOO_DEEP if page > 1 else set()
            answer = ask_json(access, self.address(query.text or query.label, page), ends)
            results = answer.get("results") if answer else []
            if not isinstance(results, list):
                raise SearchError("layout_changed", f"{query.address} returned no 'results'")
            yield from (result for result in results if isinstance(result, dict))
            pages = min(number(answer.get("page_count")) or 0, _MOST_PAGES)
            page += 1

    def fields(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return what a result says.

        ``filesize`` is left out: it is what some catalogue once saw, no promise about what its site serves today.
        """
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
