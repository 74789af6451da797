"""Sources with a public JSON API: ``openverse`` and ``wikimedia`` (Commons)."""

import json
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from html import unescape
from typing import Any, Protocol
from urllib.parse import urlencode

from pixmill.fetch import Refused
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.licences import parse_licence
from pixmill.scrape.sources.source import Access, Failure, Kind, SearchError, Source

Json = dict[str, Any]
"""A JSON object."""

_FAILURES: dict[str, Failure] = {
    "busy": "blocked",
    "http_401": "blocked",
    "http_403": "blocked",
    "http_429": "blocked",
    "http_503": "blocked",
    "opted_out": "robots",
    "timeout": "timeout",
}
_ADVICE: dict[Failure, str] = {
    "blocked": (
        "set scrape.contact, lower scrape.rate, or retry later (images found so far are kept)"
    ),
    "timeout": "retry later (images found so far are kept)",
    "unreachable": "check the network, or retry later (images found so far are kept)",
}

_SEARCH = "https://api.openverse.org/v1/images/"
_PAGE_SIZE = 20
"""The largest page size without an account; a larger one returns status 401."""

_MAX_PAGES = 500
"""Openverse shows at most 10,000 results."""

_END_REASONS = {"http_400", "http_401", "http_404"}
"""Responses to a page after the last; without an account, a search shows 240 results."""

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
"""``gsrlimit``: the maximum without an account. ``iiurlwidth``: a width of cached thumbnails.

``maxlag``: requested of
bots (mediawiki.org, Manual:Maxlag).
"""

_RASTER_TYPES = {
    "image/bmp",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/tiff",
    "image/webp",
    "image/x-ms-bmp",
}
_TRANSIENT_CODES = {"maxlag", "ratelimited"}
_MAX_ATTEMPTS = 3
_MAX_HTML_CHARACTERS = 4000
_BREAK = re.compile(r"</?(?:br|div|li|p|td)\b[^<>]*>", re.IGNORECASE)
_LINK = re.compile(r"""<a\s[^<>]*?\bhref\s*=\s*["']?([^"'\s<>]+)""", re.IGNORECASE)
_TAG = re.compile(
    r"<!--.*?-->|<(script|style)\b.*?</\1\s*>|</?[a-z][^<>]*>", re.DOTALL | re.IGNORECASE
)
_MAX_REQUESTS = 1000
"""Commons shows at most 10,000 results, 50 per page, each page in a few responses."""


class ApiSource(Source, Protocol):
    """A source with a public API; subclasses define the requests and the fields of a result."""

    kind: Kind = "api"

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:
        """Return a query for each text."""
        return [Query(label, words, self.address(words)) for words in texts]

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:
        """Yield the results in the order of the API.

        Raises:
            SearchError: The API failed, returned an unknown response, or has no results.
        """
        rank = 0
        for result in self.results(query, access):
            yield Candidate(query.label, query.text, rank, route="json", **self.fields(result))
            rank += 1
        if rank == 0:
            raise SearchError("no_results", f"{query.address} has no results")

    def address(self, words: str) -> str:
        """Return the URL of the first response to a search."""
        ...

    def results(self, query: Query, access: Access) -> Iterator[Json]:
        """Yield the results of all responses, requesting each only when needed."""
        ...

    def fields(self, result: Json) -> Json:
        """Return the fields of a :class:`~pixmill.scrape.candidate.Candidate`."""
        ...


def ask_json(access: Access, url: str, ends: Collection[str] = ()) -> Json:
    """Return the JSON object at a URL of an API.

    Args:
        access: Network access.
        url: The URL.
        ends: Reasons of a refusal that mean the end of the results; an empty object is returned
            then.

    Raises:
        SearchError: The API failed, or the response is no JSON object.
    """
    answer = access.ask(url)
    if isinstance(answer, Refused):
        if answer.reason in ends:
            return {}
        failure = _FAILURES.get(answer.reason, "unreachable")
        detail = f" ({answer.detail})" if answer.detail else ""
        raise SearchError(
            failure, f"{url} failed: {answer.reason}{detail}", advice=_ADVICE.get(failure)
        )
    try:
        content = json.loads(answer.content)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise SearchError("layout_changed", f"{url} did not return a JSON object")
    return content


def dig(value: Any, *path: str | int) -> Any:
    """Return the value at a path through objects and lists, or ``None``."""
    for key in path:
        try:
            value = value[key]
        except (LookupError, TypeError):
            return None
    return value


