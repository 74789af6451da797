"""What a replica of a site is: the names that it answers to, its results, and how it words what goes wrong."""

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
    """Send a visitor elsewhere, with cookies on the way."""
    answer = web.Response(status=status, headers={"Location": location})
    for name, value in cookies.items():
        answer.set_cookie(name, value, path="/")
    return answer


@dataclass(frozen=True, slots=True)
class Result:
    """Tell the truth about one result: what a perfect reader of the page would find.

    Args:
        rank: Its place among the site's results, from 0.
        image: The image.
        key: How the site's own markup calls the result.
        title: The words beside it.
        page_url: The page that shows the image.
        original_url: Where the original lies.
        thumbnail_url: Where the small copy lies.
        width: The original's width in pixels.
        height: Its height in pixels.
        route: How the page gives the original away: a word of the site's own, empty where it never does.
        delivers: Whether the original's own server gives the image to a patient client.
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
        """Whether the page gives the original's address away at all."""
        return bool(self.route)

    @property
    def deliverable(self) -> bool:
        """Whether the original can be had: its address from the page, its bytes from its server."""
        return self.revealed and self.delivers


class Site(ABC):
    """Answer for a site. A subclass gives its names and `answer`, and words the failures as its model does.

    Args:
        total: How many results a query has.

    Attributes:
        name: How `World.switch` and `World.results` call the site.
        hosts: The host names that it answers to; those that only carry images belong to the CDN.
        has_tls: Whether plain http is sent on to https.
        query_name: The query parameter that holds what is looked for.
        consent_cookie: The cookie that says that the visitor has answered the consent page.
        rotting: Names in the markup (classes, ``jsname``) that the mode ``renamed`` changes.
        own_modes: Modes of the switchboard that only this site knows, which its `answer` obeys.
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
        """Answer a request to one of the hosts, when no mode of the switchboard has answered in the site's place."""

    def result(self, rank: int, image: Photo) -> Result:
        """Say what the site shows at this rank; a subclass names its own key, thumbnail and route."""
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
        return tuple(self.result(rank, image) for rank, image in enumerate(self.world.shown(self, query)))

    # What the switchboard asks for.

    def is_page(self, request: web.BaseRequest) -> bool:
        """Tell whether the request is for results, which the failure modes concern: all but ``robots.txt``."""
        return request.path != "/robots.txt"

    def robots(self) -> str:
        """Return the rules for programs."""
        return "User-agent: *\nAllow: /\n"

    def captcha(self, request: web.BaseRequest, status: int) -> web.StreamResponse:
        """Ask for a proof of being human."""
        return self.render("captcha.html", status=status, address=request.path_qs)

    def blocked(self, request: web.BaseRequest, status: int) -> web.StreamResponse:
        """Refuse a program, with a status that need not say so."""
        return self.render("blocked.html", status=status, address=request.path_qs)

    def shell(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer with a page that is nothing but a script."""
        return self.render("shell.html", address=request.path_qs)

    def empty(self, request: web.BaseRequest) -> web.StreamResponse:
        """Say that there are no results."""
        return self.render("empty.html", query=self.query(request))

    def consent(self, request: web.BaseRequest) -> web.StreamResponse:
        """Ask a visitor without the cookie for consent, or send them to the page that does."""
        return self.render("consent.html", address=request.path_qs)

    # What a subclass uses.

    def query(self, request: web.BaseRequest) -> str:
        """Return what is looked for."""
        return request.query.get(self.query_name, "")

    def setting(self, request: web.BaseRequest) -> Setting:
        """Return the modes that hold for the request."""
        return self.world.switchboard.setting(self.name, request.url.host or "")

    def markup(self, template: str, **values: Any) -> str:
        """Fill in a template of the site's folder, or of the common one."""
        return self._templates.get_template(template).render(site=self, **values)

    def render(
        self, template: str, *, status: int = 200, request: web.BaseRequest | None = None, **values: Any
    ) -> web.Response:
        """Answer with a page, changed as the switchboard says where the request is given."""
        return self.html(self.markup(template, **values), status=status, request=request)

    def html(self, text: str, *, status: int = 200, request: web.BaseRequest | None = None) -> web.Response:
        """Answer with HTML, changed as the switchboard says where the request is given."""
        if request is not None:
            text = self.world.switchboard.spoil(self, self.setting(request), text)
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")
