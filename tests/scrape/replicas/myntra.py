"""A replica of Myntra's lists: fifty cards at once, each without its image until somebody comes near."""

import re
from collections.abc import Sequence
from urllib.parse import quote, urlencode

from aiohttp import web

from tests.scrape.replicas.goods import goods, slug
from tests.scrape.replicas.photos import Photo
from tests.scrape.replicas.shop import Offer, Shop, image_response
from tests.scrape.replicas.site import Result

__all__ = ["Myntra"]

_PAGE = 50
_DELAY_MS = 300
_LIST = "dpr_2,q_60,w_210,c_limit,fl_progressive"
_FULL = "q_90,w_1080,c_limit,fl_progressive"
_IMAGE = re.compile(r"/(?:(?P<sizes>[\w.]+(?:,[\w.]+)+)/)?(?:v1/)?assets/images/\d+/(?P<token>[\w-]+)\.jpg")


class Myntra(Shop):
    """Answer for Myntra.

    An image is put into its card once the card has been near the viewport for a moment, so that a jump to the bottom
    leaves the middle empty. ``window.__myx`` holds the page's products all the same. An original is what an address
    with ``w_1080`` gives; any other width that is large enough, and none at all, give the same bytes.
    """

    name = "myntra"
    hosts = ("www.myntra.com", "assets.myntassets.com")
    image_host = "assets.myntassets.com"
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

    def image(self, request: web.BaseRequest) -> web.Response:
        """Give an image in the size that its address asks for."""
        found = _IMAGE.fullmatch(request.path)
        image = Photo.of(found["token"]) if found else None
        if found is None or image is None:
            return web.Response(status=404)
        sizes = dict(size.partition("_")[::2] for size in (found["sizes"] or "").split(","))
        width = round(int(sizes["w"]) * float(sizes.get("dpr", 1))) if "w" in sizes else None
        if self.is_missing(image) and (width is None or width >= self.size(image)[0]):
            return web.Response(status=404)
        return image_response(self.draw(image, width=width), webp=sizes.get("f") == "webp")

    def empty(self, request: web.BaseRequest) -> web.Response:
        """Say that there are no results."""
        return self._page(request, (), 0, 1, 0)

    def _page(
        self, request: web.BaseRequest, offers: Sequence[Result], total: int, page: int, pages: int
    ) -> web.Response:
        query = self.query(request)
        sold = [goods("myntra", offer.image) for offer in offers]
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
            images=[_lazy(offer) for offer in offers],
            total=total,
            page=page,
            pages=pages,
            delay_ms=round(_DELAY_MS * self.world.pace),
            other_page=lambda other: f"{quote(request.path)}?{urlencode({'rawQuery': query, 'p': other})}",
        )

    def _results(self, query: str) -> tuple[Offer, ...]:
        return tuple(self._offer(rank, image) for rank, image in enumerate(self.world.shown(self, query)))

    def _offer(self, rank: int, image: Photo) -> Offer:
        sold = goods("myntra", image)
        width, height = self.size(image)
        key = str(10_000_000 + image.number % 89_999_999)
        path = f"{slug(image.query).lower()}/{slug(sold.brand).lower()}/{slug(sold.title).lower()}/{key}/buy"
        version = "v1/" if image.number % 2 else ""
        file = f"{version}assets/images/{key}/{image.token}.jpg"
        return Offer(
            rank=rank,
            image=image,
            key=key,
            title=sold.title,
            page_url=f"https://{self.hosts[0]}/{path}",
            original_url=f"https://{self.image_host}/{_FULL}/{file}",
            thumbnail_url=f"https://{self.image_host}/{_LIST}/{file}",
            width=width,
            height=height,
            route="attribute",
            delivers=not self.is_missing(image),
            price=sold.price,
        )


def _lazy(offer: Result) -> dict[str, str]:
    """Return what the page's script puts into a card; the addresses in the ``srcset`` have commas of their own."""
    versions = (
        f"{offer.thumbnail_url.replace(_LIST, f'f_webp,dpr_{density},q_60,w_210,c_limit,fl_progressive')} {density}x"
        for density in ("1.0", "1.5", "1.8")
    )
    return {"title": offer.title, "source": ", ".join(versions), "address": offer.thumbnail_url}
