"""A replica of Yahoo Images: sixty results per page, and consent over two more hosts."""

import asyncio
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from aiohttp import web

from tests.scrape.replicas.photos import Photo, chance
from tests.scrape.replicas.site import Result, Site

__all__ = ["Yahoo"]

_BATCH = 60
_EAGER = 12
_DELAY = 0.3
_BROKEN = 0.025
_CONSENT_HOST = "guce.yahoo.com"
_COLLECT_HOST = "consent.yahoo.com"


@dataclass(frozen=True, slots=True)
class Tile:
    """A result in the HTML."""

    rank: int
    data: str
    link: str
    title: str
    thumbnail_url: str


class Yahoo(Site):
    """Serve results pages like Yahoo.

    The JSON of a few tiles is broken; their link has the original without scheme (route ``link``).
    The mode ``consent_redirect`` uses two more hosts.
    """

    name = "yahoo"
    hosts = (
        "images.search.yahoo.com",
        "in.images.search.yahoo.com",
        "uk.images.search.yahoo.com",
        _CONSENT_HOST,
        _COLLECT_HOST,
    )
    query_name = "p"
    consent_cookie = "GUCS"
    rotting = ("ld", "process", "redesign-img")

    def is_page(self, request: web.BaseRequest) -> bool:
        """Return whether the request is for results."""
        return (
            request.url.host not in (_CONSENT_HOST, _COLLECT_HOST)
            and request.path == "/search/images"
        )

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return results or consent pages."""
        match request.url.host, request.path:
            case "guce.yahoo.com", "/consent":
                return _move(f"https://{_COLLECT_HOST}/v2/collectConsent", request.query)
            case "consent.yahoo.com", "/v2/collectConsent":
                return await self._collect(request)
            case "guce.yahoo.com", "/copyConsent":
                answer = _move(request.query.get("done", f"https://{self.hosts[0]}/"))
                answer.set_cookie(self.consent_cookie, "answered", domain=".yahoo.com", secure=True)
                return answer
            case _, "/search/images":
                return await self._search(request)
        return web.Response(status=404, text="Nothing here.")

    def consent(self, request: web.BaseRequest) -> web.StreamResponse:
        """Redirect to the consent page."""
        session = hashlib.sha256(str(request.url).encode()).hexdigest()[:16]
        return _move(
            f"https://{_CONSENT_HOST}/consent", {"sessionId": session, "done": str(request.url)}
        )

    def empty(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return a page without results."""
        return self.render("search.html", query=self.query(request), tiles=[], more=None, modes={})

    def result(self, rank: int, image: Photo) -> Result:
        """Return the result at a rank."""
        result = super().result(rank, image)
        # The link has no scheme, so http originals need the JSON.
        has_tls = result.original_url.startswith("https:")
        is_broken = has_tls and chance("yahoo", self.world.seed, image, "broken") < _BROKEN
        return dataclasses.replace(
            result,
            key=f"resitem-{rank}",
            thumbnail_url=f"{result.thumbnail_url}&pid=Api",
            route="link" if is_broken else "json",
        )

    async def _collect(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "POST":
            session = request.query.get("sessionId", "")
            done = request.query.get("done", "")
            return self.render(
                "consent.html",
                session=session,
                done=done,
                token=hashlib.sha256(b"csrf").hexdigest()[:8],
            )
        form = await request.post()
        if not ({"agree", "reject"} & form.keys()) or not form.get("csrfToken"):
            return web.Response(status=400, text="No answer.")
        back = {
            "sessionId": str(form.get("sessionId", "")),
            "done": str(form.get("originalDoneUrl", "")),
        }
        return _move(f"https://{_CONSENT_HOST}/copyConsent", back)

    async def _search(self, request: web.BaseRequest) -> web.StreamResponse:
        setting = self.setting(request)
        query = self.query(request)
        results = self.results(query)
        offset = request.query.get("b", "1")
        start = max(int(offset) - 1, 0) if offset.isascii() and offset.isdigit() else 0
        if "endless" in setting:
            start = min(start, max(len(results) - _BATCH, 0))
        shown = results[start : start + _BATCH]
        has_more = start + _BATCH < len(results) or "endless" in setting
        more = (
            f"/search/images?{urlencode({'p': query, 'b': start + _BATCH + 1, 'o': 'js'})}"
            if has_more
            else None
        )
        tiles = [self._tile(result) for result in shown]
        if request.query.get("o") == "js":
            await asyncio.sleep(_DELAY * self.world.pace)
            html = self.markup("tiles.html", tiles=tiles, eager=0)
            html = self.world.switchboard.spoil(self, setting, html)
            return web.json_response({"html": html, "next": more, "more": has_more, "pause": True})
        modes = {"losesScroll": "loses_scroll" in setting, "rerender": "rerender" in setting}
        page = "old.html" if "last_years_layout" in setting else "search.html"
        return self.render(
            page, request=request, query=query, tiles=tiles, more=more, modes=modes, eager=_EAGER
        )

    def _tile(self, result: Result) -> Tile:
        data = {
            "alt": result.title,
            "iurl": result.original_url,
            "ourl": result.original_url,
            "ith": result.thumbnail_url,
            "rurl": result.page_url,
            "w": str(result.width),
            "h": str(result.height),
            "s": "",
        }
        if result.rank % 5 == 4:  # an older format
            del data["ourl"]
        text = json.dumps(data, ensure_ascii=False)
        if result.route == "link":
            text = text[: len(text) * 2 // 3]
        address = {
            "back": "/",
            "w": result.width,
            "h": result.height,
            "imgurl": result.original_url.partition("://")[2],
            "rurl": result.page_url,
            "name": result.title,
        }
        link = f"/images/view;_ylt=x?{urlencode(address, quote_via=quote, safe='')}"
        return Tile(result.rank, text, link, result.title, result.thumbnail_url)


def _move(address: str, query: Mapping[str, str] | None = None) -> web.Response:
    if query:
        address = f"{address}?{urlencode(query)}"
    return web.Response(status=302, headers={"Location": address})
