"""A replica of Amazon's search results: numbered pages, cards among widgets, and the robot check."""

import functools
import hashlib
from urllib.parse import urlencode

from aiohttp import web

from tests.scrape.replicas.amazon_catalogue import Catalogue
from tests.scrape.replicas.amazon_images import HOST, ProductPhoto, asked
from tests.scrape.replicas.photos import Photo
from tests.scrape.replicas.shop import Offer, Shop, image_response

__all__ = ["Amazon"]

_BLANK = Photo("plain garment", 0)


class Amazon(Shop):
    """Answer for Amazon.

    Its own modes: ``list_layout`` shows one product a row, in images of a given height; ``robot_check`` answers every
    n-th page of results with the check (options ``every``, 3; ``kind``, ``captcha`` or ``button``; ``status``, 200).
    The common mode ``captcha`` is the check with letters to type, ``block_200`` and its like the one with a single
    button, ``consent_overlay`` the banner about cookies. An original that is a composite is its largest version in the
    grid; ``list_layout`` offers only smaller ones.
    """

    name = "amazon"
    hosts = ("www.amazon.in", "www.amazon.com", HOST)
    image_host = HOST
    paths = "/s"
    query_name = "k"
    rotting = ("s-image", "s-result-item", "s-asin", "s-main-slot", "s-no-outline", "a-offscreen", "a-price")
    own_modes = frozenset({"list_layout", "robot_check"})

    def __init__(self, total: int = 300) -> None:
        super().__init__(total)
        self._catalogue = functools.lru_cache(maxsize=None)(lambda query: Catalogue(self.world.shown(self, query)))

    def list(self, request: web.BaseRequest) -> web.Response:
        """Give a page of results, or the robot check where it is due."""
        setting, query = self.setting(request), self.query(request)
        setting.met += 1
        if "robot_check" in setting and setting.met % setting.options.get("every", 3) == 0:
            return self._check(request, setting.options.get("kind", "captcha"), setting.options.get("status", 200))
        catalogue = self._catalogue(query)
        number = self.page_number(request)
        layout = "list" if "list_layout" in setting else "grid"
        is_endless = "endless" in setting
        return self.render(
            "old.html" if "last_years_layout" in setting else "search.html",
            request=request,
            query=query,
            page=number,
            pages=number + 1 if is_endless else catalogue.pages,
            places=catalogue.page(min(number, catalogue.pages) if is_endless else number, layout),
            total=catalogue.total,
            layout=layout,
            has_banner="consent_overlay" in setting and "sp-cdn" not in request.cookies,
            other_page=lambda other: f"/s?{urlencode({'k': query, 'page': other, 'ref': f'sr_pg_{other}'})}",
        )

    def image(self, request: web.BaseRequest) -> web.Response:
        """Give an image in the size that its address asks for."""
        wanted = asked(request.path)
        if wanted is None:
            return web.Response(status=404)
        if wanted.image is None:
            return image_response(self.draw(_BLANK, width=wanted.longest))
        if wanted.longest is None and wanted.height is None and self.is_missing(wanted.image):
            return web.Response(status=404)
        longest = wanted.longest
        return image_response(self.draw(wanted.image, width=longest, height=wanted.height or longest), webp=wanted.webp)

    def captcha(self, request: web.BaseRequest, status: int) -> web.Response:
        """Ask for the letters on an image."""
        return self._check(request, "captcha", status)

    def blocked(self, request: web.BaseRequest, status: int) -> web.Response:
        """Ask for a click."""
        return self._check(request, "button", status)

    def empty(self, request: web.BaseRequest) -> web.Response:
        """Say that there are no results, where widgets are all the same."""
        query = self.query(request)
        return self.render(
            "search.html", query=query, page=1, pages=0, places=[], total=0, layout="grid", has_banner=False
        )

    def _check(self, request: web.BaseRequest, kind: str, status: int) -> web.Response:
        token = hashlib.sha256(request.path_qs.encode()).hexdigest()
        return self.render("robot.html", status=status, kind=kind, token=token, back=request.path_qs)

    def _best(self, shown: ProductPhoto) -> tuple[int, int]:
        """Return the width and height of an image's original; a composite's is its largest version."""
        most = 960 if shown.kind == "composite" else None
        return self.size_within(shown.image, width=most, height=most)

    def _results(self, query: str) -> tuple[Offer, ...]:
        offers = []
        for rank, place in enumerate(self._catalogue(query).ranked()):
            item = place.item
            assert item is not None
            width, height = self._best(item.photo)
            offers.append(
                Offer(
                    rank=rank,
                    image=item.photo.image,
                    key=item.asin,
                    title=item.title,
                    page_url=f"https://{self.hosts[0]}{place.link}",
                    original_url=item.photo.original,
                    thumbnail_url=place.sizes[0].url,
                    width=width,
                    height=height,
                    route="attribute",
                    delivers=item.photo.kind == "composite" or not self.is_missing(item.photo.image),
                    price=item.price,
                )
            )
        return tuple(offers)
