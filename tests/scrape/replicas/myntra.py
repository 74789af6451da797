"""A replica of Myntra's lists: fifty cards at once, each without its picture until somebody comes near."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote, urlencode

from aiohttp import web

from tests.scrape.replicas.goods import goods, slug
from tests.scrape.replicas.pictures import Picture
from tests.scrape.replicas.shop import Offer, Shop, image
from tests.scrape.replicas.site import Result

__all__ = ["Myntra"]

_PAGE = 50
_DELAY_MS = 300
_LIST = "dpr_2,q_60,w_210,c_limit,fl_progressive"
_FULL = "q_90,w_1080,c_limit,fl_progressive"
_PICTURE = re.compile(r"/(?:(?P<sizes>[\w.]+(?:,[\w.]+)+)/)?(?:v1/)?assets/images/\d+/(?P<token>[\w-]+)\.jpg")


class Myntra(Shop):
    """Answer for Myntra.

    A picture is put into its card once the card has been near the viewport for a moment, so that a jump to the bottom
    leaves the middle empty. ``window.__myx`` holds the page's products all the same. An original is what an address
    with ``w_1080`` gives; any other width that is large enough, and none at all, give the same bytes.
    """

    name = "myntra"
    hosts = ("www.myntra.com", "assets.myntassets.com")
    picture_host = "assets.myntassets.com"
    paths = r"/[\w%-]+"
    query_name = "rawQuery"
    page_name = "p"
    rotting = ("product-base", "img-responsive", "results-base", "product-brand", "product-product", "LazyLoad")

    def query(self, request: web.BaseRequest) -> str:
        """Return what is looked for: the words in the query, or the path."""
        return request.query.get(self.query_name) or request.path.strip("/").replace("-", " ")

    def list(self, request: web.BaseRequest) -> web.Response:
        """Give a page of results."""
        setting = self.setting(request)
        offers, number = self.results(self.query(request)), self.page_number(request)
        pages = -(-len(offers) // _PAGE)
        shown = number
        if "endless" in setting:
            shown, pages = min(number, pages), number + 1
        return self._page(request, offers[(shown - 1) * _PAGE : shown * _PAGE], len(offers), number, pages)

    def picture(self, request: web.BaseRequest) -> web.Response:
        """Give a picture in the size that its address asks for."""
        found = _PICTURE.fullmatch(request.path)
        picture = Picture.of(found["token"]) if found else None
        if found is None or picture is None:
            return web.Response(status=404)
        sizes = dict(size.partition("_")[::2] for size in (found["sizes"] or "").split(","))
        width = round(int(sizes["w"]) * float(sizes.get("dpr", 1))) if "w" in sizes else None
        if self.is_missing(picture) and (width is None or width >= self.size(picture)[0]):
            return web.Response(status=404)
        return image(self.draw(picture, width=width), webp=sizes.get("f") == "webp")

    def empty(self, request: web.BaseRequest) -> web.Response:
        """Say that there are no results."""
        return self._page(request, (), 0, 1, 0)

    def _page(
        self, request: web.BaseRequest, offers: Sequence[Result], total: int, page: int, pages: int
    ) -> web.Response:
        query = self.query(request)
        sold = [goods("myntra", offer.picture) for offer in offers]
        products = [
            {
                "productId": int(offer.key),
                "productName": offer.title,
                "brand": one.brand,
                "landingPageUrl": offer.page_url.split("/", 3)[3],
                "searchImage": offer.original_url.replace(f"{_FULL}/", ""),
            }
            for offer, one in zip(offers, sold, strict=True)
        ]
        return self.render(
            "old.html" if "last_years_layout" in self.setting(request) else "search.html",
            request=request,
            query=query,
            items=list(zip(offers, sold, strict=True)),
            state={"searchData": {"results": {"products": products, "totalCount": total}}},
            pictures=[_lazy(offer) for offer in offers],
            total=total,
            page=page,
            pages=pages,
            delay_ms=round(_DELAY_MS * self.world.pace),
            other_page=lambda other: f"{quote(request.path)}?{urlencode({'rawQuery': query, 'p': other})}",
        )

    def _results(self, query: str) -> tuple[Offer, ...]:
        return tuple(self._offer(rank, picture) for rank, picture in enumerate(self.world.shown(self, query)))

    def _offer(self, rank: int, picture: Picture) -> Offer:
        sold = goods("myntra", picture)
        width, height = self.size(picture)
        key = str(10_000_000 + picture.number % 89_999_999)
        path = f"{slug(picture.query).lower()}/{slug(sold.brand).lower()}/{slug(sold.title).lower()}/{key}/buy"
        version = "v1/" if picture.number % 2 else ""
        file = f"{version}assets/images/{key}/{picture.token}.jpg"
        return Offer(
            rank=rank,
            picture=picture,
            key=key,
            title=sold.title,
            page_url=f"https://{self.hosts[0]}/{path}",
            original_url=f"https://{self.picture_host}/{_FULL}/{file}",
            thumbnail_url=f"https://{self.picture_host}/{_LIST}/{file}",
            width=width,
            height=height,
            route="attribute",
            delivers=not self.is_missing(picture),
            price=sold.price,
        )


def _lazy(offer: Result) -> dict[str, str]:
    """Return what the page's script puts into a card; the addresses in the ``srcset`` have commas of their own."""
    versions = (
        f"{offer.thumbnail_url.replace(_LIST, f'f_webp,dpr_{density},q_60,w_210,c_limit,fl_progressive')} {density}x"
        for density in ("1.0", "1.5", "1.8")
    )
    return {"title": offer.title, "source": ", ".join(versions), "address": offer.thumbnail_url}
