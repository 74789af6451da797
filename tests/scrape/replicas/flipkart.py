"""A replica of Flipkart's search: class names that are new at every start, a login in the way, and picky answers."""

import re
import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from tests.scrape.replicas.goods import code, goods, slug
from tests.scrape.replicas.photos import Photo
from tests.scrape.replicas.shop import Offer, Shop, image_response
from tests.scrape.replicas.site import Result

__all__ = ["Flipkart"]

_PAGE = 40
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_PARTS = (
    "badge",
    "card",
    "close",
    "count",
    "dialog",
    "frame",
    "grid",
    "header",
    "link",
    "page",
    "pages",
    "image",
    "price",
    "title",
    "veil",
)
_IMAGE = re.compile(r"/image/(\d+)/(\d+)/xif0q/[\w-]+/\w/\w/\w/\w-original-imag([\w-]+)\.jpeg")


class Flipkart(Shop):
    """Answer for Flipkart.

    A client that does not call itself a browser gets 500 in place of pages. Nobody has seen the class names before. A
    login covers the first page until it is closed. An original is what an address with 1200/1200 gives; any
    other size that is large enough gives the same bytes.
    """

    name = "flipkart"
    hosts = ("www.flipkart.com", "rukminim2.flixcart.com")
    image_host = "rukminim2.flixcart.com"
    paths = "/search"

    def __init__(self, total: int = 300) -> None:
        super().__init__(total)
        # The one thing that no seed decides: a selector by class must fail whenever the replica is started.
        self._names = {part: f"_{secrets.token_hex(3)}" for part in _PARTS}

    def list(self, request: web.BaseRequest) -> web.Response:
        """Give a page of results."""
        if "Mozilla/5.0" not in request.headers.get("User-Agent", ""):
            return web.Response(status=500, text="Internal Server Error")
        setting, query = self.setting(request), self.query(request)
        offers, number = self.results(query), self.page_number(request)
        pages = -(-len(offers) // _PAGE)
        shown = number
        if "endless" in setting:
            shown, pages = min(number, pages), number + 1
        return self._page(
            request,
            offers[(shown - 1) * _PAGE : shown * _PAGE],
            total=len(offers),
            page=number,
            pages=pages,
            has_login="login-asked" not in request.cookies,
        )

    def image(self, request: web.BaseRequest) -> web.Response:
        """Give an image in the size that its address asks for, or the badge that decorates cards."""
        if request.path == "/badge.png":
            return image_response(self.draw(Photo("badge", 0), width=77))
        found = _IMAGE.fullmatch(request.path)
        image = Photo.of(found[3]) if found else None
        if found is None or image is None:
            return web.Response(status=404)
        width, height = int(found[1]), int(found[2])
        full = self.size(image)
        if self.is_missing(image) and width >= full[0] and height >= full[1]:
            return web.Response(status=404)
        return image_response(self.draw(image, width=width, height=height))

    def empty(self, request: web.BaseRequest) -> web.Response:
        """Say that there are no results."""
        return self._page(request, (), total=0, page=1, pages=0, has_login=False)

    def _page(self, request: web.BaseRequest, items: Sequence[Result], **values: Any) -> web.Response:
        setting, query = self.setting(request), self.query(request)
        return self.render(
            "old.html" if "last_years_layout" in setting else "search.html",
            request=request,
            query=query,
            items=items,
            name=self._names,
            other_page=lambda other: f"/search?{urlencode({'q': query, 'page': other})}",
            **values,
        )

    def _results(self, query: str) -> tuple[Offer, ...]:
        return tuple(self._offer(rank, image) for rank, image in enumerate(self.world.shown(self, query)))

    def _offer(self, rank: int, image: Photo) -> Offer:
        sold = goods("flipkart", image)
        width, height = self.size(image)
        product = f"SHT{code(_LETTERS, 13, 'pid', image)}"
        item = f"itm{code('0123456789abcdef', 12, 'item', image)}"
        query = urlencode({"pid": product, "lid": f"LST{product}", "srno": f"s_1_{rank + 1}"})
        return Offer(
            rank=rank,
            image=image,
            key=product,
            title=sold.title,
            page_url=f"https://{self.hosts[0]}/{slug(sold.title).lower()}/p/{item}?{query}",
            original_url=_address(image, 1200),
            thumbnail_url=_address(image, 612),
            width=width,
            height=height,
            route="attribute",
            delivers=not self.is_missing(image),
            price=sold.price,
        )


def _address(image: Photo, side: int) -> str:
    a, b, c, d = tuple(code("abcdefghijklmnopqrstuvwxyz0123456789", 4, "folders", image))
    category = slug(image.query).lower() or "thing"
    return (
        f"https://rukminim2.flixcart.com/image/{side}/{side}/xif0q/{category}/{a}/{b}/{c}/"
        f"{d}-original-imag{image.token}.jpeg?q=70"
    )
