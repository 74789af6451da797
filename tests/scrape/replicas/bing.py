"""A replica of Bing Images: tiles with JSON attributes, in batches of 35."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from aiohttp import web

from tests.scrape.replicas.photos import chance
from tests.scrape.replicas.site import Result, Site, moved

if TYPE_CHECKING:
    from tests.scrape.replicas.photos import Photo

__all__ = ["Bing"]


class Bing(Site):
    """Serve results pages like Bing.

    The JSON of a tile has the original (route ``json``); if it is broken, the tile's link does
    (route ``attribute``). Some results are repeated, and batches contain tiles that are not
    results.

    Args:
        total: Number of results per query.
        batch: Results per batch.
        button_after: Batches after which the "more" button must be pressed.
        broken: Share of tiles with broken JSON.
        doubled: Share of results repeated in the next batch.
    """

    name = "bing"
    hosts = ("www.bing.com", "bing.com")
    rotting = (
        *(
            "iusc",
            "iuscp",
            "imgpt",
            "img_cont",
            "img_info",
            "mimg",
            "dgControl",
            "dgControl_list",
            "infopt",
            "infnmpt",
        ),
        *("lnkw", "btn_seemore", "cbtn", "mBtn"),
    )
    consent_cookie = "BCP"

    def __init__(
        self,
        total: int = 400,
        *,
        batch: int = 35,
        button_after: int = 4,
        broken: float = 0.02,
        doubled: float = 0.03,
    ) -> None:
        super().__init__(total)
        self.batch = batch
        self.button_after = button_after
        self.broken = broken
        self.doubled = doubled

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return a results page or a further batch."""
        match request.url.host, request.path:
            case "bing.com", _:
                return moved(f"https://www.bing.com{request.path_qs}", 301)
            case _, "/images/search" if "view" in request.query:
                return self.html(f"<!doctype html><title>{self.name}</title>")
            case _, "/images/search":
                return self._page(request)
            case _, "/images/async":
                least = 0.2
                most = 0.8
                delay = least + (most - least) * chance(self.world.seed, request.path_qs)
                await asyncio.sleep(self.world.pace * delay)
                return self.html(self._tiles(request, self._first(request)), request=request)
        return web.Response(status=404)

    def result(self, rank: int, image: Photo) -> Result:
        """Return the result at a rank and its route."""
        broken = self._chance(image, "broken") < self.broken
        return replace(
            super().result(rank, image),
            key=hashlib.md5(image.token.encode()).hexdigest(),
            thumbnail_url=f"https://ts{1 + image.number % 4}.mm.bing.net/th?id=OIP.{image.token}&pid=15.1",
            route="attribute" if broken else "json",
        )

    def _page(self, request: web.BaseRequest) -> web.Response:
        setting = self.setting(request)
        return self.render(
            "old_results.html" if "last_years_layout" in setting else "results.html",
            request=request,
            query=self.query(request),
            tiles=self._tiles(request, self._first(request)),
            first=self._first(request) + self.batch,
            feed={"losesScroll": "loses_scroll" in setting, "rerender": "rerender" in setting},
            overlay="consent_overlay" in setting and self.consent_cookie not in request.cookies,
            stuck=bool(setting.options.get("stuck")),
        )

    def _tiles(self, request: web.BaseRequest, first: int) -> str:
        """Return the HTML of a batch; ``first`` counts from 1."""
        setting = self.setting(request)
        results = self.results(self.query(request))
        start = max(0, first - 1)
        shown = results[start : start + self.batch]
        if not shown and "endless" in setting:
            shown = results[-self.batch :]
        if not shown:
            return ""
        before = results[max(0, start - self.batch) : start]
        again = [
            result for result in before if self._chance(result.image, "doubled") < self.doubled
        ]
        template = "old_tiles.html" if "last_years_layout" in setting else "tiles.html"
        tiles = [
            {
                "result": result,
                "m": self._json(request, result),
                "href": self._link(request, result),
            }
            for result in (*shown, *again)
        ]
        return self.markup(template, tiles=tiles, first=first)

    def _json(self, request: web.BaseRequest, result: Result) -> str:
        setting = self.setting(request)
        if "last_years_layout" in setting:
            old = {
                "ns": "images",
                "k": str(result.rank),
                "surl": result.page_url,
                "imgurl": result.original_url,
            }
            return json.dumps(old, ensure_ascii=False)
        facts = {
            "sid": "",
            "cid": result.key[:8],
            "purl": result.page_url,
            "murl": result.original_url,
            "turl": result.thumbnail_url,
            "md5": result.key,
            "shkey": "k",
            "t": result.title,
            "mid": result.key.upper()[:20],
            "desc": f"{result.title}, seen from the front",
        }
        text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
        if result.route == "attribute":
            return text[: text.index("murl") + 12]
        return text

    def _link(self, request: web.BaseRequest, result: Result) -> str:
        values = {
            "view": "detailV2",
            "ccid": result.key[:8],
            "mediaurl": result.original_url,
            "exph": result.height,
            "expw": result.width,
            "cdnurl": result.thumbnail_url,
            "q": self.query(request),
            "simid": result.key[8:],
        }
        return f"/images/search?{urlencode(values, quote_via=quote)}"

    def _first(self, request: web.BaseRequest) -> int:
        first = request.query.get("first", "1")
        return int(first) if first.isdecimal() else 1

    def _chance(self, image: Photo, aspect: str) -> float:
        return self.world.images.chance(image, f"bing {aspect}")
