"""The images of Wikimedia Commons, by its public API."""

import re
import time
from collections.abc import Iterator, Mapping
from html import unescape
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from pixmill.scrape.candidate import Query
from pixmill.scrape.sources.failure import SearchError
from pixmill.scrape.sources.search_api import ApiSource, ask_json, dig, number, text
from pixmill.scrape.sources.source import Access

_API = "https://commons.wikimedia.org/w/api.php"

_ASKED = {
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
"""``gsrlimit``: the largest page for who has no account. ``iiurlwidth``: a width in which thumbnails are kept ready.
``maxlag``: programs are asked to step back while the servers are behind (mediawiki.org, Manual:Maxlag)."""

_RASTER = {"image/bmp", "image/gif", "image/jpeg", "image/png", "image/tiff", "image/webp", "image/x-ms-bmp"}
_PASSING = {"maxlag", "ratelimited"}
_ATTEMPTS = 3
_LONGEST_HTML = 4000
_BREAK = re.compile(r"</?(?:br|div|li|p|td)\b[^<>]*>", re.IGNORECASE)
_LINK = re.compile(r"""<a\s[^<>]*?\bhref\s*=\s*["']?([^"'\s<>]+)""", re.IGNORECASE)
_TAG = re.compile(r"<!--.*?-->|<(script|style)\b.*?</\1\s*>|</?[a-z][^<>]*>", re.DOTALL | re.IGNORECASE)
_MOST_QUESTIONS = 1000
"""Bounds a search whatever is answered: Commons shows 10,000 results, 50 at a time, each part in a few answers."""


class WikimediaSource(ApiSource):
    """Search Commons for photographs and other raster images; drawings, sound and films are passed by.

    Args:
        pause: Seconds to wait where the servers ask for patience; they recommend at least five.
    """

    name = "wikimedia"

    def __init__(self, pause: float = 5.0) -> None:
        self._pause = pause

    def address(self, words: str, further: Mapping[str, object] = MappingProxyType({})) -> str:
        """Return the address of an answer, by what the one before said of how to go on."""
        asked = {**_ASKED, "gsrsearch": f"filetype:bitmap {words}", **further}
        return f"{_API}?{urlencode(asked, errors='replace')}"  # half a character can be asked for nowhere

    def results(self, query: Query, access: Access) -> Iterator[dict[str, Any]]:
        """Yield the raster images of each part of the results by their place, once all that is asked of them has come.

        An answer that would be too long brings the same pages again, with the images that were missing.
        """
        images: list[dict[str, Any]] = []
        further: object = {}
        for _ in range(_MOST_QUESTIONS):
            if not isinstance(further, dict):
                raise SearchError("layout_changed", f"{query.address} returned an invalid continuation: {further!r}")
            answer = self._ask(access, self.address(query.text or query.label, further))
            pages = dig(answer, "query", "pages") if "query" in answer else []  # left out where nothing is found
            if not isinstance(pages, list):
                raise SearchError("layout_changed", f"{query.address} returned no 'query.pages'")
            images += [page for page in pages if text(dig(page, "imageinfo", 0, "mime")) in _RASTER]
            further = answer.get("continue")
            if further is None or answer.get("batchcomplete"):
                yield from sorted(images, key=lambda page: number(page.get("index")) or 0)
                images = []
            if further is None:
                return
        raise SearchError("endless", f"{query.address} did not end after {_MOST_QUESTIONS} responses")

    def fields(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return what a page and its image say."""
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
        for attempt in range(_ATTEMPTS):
            time.sleep(self._pause if attempt else 0)
            answer = ask_json(access, url)
            code, info = text(dig(answer, "error", "code")), dig(answer, "error", "info")
            if "error" not in answer:
                return answer
            if code not in _PASSING:
                raise SearchError("stalled", f"{url} returned the error '{code}': {info}")
        raise SearchError(
            "blocked", f"{url} limits the request rate ('{code}': {info}); retry later (images found so far are kept)"
        )


def address_in(html: str | None) -> str | None:
    """Return the address that a link leads to, or the words of a text that is none.

    Examples:
        >>> address_in('<a rel="nofollow" href="https://x.test/by/4.0/?a=1&amp;b=2">CC BY 4.0</a>')
        'https://x.test/by/4.0/?a=1&b=2'
        >>> address_in("//x.test/by/4.0/")
        '//x.test/by/4.0/'
    """
    link = _LINK.search((html or "")[:_LONGEST_HTML])
    return unescape(link[1]) if link else plain_text(html)


def plain_text(html: str | None) -> str | None:
    """Return the words of a fragment of HTML in one line, or ``None`` where there are none.

    Examples:
        >>> plain_text('<a href="//x.test">Ann &amp; Bob</a><br>(talk)')
        'Ann & Bob (talk)'
    """
    text = _TAG.sub("", _BREAK.sub(" ", (html or "")[:_LONGEST_HTML]))
    return " ".join(unescape(text).split()) or None
