"""The public APIs of Openverse and Wikimedia Commons, for anonymous clients."""

import uuid
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from aiohttp import web

from tests.scrape.replicas.photos import Photo, chance
from tests.scrape.replicas.site import Result, Site

__all__ = ["CommonsApi", "OpenverseApi"]

LICENCES = (
    ("by", "2.0", "https://creativecommons.org/licenses/by/2.0/"),
    ("by-sa", "4.0", "https://creativecommons.org/licenses/by-sa/4.0/"),
    ("by-nc", "2.0", "https://creativecommons.org/licenses/by-nc/2.0/"),
    ("cc0", "1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    ("pdm", "1.0", "https://creativecommons.org/publicdomain/mark/1.0/"),
)


def licence_of(result: Result) -> tuple[str, str, str]:
    """Return the code, version and URL of a result's licence."""
    return LICENCES[int(len(LICENCES) * chance("licence", result.key))]


class Api(Site):
    """A site with a JSON API."""

    # robots.txt excludes crawlers, but does not apply to the API.
    def robots(self) -> str:
        return "User-agent: *\nDisallow: /\n"

    def spoilt(self, request: web.BaseRequest, mode: str) -> bool:
        """Return whether a mode applies to this request, by its options ``after`` and ``times``."""
        setting = self.setting(request)
        if mode not in setting:
            return False
        setting.met += 1
        after = setting.options.get("after", 0)
        times = setting.options.get("times")
        return setting.met > after and (times is None or setting.met <= after + times)


class OpenverseApi(Api):
    """Openverse: at most 240 results, 20 per page.

    Modes: ``boasts`` states more pages than it has; ``renamed_key`` renames the results; ``locked``
    requires an account.
    """

    name = "openverse"
    hosts = ("api.openverse.org",)
    own_modes = frozenset({"boasts", "locked", "renamed_key"})

    def result(self, rank: int, image: Photo) -> Result:
        key = str(uuid.uuid5(uuid.NAMESPACE_URL, image.token))
        thumbnail = f"https://api.openverse.org/v1/images/{key}/thumb/"
        return replace(super().result(rank, image), key=key, thumbnail_url=thumbnail, route="json")

    def empty(self, _request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(
            {"result_count": 0, "page_count": 0, "page_size": 20, "page": 1, "results": []}
        )

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path != "/v1/images/":
            return web.json_response({"detail": "Not found."}, status=404)
        page, size = (
            int(request.query.get(name, default))
            for name, default in (("page", "1"), ("page_size", "20"))
        )
        if self.spoilt(request, "locked"):
            return _refused(401, "Authentication credentials were not provided.")
        if size > 20:
            return _refused(401, "page_size may not exceed 20 for anonymous requests.")
        if page * size > 240:
            return _refused(401, "Anonymous requests may not look deeper than 240 results.")
        results = list(self.results(self.query(request)))
        if "license" in request.query:
            wanted = request.query["license"].split(",")
            results = [result for result in results if licence_of(result)[0] in wanted]
        deepest = 10_000 if self.spoilt(request, "boasts") else 240
        pages = -(-min(len(results), deepest) // size)
        if pages and page > pages:
            return _refused(404, "Invalid page.")
        shown = [self._shown(result) for result in results[(page - 1) * size : page * size]]
        return web.json_response(
            {
                "result_count": min(len(results), deepest),
                "page_count": pages,
                "page_size": size,
                "page": page,
                "items" if self.spoilt(request, "renamed_key") else "results": shown,
                "warnings": [],
            }
        )

    def _shown(self, result: Result) -> dict[str, Any]:
        code, version, url = licence_of(result)
        return {
            "id": result.key,
            "title": result.title,
            "indexed_on": "2024-01-01T00:00:00Z",
            "foreign_landing_url": result.page_url,
            "url": result.original_url,
            "creator": f"Author of {result.image.number}",
            "creator_url": "https://site-0.test/people/1",
            "license": code,
            "license_version": version,
            "license_url": url,
            "provider": "flickr",
            "source": "flickr",
            "category": None,
            "filesize": 1,  # outdated
            "filetype": "jpg",
            "tags": [{"accuracy": None, "name": "thing"}],
            "attribution": f'"{result.title}" is licensed under {code.upper()} {version}.',
            "fields_matched": ["title"],
            "mature": False,
            "height": result.height,
            "width": result.width,
            "thumbnail": result.thumbnail_url,
            "detail_url": f"https://api.openverse.org/v1/images/{result.key}/",
            "related_url": f"https://api.openverse.org/v1/images/{result.key}/related/",
            "unstable__sensitivity": [],
        }


class CommonsApi(Api):
    """Commons: 50 results per page, ordered by page id; their metadata comes in two responses.

    Every tenth result is a drawing, and one in fifty has lost its file. Modes: ``maxlag`` and
    ``ratelimited`` return that error with status 200; ``broken`` returns a permanent error;
    ``circular`` never ends.
    """

    name = "wikimedia"
    hosts = ("commons.wikimedia.org",)
    path = "/w/api.php"
    query_name = "gsrsearch"
    own_modes = frozenset({"broken", "circular", "maxlag", "ratelimited"})

    def result(self, rank: int, image: Photo) -> Result:
        result = super().result(rank, image)
        title = f"{result.title} {image.number}.jpg"
        return replace(
            result,
            key=str(10_000 + int(chance("pageid", image.token) * 10**9)),
            title=title,
            page_url=f"https://commons.wikimedia.org/wiki/File:{quote(title.replace(' ', '_'))}",
            thumbnail_url=result.original_url.replace("/photos/", "/photos/thumb/"),
            route="json",
        )

    def words(self, query: str) -> str:
        """Return the query without filters of Commons."""
        return query.removeprefix("filetype:bitmap ")

    def metadata(self, result: Result) -> dict[str, str]:
        """Return licence and author as HTML."""
        code, version, url = licence_of(result)
        return {
            "Artist": (
                '<bdi><a href="//x.test/A">A &amp; B\n '
                f"{result.image.number}</a></bdi><style>a{{}}</style>"
            ),
            "LicenseShortName": "Public domain" if code == "pdm" else f"{code.upper()} {version}",
        } | ({} if code == "pdm" else {"LicenseUrl": url})

    def is_image(self, result: Result) -> bool:
        """Return whether a result is an existing raster image."""
        return result.rank % 10 != 9 and result.rank % 50 != 7

    def empty(self, _request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"batchcomplete": True})

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        parameters = request.query
        if (
            request.path != self.path
            or parameters.get("format") != "json"
            or parameters.get("formatversion") != "2"
        ):
            return web.Response(
                text="<!doctype html><title>MediaWiki API help</title>", content_type="text/html"
            )
        for mode, info in (
            ("maxlag", "Waiting for a database server: 6.3 seconds lagged."),
            (
                "ratelimited",
                "You've exceeded your rate limit. Please wait some time and try again.",
            ),
            ("broken", "An error has occurred while searching."),
        ):
            if self.spoilt(request, mode):
                code = {"broken": "cirrussearch-backend-error"}.get(mode, mode)
                headers = {"Retry-After": "5", "MediaWiki-API-Error": code}
                return web.json_response({"error": {"code": code, "info": info}}, headers=headers)
        words = self.words(parameters["gsrsearch"])
        offset = int(parameters.get("gsroffset", "0"))
        limit = int(parameters.get("gsrlimit", "10"))
        batch = self.results(words)[offset : offset + limit]
        return web.json_response(
            self._answer(request, batch, offset + limit, len(self.results(words)))
        )

    def _answer(
        self, request: web.BaseRequest, batch: tuple[Result, ...], behind: int, total: int
    ) -> dict[str, Any]:
        by_id = sorted(batch, key=lambda result: int(result.key))
        half = len(by_id) // 2
        second = "iicontinue" in request.query
        pages = [
            self._page(result, complete=(place >= half) is second)
            for place, result in enumerate(by_id)
        ]
        content: dict[str, Any] = {"query": {"pages": pages}} if pages else {}
        offset = request.query.get("gsroffset")
        if "circular" in self.setting(request):
            return content | {
                "continue": {"gsroffset": 0, "continue": "gsroffset||"},
                "batchcomplete": True,
            }
        if not second and half:
            more = {"iicontinue": by_id[half].key, "continue": "gsroffset||"}
            return {"continue": more | ({"gsroffset": int(offset)} if offset else {})} | content
        content["batchcomplete"] = True
        if behind < total:
            content["continue"] = {"gsroffset": behind, "continue": "gsroffset||"}
        return content

    def _page(self, result: Result, *, complete: bool) -> dict[str, Any]:
        page = {
            "pageid": int(result.key),
            "ns": 6,
            "title": f"File:{result.title}",
            "index": result.rank + 1,
        }
        if not complete or result.rank % 50 == 7:
            return page
        return page | {
            "imagerepository": "local",
            "imageinfo": [
                {
                    "size": self.world.images.size(result.image)[0] * 100,
                    "width": result.width,
                    "height": result.height,
                    "thumburl": result.thumbnail_url,
                    "thumbwidth": 330,
                    "thumbheight": 220,
                    "url": result.original_url,
                    "descriptionurl": result.page_url,
                    "descriptionshorturl": f"https://commons.wikimedia.org/w/index.php?curid={result.key}",
                    "mime": "image/svg+xml" if result.rank % 10 == 9 else "image/jpeg",
                    "extmetadata": {
                        name: {"value": value, "source": "commons-desc-page", "hidden": ""}
                        for name, value in self.metadata(result).items()
                    },
                }
            ],
        }


def _refused(status: int, detail: str) -> web.Response:
    return web.json_response({"detail": detail}, status=status)
