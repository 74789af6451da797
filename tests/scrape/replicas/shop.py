"""What the replicas of shops have in common: numbered pages of offers, and a host that gives images in any size."""

import html
import io
import re
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from aiohttp import web
from PIL import Image

from tests.scrape.replicas.photos import Photo
from tests.scrape.replicas.site import Result, Site

__all__ = ["Offer", "Shop", "image_response"]

_SCALE = 2.5
"""Shops' photographs are larger than what they show in their lists: 600 to 1,000 pixels on the long side."""


@dataclass(frozen=True, slots=True)
class Offer(Result):
    """Tell the truth about one product, with its price as written; ``None`` where it has none."""

    price: str | None


class Shop(Site):
    """Answer for a shop: its own pages on all hosts but one, images on that.

    The only fault of `images.FAULTS` that befalls a shop's originals is ``missing``: the list's version is there, the
    full-size one is not.

    Args:
        total: How many different products a query finds.

    Attributes:
        image_host: The host that gives the images.
        paths: A regular expression for the paths of result pages.
        page_name: The query parameter that holds the number of a page, from 1.
    """

    image_host: ClassVar[str]
    paths: ClassVar[str]
    page_name: ClassVar[str] = "page"

    def __init__(self, total: int = 300) -> None:
        super().__init__(total)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Give an image, a page of results, or a product's page."""
        if request.url.host == self.image_host:
            return self.image(request)
        return self.list(request) if self.is_page(request) else self.product(request)

    @abstractmethod
    def image(self, request: web.BaseRequest) -> web.Response:
        """Give an image in the size that its address asks for."""

    @abstractmethod
    def list(self, request: web.BaseRequest) -> web.Response:
        """Give a page of results."""

    def product(self, request: web.BaseRequest) -> web.Response:
        """Give what is no list: a product's page, an entrance."""
        return self.html(f"<!doctype html><title>{self.name}</title><p>{html.escape(request.path)}</p>")

    def is_page(self, request: web.BaseRequest) -> bool:
        """Tell whether the request is for results."""
        return request.url.host != self.image_host and bool(re.fullmatch(self.paths, request.path))

    def page_number(self, request: web.BaseRequest) -> int:
        """Return the number of the page that is asked for."""
        number = request.query.get(self.page_name, "1")
        return int(number) if number.isascii() and number.isdigit() else 1

    def size(self, image: Photo) -> tuple[int, int]:
        """Return the width and height of an image's original, in pixels."""
        width, height = self.world.images.size(image)
        return round(width * _SCALE), round(height * _SCALE)

    def is_missing(self, image: Photo) -> bool:
        """Tell whether the full-size version of an image is gone."""
        return self.world.images.fault(image) == "missing"

    def draw(self, image: Photo, *, width: int | None = None, height: int | None = None) -> bytes:
        """Return an image as JPEG, no larger than asked for, and never larger than the original.

        Args:
            image: The image.
            width: The greatest width in pixels; any, by default.
            height: The greatest height in pixels; any, by default.
        """
        return self.world.images.content(image, self._scale(image, width, height))

    def size_within(self, image: Photo, *, width: int | None = None, height: int | None = None) -> tuple[int, int]:
        """Return the width and height of what :meth:`draw` returns."""
        scale = self._scale(image, width, height)
        small = self.world.images.size(image)
        return round(small[0] * scale), round(small[1] * scale)

    def _scale(self, image: Photo, width: int | None, height: int | None) -> float:
        full_width, full_height = self.size(image)
        return _SCALE * min(1.0, (width or full_width) / full_width, (height or full_height) / full_height)


def image_response(content: bytes, *, webp: bool = False) -> web.Response:
    """Answer with an image, as WebP where that is asked for."""
    if webp:
        buffer = io.BytesIO()
        Image.open(io.BytesIO(content)).save(buffer, "WEBP", quality=65)
        return web.Response(body=buffer.getvalue(), content_type="image/webp")
    kind = "image/png" if content.startswith(b"\x89PNG") else "image/jpeg"
    return web.Response(body=content, content_type=kind, headers={"Cache-Control": "max-age=3600"})
