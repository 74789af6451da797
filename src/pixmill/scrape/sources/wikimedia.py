"""The pictures of Wikimedia Commons, by its public API."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.api import ask_json, number, text
from pixmill.scrape.sources.failure import SearchFailed
from pixmill.scrape.sources.source import Access, Kind

__all__ = ["WikimediaSource", "plain_text"]

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
_MOST_QUESTIONS = 1000
"""Bounds a search whatever is answered: Commons shows 10,000 results, 50 at a time, each part in a few answers."""


class WikimediaSource:
    """Search Commons for photographs and other raster images; drawings, sound and films are passed by.

    Args:
        pause: Seconds to wait where the servers ask for patience; they recommend at least five.
    """

    name = "wikimedia"
    kind: Kind = "api"

    def __init__(self, pause: float = 5.0) -> None:
        self._pause = pause

    def fingerprint(self) -> str:
        """Return nothing: this is the live web."""
        return ""

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:
        """Return a search for each text."""
        return [Query(label, words, _url(words)) for words in texts]

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:
        """Yield the pictures that Commons finds, in its own order.

        Raises:
            SearchFailed: The API does not answer, reports an error, asks for more patience than we have, or finds
                nothing.
        """
        rank = 0
        for batch in self._batches(query, access):
            for page in batch:
                candidate = _candidate(query, rank, page)
                if candidate is not None:
                    yield candidate
                    rank += 1
        if rank == 0:
            raise SearchFailed("no_results", f"{query.address} finds no picture")

    def _batches(self, query: Query, access: Access) -> Iterator[list[dict[str, Any]]]:
        """Yield the pages of each part of the results by their place, once all that is asked of them has come."""
        pages: dict[int | None, dict[str, Any]] = {}
        further: object = {}
        for _ in range(_MOST_QUESTIONS):
            if not isinstance(further, dict):
                raise SearchFailed("layout_changed", f"{query.address} does not say how it goes on: {further!r}")
            answer = self._ask(access, _url(query.text or query.label, further))
            for page in _pages(answer, query):
                # An answer that would be too long brings the same pages again, with what was missing.
                pages.setdefault(number(page.get("pageid")), {}).update(page)
            further = answer.get("continue")
            if further is None or answer.get("batchcomplete"):
                yield sorted(pages.values(), key=lambda page: number(page.get("index")) or 0)
                pages = {}
            if further is None:
                return
        raise SearchFailed("endless", f"{query.address} was not at its end after {_MOST_QUESTIONS} answers")

    def _ask(self, access: Access, url: str) -> dict[str, Any]:
        for attempt in range(1, _ATTEMPTS + 1):
            answer = ask_json(access, url)
            error = answer.get("error")
            if not isinstance(error, dict):
                return answer
            code, info = text(error.get("code")), text(error.get("info"))
            if code not in _PASSING:
                raise SearchFailed("stalled", f"{url} answered with the error '{code}': {info}")
            if attempt < _ATTEMPTS:
                time.sleep(self._pause)
        raise SearchFailed(
            "blocked", f"{url} asks for a pause ('{code}': {info}); go on later (what was found is kept)"
        )


class _Words(HTMLParser):
    """Collect the text of a fragment of HTML, without what browsers do not show."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._silent += tag in {"script", "style"}
        if tag in {"br", "div", "li", "p", "td"}:
            self.words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in {"script", "style"} and self._silent > 0

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)


def plain_text(html: str | None) -> str | None:
    """Return the words of a fragment of HTML in one line, or ``None`` where there are none.

    Of a long fragment the beginning is read, since the parser takes hours for some that are malformed.
    """
    parser = _Words()
    # The parser gives up on a declaration that it does not know; what it has read by then holds.
    with contextlib.suppress(AssertionError):
        parser.feed((html or "")[:_LONGEST_HTML])
        parser.close()
    return " ".join("".join(parser.words).split()) or None


def _url(words: str, further: dict[str, object] | None = None) -> str:
    asked = _ASKED | {"gsrsearch": f"filetype:bitmap {words}"} | (further or {})
    return f"{_API}?{urlencode(asked, errors='replace')}"  # half a character can be asked for nowhere


def _pages(answer: dict[str, Any], query: Query) -> list[dict[str, Any]]:
    found = answer.get("query", {"pages": []})  # left out where nothing is found
    pages = found.get("pages") if isinstance(found, dict) else None
    if not isinstance(pages, list) or not all(isinstance(page, dict) for page in pages):
        raise SearchFailed("layout_changed", f"{query.address} answered without 'query.pages'")
    return pages


def _candidate(query: Query, rank: int, page: dict[str, Any]) -> Candidate | None:
    """Return a raster image, or ``None`` for anything else."""
    infos = page.get("imageinfo")
    info = infos[0] if isinstance(infos, list) and infos and isinstance(infos[0], dict) else {}
    if text(info.get("mime")) not in _RASTER:
        return None
    title = text(page.get("title"))
    return Candidate(
        query.label,
        query.text,
        rank,
        text(info.get("url")),
        thumbnail_url=text(info.get("thumburl")),
        page_url=text(info.get("descriptionurl")),
        title=None if title is None else re.sub(r"^File:", "", title),
        width=number(info.get("width")),
        height=number(info.get("height")),
        licence=_metadata(info, "LicenseUrl") or plain_text(_metadata(info, "LicenseShortName")),
        author=plain_text(_metadata(info, "Artist")),
        route="json",
        bytes=number(info.get("size")),
    )


def _metadata(info: dict[str, Any], name: str) -> str | None:
    metadata = info.get("extmetadata")
    field = metadata.get(name) if isinstance(metadata, dict) else None
    return text(field.get("value")) if isinstance(field, dict) else None
