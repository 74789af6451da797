"""The source ``wikimedia``: images of Wikimedia Commons, from its public API."""

import re
import time
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any
from urllib.parse import urlencode

from pixmill.scrape.candidate import Query
from pixmill.scrape.sources.failure import SearchError
from pixmill.scrape.sources.search_api import ApiSource, ask_json, dig, number, text
from pixmill.scrape.sources.source import Access

_API = "https://commons.wikimedia.org/w/api.php"

_PARAMETERS = {
    "action": "query",
    "format": "json",
    "formatversion": 2,
    "generator": "search",
    "gsrnamespace": 6,
    "gsrlimit": 50,
    "prop": "imageinfo",
    "iiprop": "url|size|mime|extmetadata",
    "iiextmetadatafilter": "Artist|LicenseShortName|LicenseUrl",
    "iiurlwidth": 330,
    "maxlag": 5,
}
"""``gsrlimit``: the maximum without an account. ``iiurlwidth``: a width of cached thumbnails. ``maxlag``: requested of
bots (mediawiki.org, Manual:Maxlag)."""

_RASTER_TYPES = {"image/bmp", "image/gif", "image/jpeg", "image/png", "image/tiff", "image/webp", "image/x-ms-bmp"}
_TRANSIENT_CODES = {"maxlag", "ratelimited"}
_MAX_ATTEMPTS = 3
_MAX_HTML_CHARACTERS = 4000
_BREAK = re.compile(r"</?(?:br|div|li|p|td)\b[^<>]*>", re.IGNORECASE)
_LINK = re.compile(r"""<a\s[^<>]*?\bhref\s*=\s*["']?([^"'\s<>]+)""", re.IGNORECASE)
_TAG = re.compile(r"<!--.*?-->|<(script|style)\b.*?</\1\s*>|</?[a-z][^<>]*>", re.DOTALL | re.IGNORECASE)
_MAX_REQUESTS = 1000
"""Commons shows at most 10,000 results, 50 per page, each page in a few responses."""


class WikimediaSource(ApiSource):
    """Search Commons for raster images.

    Args:
        pause: Seconds to wait before a retry; the servers recommend at least five.
    """

    name = "wikimedia"

    def __init__(self, pause: float = 5.0) -> None:
        self._pause = pause

    def address(self, words: str, further: Mapping[str, object] | None = None) -> str:
        """Return the URL of a response; ``further`` is the continuation of the one before."""
        parameters = {**_PARAMETERS, "gsrsearch": f"filetype:bitmap {words}", **(further or {})}
        return f"{_API}?{urlencode(parameters, errors='replace')}"

    def results(self, query: Query, access: Access) -> Iterator[dict[str, Any]]:
        """Yield the raster images of each page of results, in order, once the page is complete.

        A page whose response would be too long is repeated, each time with the metadata of other images.
        """
        images: list[dict[str, Any]] = []
        further: object = {}
        for _ in range(_MAX_REQUESTS):
            if not isinstance(further, dict):
                raise SearchError("layout_changed", f"{query.address} returned an invalid continuation: {further!r}")
            answer = self._ask(access, self.address(query.text or query.label, further))
            pages = dig(answer, "query", "pages") if "query" in answer else []  # absent without results
            if not isinstance(pages, list):
                raise SearchError("layout_changed", f"{query.address} returned no 'query.pages'")
            images += [page for page in pages if text(dig(page, "imageinfo", 0, "mime")) in _RASTER_TYPES]
            further = answer.get("continue")
            if further is None or answer.get("batchcomplete"):
                yield from sorted(images, key=lambda page: number(page.get("index")) or 0)
                images = []
            if further is None:
                return
        raise SearchError("endless", f"{query.address} did not end after {_MAX_REQUESTS} responses")

    def fields(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a candidate."""
        info = dig(result, "imageinfo", 0)
        metadata = info.get("extmetadata")
        url, small = text(info.get("url")), text(info.get("thumburl"))
        return {
            "image_url": url,
            "thumbnail_url": None if small == url else small,  # a small original is its own thumbnail
            "page_url": text(info.get("descriptionurl")),
            "title": (text(result.get("title")) or "").removeprefix("File:") or None,
            "width": number(info.get("width")),
            "height": number(info.get("height")),
            "licence": address_in(text(dig(metadata, "LicenseUrl", "value")))
            or plain_text(text(dig(metadata, "LicenseShortName", "value"))),
            "author": plain_text(text(dig(metadata, "Artist", "value"))),
            "bytes": number(info.get("size")),
        }

    def _ask(self, access: Access, url: str) -> dict[str, Any]:
        code = info = None
        for attempt in range(_MAX_ATTEMPTS):
            time.sleep(self._pause if attempt else 0)
            answer = ask_json(access, url)
            code, info = text(dig(answer, "error", "code")), dig(answer, "error", "info")
            if "error" not in answer:
                return answer
            if code not in _TRANSIENT_CODES:
                raise SearchError("stalled", f"{url} returned the error '{code}': {info}")
        raise SearchError(
            "blocked", f"{url} limits the request rate ('{code}': {info}); retry later (images found so far are kept)"
        )


def address_in(html: str | None) -> str | None:
    """Return the URL of the first link, or the plain text if there is no link.

    Examples:
        >>> address_in('<a rel="nofollow" href="https://x.test/by/4.0/?a=1&amp;b=2">CC BY 4.0</a>')
        'https://x.test/by/4.0/?a=1&b=2'
        >>> address_in("//x.test/by/4.0/")
        '//x.test/by/4.0/'
    """
    link = _LINK.search((html or "")[:_MAX_HTML_CHARACTERS])
    return unescape(link[1]) if link else plain_text(html)


def plain_text(html: str | None) -> str | None:
    """Return the text of an HTML fragment in one line, or ``None`` if it is empty.

    Examples:
        >>> plain_text('<a href="//x.test">Ann &amp; Bob</a><br>(talk)')
        'Ann & Bob (talk)'
    """
    text = _TAG.sub("", _BREAK.sub(" ", (html or "")[:_MAX_HTML_CHARACTERS]))
    return " ".join(unescape(text).split()) or None
