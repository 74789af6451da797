"""A replica of DuckDuckGo's image search: a token for each query and browser, and JSON a hundred at a time."""

import asyncio
import dataclasses
import json
from urllib.parse import parse_qs, urlencode, urlsplit

from aiohttp import web

from tests.scrape.replicas.goods import code
from tests.scrape.replicas.photos import Photo
from tests.scrape.replicas.site import Result, Site

__all__ = ["DuckDuckGo"]

_BATCH = 100
_DELAY = 0.3
_LONGEST_QUERY = 499
_COPIES = "external-content.duckduckgo.com"


class DuckDuckGo(Site):
    """Answer for DuckDuckGo.

    ``i.js`` gives results to who shows the page's token (``vqd``), under the name (User-Agent) that the page was given
    to, from that page (Referer); to all others 403. The page alone shows thumbnails and never an original.

    Its own modes: ``legacy`` is the markup of the years before; ``no_vqd`` a page without its token; ``ratelimited``
    lets ``i.js`` refuse everybody, after ``after`` answers. ``block_202``, ``block_200`` and ``captcha`` are its own
    challenge; ``empty`` answers without results.
    """

    name = "duckduckgo"
    hosts = ("duckduckgo.com", "www.duckduckgo.com", _COPIES)
    rotting = ("tile", "tile--img", "tile--img__img", "tile--img__media", "js-lazyload", "has-detail", "tiles")
    own_modes = frozenset({"legacy", "no_vqd", "ratelimited"})

    def is_page(self, request: web.BaseRequest) -> bool:
        """Tell whether the request is for the page of results."""
        return request.url.host != _COPIES and request.path == "/"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Give the page, its JSON, or a thumbnail."""
        if request.url.host == _COPIES:
            return self._thumbnail(request)
        match request.path:
            case "/":
                return self._page(request)
            case "/i.js":
                return await self._json(request)
        return web.Response(status=404, text="Nothing here.")

    def captcha(self, request: web.BaseRequest, status: int) -> web.StreamResponse:
        """Ask for a proof of being human."""
        return self.render("anomaly.html", status=status, query=self.query(request))

    def blocked(self, request: web.BaseRequest, status: int) -> web.StreamResponse:
        """Refuse a program by the same challenge, whatever the status says."""
        return self.render("anomaly.html", status=status, query=self.query(request))

    def empty(self, request: web.BaseRequest) -> web.StreamResponse:
        """Give the page, whose JSON will be without results."""
        return self._page(request)

    def result(self, rank: int, image: Photo) -> Result:
        """Say what the site shows at this rank."""
        result = super().result(rank, image)
        return dataclasses.replace(result, thumbnail_url=f"{result.thumbnail_url}&pid=Api", route="json")

    def token(self, query: str, agent: str) -> str:
        """Return the token for a query and a client's name."""
        return f"4-{code('0123456789', 32, self.world.seed, query, agent)}"

    def _page(self, request: web.BaseRequest) -> web.Response:
        setting, query = self.setting(request), self.query(request)
        if "last_years_layout" in setting:
            return self.render("old.html", request=request, query=query, results=self.results(query)[:_BATCH])
        return self.render(
            "search.html",
            request=request,
            query=query,
            vqd="" if "no_vqd" in setting else self.token(query, request.headers.get("User-Agent", "")),
            legacy="legacy" in setting,
            modes={"losesScroll": "loses_scroll" in setting, "rerender": "rerender" in setting},
        )

    async def _json(self, request: web.BaseRequest) -> web.Response:
        setting, query = self.setting(request), self.query(request)
        setting.met += 1
        is_limited = "ratelimited" in setting and setting.met > setting.options.get("after", 0)
        is_known = request.query.get("vqd") == self.token(query, request.headers.get("User-Agent", ""))
        is_from_page = urlsplit(request.headers.get("Referer", "")).hostname in self.hosts
        if is_limited or not is_known or not is_from_page or len(query) > _LONGEST_QUERY:
            return web.Response(status=403, text="Ratelimit")
        await asyncio.sleep(_DELAY * self.world.pace)
        results = () if "empty" in setting else self.results(query)
        place = request.query.get("s", "0")
        start = int(place) if place.isascii() and place.isdigit() else 0
        shown = start
        if "endless" in setting:
            shown = min(start, max(len(results) - _BATCH, 0))
        batch = results[shown : shown + _BATCH]
        answer: dict[str, object] = {
            "ads": None,
            "query": query,
            "queryEncoded": urlencode({"q": query})[2:],
            "response_type": "places",
            "results": [_entry(result) for result in batch],
            "vqd": {query: request.query["vqd"]},
        }
        if start + _BATCH < len(results) or "endless" in setting:
            following = {"q": query, "o": "json", "p": 1, "s": start + _BATCH, "u": "bing", "f": ",,,", "l": "us-en"}
            answer["next"] = f"i.js?{urlencode(following)}"
        text = json.dumps(answer, ensure_ascii=False)
        if "broken_json" in setting:
            text = text[: len(text) * 2 // 3]
        return web.Response(text=text, content_type="application/javascript", charset="utf-8")

    def _thumbnail(self, request: web.BaseRequest) -> web.Response:
        tokens = parse_qs(urlsplit(request.query.get("u", "")).query).get("id", [""])
        image = Photo.of(tokens[0].removeprefix("OIP."))
        if image is None:
            return web.Response(status=404)
        content = self.world.images.thumbnail_bytes(image)
        return web.Response(body=content, content_type="image/jpeg", headers={"Cache-Control": "max-age=3600"})


def _entry(result: Result) -> dict[str, object]:
    return {
        "height": result.height,
        "image": result.original_url,
        "image_token": code("0123456789abcdef", 40, result.key),
        "source": "Bing",
        "thumbnail": result.thumbnail_url,
        "title": result.title,
        "url": result.page_url,
        "width": result.width,
    }