def text(value: object) -> str | None:
    """Return a value if it is a non-empty string, else ``None``."""
    return value.strip() or None if isinstance(value, str) else None


def number(value: object) -> int | None:
    """Return a value if it is a positive integer, else ``None``."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


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
        query = {"q": words, "page": page, "page_size": _PAGE_SIZE}
        return f"{_SEARCH}?{urlencode(query | self._licences)}"

    def results(self, query: Query, access: Access) -> Iterator[Json]:
        """Yield the results of all pages, by relevance."""
        page = 1
        pages = 1
        while page <= pages:
            ends = _END_REASONS if page > 1 else set()
            answer = ask_json(access, self.address(query.text or query.label, page), ends)
            results = answer.get("results") if answer else []
            if not isinstance(results, list):
                raise SearchError("layout_changed", f"{query.address} returned no 'results'")
            yield from (result for result in results if isinstance(result, dict))
            pages = min(number(answer.get("page_count")) or 0, _MAX_PAGES)
            page += 1

    def fields(self, result: Json) -> Json:
        """Return the fields of a candidate, without ``filesize``, which is often outdated."""
        code = text(result.get("license"))
        version = text(result.get("license_version"))
        name = f"{code} {version or ''}".strip() if code else None
        return {
            "image_url": text(result.get("url")),
            "thumbnail_url": text(result.get("thumbnail")),
            "page_url": text(result.get("foreign_landing_url")),
            "title": text(result.get("title")),
            "width": number(result.get("width")),
            "height": number(result.get("height")),
            "licence": text(result.get("license_url"))
            or (name and str(parse_licence(name) or name)),
            "author": text(result.get("creator")),
        }


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

    def results(self, query: Query, access: Access) -> Iterator[Json]:
        """Yield the raster images of each page of results, in order, once the page is complete.

        A page whose response would be too long is repeated, each time with the metadata of other
        images.
        """
        images: list[Json] = []
        further: object = {}
        for _ in range(_MAX_REQUESTS):
            if not isinstance(further, dict):
                raise SearchError(
                    "layout_changed",
                    f"{query.address} returned an invalid continuation: {further!r}",
                )
            answer = self._ask(access, self.address(query.text or query.label, further))
            pages = (
                dig(answer, "query", "pages") if "query" in answer else []
            )  # absent without results
            if not isinstance(pages, list):
                raise SearchError("layout_changed", f"{query.address} returned no 'query.pages'")
            images += [
                page for page in pages if text(dig(page, "imageinfo", 0, "mime")) in _RASTER_TYPES
            ]
            further = answer.get("continue")
            if further is None or answer.get("batchcomplete"):
                yield from sorted(images, key=lambda page: number(page.get("index")) or 0)
                images = []
            if further is None:
                return
        raise SearchError("endless", f"{query.address} did not end after {_MAX_REQUESTS} responses")

    def fields(self, result: Json) -> Json:
        """Return the fields of a candidate."""
        info = dig(result, "imageinfo", 0)
        metadata = info.get("extmetadata")
        url = text(info.get("url"))
        small = text(info.get("thumburl"))
        return {
            "image_url": url,
            "thumbnail_url": None
            if small == url
            else small,  # a small original is its own thumbnail
            "page_url": text(info.get("descriptionurl")),
            "title": (text(result.get("title")) or "").removeprefix("File:") or None,
            "width": number(info.get("width")),
            "height": number(info.get("height")),
            "licence": address_in(text(dig(metadata, "LicenseUrl", "value")))
            or plain_text(text(dig(metadata, "LicenseShortName", "value"))),
            "author": plain_text(text(dig(metadata, "Artist", "value"))),
            "bytes": number(info.get("size")),
        }

    def _ask(self, access: Access, url: str) -> Json:
        code = info = None
        for attempt in range(_MAX_ATTEMPTS):
            time.sleep(self._pause if attempt else 0)
            answer = ask_json(access, url)
            code = text(dig(answer, "error", "code"))
            info = dig(answer, "error", "info")
            if "error" not in answer:
                return answer
            if code not in _TRANSIENT_CODES:
                raise SearchError("stalled", f"{url} returned the error '{code}': {info}")
        raise SearchError(
            "blocked",
            f"{url} limits the request rate ('{code}': {info}); retry later (images found so far "
            "are kept)",
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
