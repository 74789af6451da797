"""Base of replicas: host names, results and failure pages."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import jinja2
from aiohttp import web

if TYPE_CHECKING:
    from tests.scrape.replicas.photos import Photo
    from tests.scrape.replicas.switchboard import Setting
    from tests.scrape.replicas.world import World

__all__ = ["Result", "Site", "moved"]

PAGES = Path(__file__).parent / "pages"


def moved(location: str, status: int = 302, **cookies: str) -> web.Response:
    """Return a redirect that sets cookies."""
    answer = web.Response(status=status, headers={"Location": location})
    for name, value in cookies.items():
        answer.set_cookie(name, value, path="/")
    return answer


@dataclass(frozen=True, slots=True)
class Result:
    """The ground truth of a result.

    Args:
        rank: Position among the results, from 0.
        image: The image.
        key: Id of the result in the HTML of the site.
        title: Title.
        page_url: URL of the page that shows the image.
        original_url: URL of the original.
        thumbnail_url: URL of the thumbnail.
        width: Width of the original in pixels.
        height: Height of the original in pixels.
        route: Where the page reveals the original; empty if it never does.
        delivers: Whether the server returns the original.
    """

    rank: int
    image: Photo
    key: str
    title: str
    page_url: str
    original_url: str
    thumbnail_url: str
    width: int
    height: int
    route: str
    delivers: bool

    @property
    def revealed(self) -> bool:
        """Whether the page reveals the URL of the original."""
        return bool(self.route)

    @property
    def deliverable(self) -> bool:
        """Whether the page reveals the original and its server returns it."""
        return self.revealed and self.delivers


class Site(ABC):
    """A replica of a site. Subclasses define names, `answer` and failure pages.

    Args:
        total: Number of results per query.

    Attributes:
        name: Name for `World.switch` and `World.results`.
        hosts: Host names of the site; hosts of images belong to the CDN.
        has_tls: Whether http redirects to https.
        query_name: Query parameter with the search text.
        consent_cookie: Cookie set after the consent page.
        rotting: Names in the HTML (classes, ``jsname``) that the mode ``renamed`` changes.
        own_modes: Modes of the switchboard implemented by `answer` of this site.
    """

    name: ClassVar[str]
    hosts: ClassVar[tuple[str, ...]]
    has_tls: ClassVar[bool] = True
    query_name: ClassVar[str] = "q"
    consent_cookie: ClassVar[str] = "consent"
    rotting: ClassVar[tuple[str, ...]] = ()
    own_modes: ClassVar[frozenset[str]] = frozenset()

    world: World

    def __init__(self, total: int = 400) -> None:
        self.total = total
        self.results = functools.lru_cache(maxsize=None)(self._results)
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader([PAGES / self.name, PAGES / "common"]),
            autoescape=jinja2.select_autoescape(default=True),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    @abstractmethod
    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request that no mode of the switchboard intercepts."""

    def result(self, rank: int, image: Photo) -> Result:
        """Return the result at a rank; subclasses replace key, thumbnail and route."""
        images = self.world.images
        width, height = images.size(image)
        return Result(
            rank=rank,
            image=image,
            key=image.token,
            title=images.title(image),
            page_url=images.page(image),
            original_url=images.original(image),
            thumbnail_url=f"https://tse{1 + image.number % 4}.mm.bing.net/th?id=OIP.{image.token}",
            width=width,
            height=height,
            route="attribute",
            delivers=images.delivers(image),
        )

    def _results(self, query: str) -> tuple[Result, ...]:
        return tuple(
            self.result(rank, image) for rank, image in enumerate(self.world.shown(self, query))
        )

    # Called by the switchboard.

    def is_page(self, request: web.BaseRequest) -> bool:
        """Return whether failure modes apply to the request: all except ``robots.txt``."""
        return request.path != "/robots.txt"

    def robots(self) -> str:
        """Return robots.txt."""
        return "User-agent: *\nAllow: /\n"

    def captcha(self, request: web.BaseRequest, status: int) -> web.StreamResponse:
        """Return a CAPTCHA."""
        return self.render("captcha.html", status=status, address=request.path_qs)

    def blocked(self, request: web.BaseRequest, status: int) -> web.StreamResponse:
        """Return a block page, with any status."""
        return self.render("blocked.html", status=status, address=request.path_qs)

    def shell(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return a page that contains only a script."""
        return self.render("shell.html", address=request.path_qs)

    def empty(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return a page without results."""
        return self.render("empty.html", query=self.query(request))

    def consent(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the consent page or a redirect to it."""
        return self.render("consent.html", address=request.path_qs)

    # Used by subclasses.

    def query(self, request: web.BaseRequest) -> str:
        """Return the search text."""
        return request.query.get(self.query_name, "")

    def setting(self, request: web.BaseRequest) -> Setting:
        """Return the modes that apply to the request."""
        return self.world.switchboard.setting(self.name, request.url.host or "")

    def markup(self, template: str, **values: Any) -> str:
        """Render a template of the site or of the folder ``common``."""
        return self._templates.get_template(template).render(site=self, **values)

    def render(
        self,
        template: str,
        *,
        status: int = 200,
        request: web.BaseRequest | None = None,
        **values: Any,
    ) -> web.Response:
        """Return a rendered template; with a request, its modes apply."""
        return self.html(self.markup(template, **values), status=status, request=request)

    def html(
        self, text: str, *, status: int = 200, request: web.BaseRequest | None = None
    ) -> web.Response:
        """Return HTML; with a request, its modes apply."""
        if request is not None:
            text = self.world.switchboard.spoil(self, self.setting(request), text)
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")
