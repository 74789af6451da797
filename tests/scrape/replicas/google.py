"""A replica of Google Images as of 2026: a growing grid, with originals in scripts and panels."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web

from tests.scrape.replicas.photos import chance
from tests.scrape.replicas.site import Result, Site, moved

if TYPE_CHECKING:
    from tests.scrape.replicas.photos import Photo

__all__ = ["Google"]

_ORIGIN = "https://www.google.com"
_LAYOUTS = {
    "results.html": {
        "grid": ".jFk0f",
        "tile": "[data-docid]",
        "key": "docid",
        "opener": "h3 > a",
        "panel": "figiqf",
        "holder": "p7sI2",
        "preview": "sFlh5c FyHeAf",
        "image": "sFlh5c FyHeAf iPVvYb",
        "button": "#more-results",
        "end": None,
    },
    "old_results.html": {
        "grid": ".islrc",
        "tile": ".isv-r",
        "key": "id",
        "opener": "a.wXeWr",
        "panel": "CGzTgf",
        "holder": "v4dQwb",
        "preview": "n3VNCb pT0Scc",
        "image": "n3VNCb pT0Scc KAlRDb",
        "button": "#islmp .mye4qd",
        "end": "#islmp .Bqq24e",
    },
}


class Google(Site):
    """Serve results pages like Google.

    Most originals are in the page's scripts (route ``script``); the others appear in a panel after
    a click (route ``click``), and a few never.

    Args:
        total: Number of results per query.
        batch: Results per batch.
        button_after: Results after which the "more" button must be pressed.
        scripted: Share of results with their original in the scripts.
        silent: Share of panels that never show the original.
        inlined: Number of first results with an inlined thumbnail.
    """

    name = "google"
    hosts = ("www.google.com", "google.com", "consent.google.com")
    consent_cookie = "SOCS"
    rotting = (
        *(
            "eA0Zlc",
            "WghbWd",
            "FnEtTd",
            "mkpRId",
            "m3LIae",
            "RLdvSe",
            "qyKxnc",
            "ivg-i",
            "PZPZlf",
            "GMCzAd",
            "my5z3d",
        ),
        *(
            "dTDiAc",
            "qQjpJ",
            "H8Rx8c",
            "mNsIhb",
            "YQ4gaf",
            "EZAeBe",
            "toI8Rb",
            "OSrXXb",
            "jFk0f",
            "T7sFge",
        ),
        *("figiqf", "p7sI2", "sFlh5c", "FyHeAf", "iPVvYb"),
    )

    def __init__(
        self,
        total: int = 400,
        *,
        batch: int = 100,
        button_after: int = 300,
        scripted: float = 0.75,
        silent: float = 0.05,
        inlined: int = 20,
    ) -> None:
        super().__init__(total)
        self.batch = batch
        self.button_after = button_after
        self.scripted = scripted
        self.silent = silent
        self.inlined = inlined

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return results, a further batch, a panel, or another page."""
        match request.url.host, request.path:
            case "google.com", _:
                return moved(f"{_ORIGIN}{request.path_qs}", 301)
            case "consent.google.com", "/m":
                return self.render("consent.html", target=request.query.get("continue", "/"))
            case "consent.google.com", "/save":
                return await self._save(request)
            case _, "/sorry/index":
                return self.render(
                    "sorry.html", status=429, target=request.query.get("continue", "/")
                )
            case _, "/search" if "start" in request.query:
                return await self._batch(request)
            case _, "/search":
                return self._page(request)
            case _, "/async/imgv":
                return await self._panel(request)
            case _, "/imgres":
                return self.html(f"<!doctype html><title>{self.name}</title>")
        return web.Response(status=404)

    def result(self, rank: int, image: Photo) -> Result:
        """Return the result at a rank and the route to its original."""
        route = "script" if self._chance(image, "route") < self.scripted else "click"
        if route == "click" and self._is_silent(image):
            route = ""
        return replace(
            super().result(rank, image),
            key=hashlib.sha256(image.token.encode()).hexdigest()[:14],
            thumbnail_url=f"https://encrypted-tbn{image.number % 4}.gstatic.com/images?q=tbn:ANd9Gc{image.token}&s",
            route=route,
        )

    def is_page(self, request: web.BaseRequest) -> bool:
        """Return whether the request is for results or a panel."""
        return request.path in ("/search", "/async/imgv")

    def captcha(self, request: web.BaseRequest, status: int) -> web.StreamResponse:
        """Return a CAPTCHA; with status 429, on a separate page."""
        if status == 429:
            return moved(
                "/sorry/index?" + urlencode({"continue": _ORIGIN + request.path_qs, "q": "token"})
            )
        return self.render("sorry.html", status=status, target=_ORIGIN + request.path_qs)

    def blocked(self, request: web.BaseRequest, status: int) -> web.StreamResponse:
        """Return a page with a link to the CAPTCHA."""
        return self.render("blocked.html", status=status, target=request.path_qs)

    def consent(self, request: web.BaseRequest) -> web.StreamResponse:
        """Redirect to the consent page on another host."""
        return moved(
            "https://consent.google.com/m?"
            + urlencode({"continue": _ORIGIN + request.path_qs, "gl": "DE"})
        )

    async def _save(self, request: web.BaseRequest) -> web.StreamResponse:
        form = await request.post()
        answer = moved(str(form.get("continue", _ORIGIN)), 303)
        answer.set_cookie(
            self.consent_cookie, "CAESHAgB", domain=".google.com", path="/", secure=True
        )
        return answer

    def _page(self, request: web.BaseRequest) -> web.Response:
        setting = self.setting(request)
        query = self.query(request)
        template = self._template(request)
        shown = self.results(query)[: self.batch]
        return self.render(
            template,
            request=request,
            query=query,
            layout=_LAYOUTS[template],
            tiles=self._tiles(request, shown),
            feed={
                "more": len(shown) < self.total or "endless" in setting,
                "pause": self._pauses(0, len(shown)),
                "losesScroll": "loses_scroll" in setting,
                "rerender": "rerender" in setting,
            },
            start=len(shown),
            overlay="consent_overlay" in setting and self.consent_cookie not in request.cookies,
            stuck=bool(setting.options.get("stuck")),
        )

    async def _batch(self, request: web.BaseRequest) -> web.Response:
        setting = self.setting(request)
        results = self.results(self.query(request))
        start = int(request.query["start"])
        await self._wait(0.3, 1.5, request.path_qs)
        shown = results[start : start + self.batch]
        if not shown and "endless" in setting:
            shown = results[-self.batch :]
        end = start + len(shown)
        return web.json_response(
            {
                "html": self.world.switchboard.spoil(self, setting, self._tiles(request, shown)),
                "start": end,
                "more": end < self.total or "endless" in setting,
                "pause": self._pauses(start, end),
            }
        )

    async def _panel(self, request: web.BaseRequest) -> web.Response:
        key = request.query.get("docid")
        result = next(
            (result for result in self.results(self.query(request)) if result.key == key), None
        )
        if result is None:
            return web.json_response({}, status=404)
        await self._wait(0.2, 2.0, result.key)
        if self._is_silent(result.image):
            return web.json_response({})
        original = result.original_url
        names = {
            "imgurl": original,
            "imgrefurl": result.page_url,
            "docid": result.key,
            "tbnid": result.image.token,
        }
        size = {"w": result.width, "h": result.height}
        return web.json_response(
            {"original": original, "link": f"/imgres?{urlencode(names | size)}"}
        )

    def _tiles(self, request: web.BaseRequest, shown: tuple[Result, ...]) -> str:
        """Return the HTML of a batch and the script with its originals."""
        inlined = {
            result.rank: self.world.images.thumbnail_uri(result.image)
            for result in shown
            if result.rank < self.inlined
        }
        template = "old_tiles.html" if self._template(request).startswith("old") else "tiles.html"
        arrays = self._arrays(request, shown)
        return self.markup(
            template, results=shown, inlined=inlined, arrays=arrays, query=self.query(request)
        )

    def _arrays(self, request: web.BaseRequest, shown: tuple[Result, ...]) -> str:
        """Return the arrays of thumbnails and originals, as in a script."""
        arrays = [
            _escaped(self._array(request, result)) for result in shown if result.route == "script"
        ]
        return "[" + ",".join(arrays) + "]"

    def _array(self, request: web.BaseRequest, result: Result) -> list[Any]:
        facts = {
            "2000": [
                None,
                result.page_url.split("/")[2],
                f"{result.width * result.height // 9000}KB",
            ],
            "2003": [None, result.image.token, result.page_url, result.title],
            "2008": [None, result.title],
        }
        thumbnail = [result.thumbnail_url, round(result.height * 0.6), round(result.width * 0.6)]
        original = [result.original_url, result.height, result.width]
        array = [thumbnail, original, None, 0, "rgb(9,9,9)", None, 0, facts]
        if self._template(request).startswith("old"):
            return [[[{"444383007": [1, [0, result.key, *array]]}]]]
        return array

    def _template(self, request: web.BaseRequest) -> str:
        return (
            "old_results.html" if "last_years_layout" in self.setting(request) else "results.html"
        )

    def _pauses(self, start: int, end: int) -> bool:
        """Return whether the button must be pressed between two positions."""
        return end < self.total and start // self.button_after < end // self.button_after

    def _is_silent(self, image: Photo) -> bool:
        return self._chance(image, "panel") < self.silent

    def _chance(self, image: Photo, aspect: str) -> float:
        return self.world.images.chance(image, f"google {aspect}")

    async def _wait(self, least: float, most: float, name: str) -> None:
        """Wait for a random time that depends on the name only."""
        await asyncio.sleep(
            self.world.pace * (least + (most - least) * chance(self.world.seed, name))
        )


def _escaped(value: Any) -> str:
    """Return JSON, escaped for a script in HTML."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for letter in "=&<>'":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
