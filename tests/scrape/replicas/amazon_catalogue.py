"""What Amazon's result pages show, place by place: products, advertisements, repetitions and widgets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from tests.scrape.replicas.amazon_images import HOST, ProductPhoto, Sized, photo
from tests.scrape.replicas.goods import code, goods, slug
from tests.scrape.replicas.photos import Photo

__all__ = ["Catalogue", "Item", "Place"]

_FRESH = 45
"""Products that a page shows for the first time."""

_ADVERTISED = 2


@dataclass(frozen=True, slots=True)
class Item:
    """Describe one product."""

    asin: str
    brand: str
    title: str
    price: str | None
    photo: ProductPhoto
    sponsored: bool

    def link(self, index: int) -> str:
        """Return the address of its page, as the card at a place links to it."""
        path = f"/{slug(self.title)}/dp/{self.asin}/ref=sr_1_"
        if not self.sponsored:
            return f"{path}{index}"
        return f"/sspa/click?ie=UTF8&spc={self.asin[4:]}&url={quote(f'{path}sspa', safe='')}"


@dataclass(frozen=True, slots=True)
class Place:
    """Describe one place of a page; a widget has words in place of an item."""

    index: int
    uuid: str
    item: Item | None
    words: str = ""
    sizes: tuple[Sized, ...] = ()

    @property
    def link(self) -> str:
        """The address that the card leads to."""
        assert self.item is not None
        return self.item.link(self.index)

    @property
    def banner(self) -> str | None:
        """The address of a widget's own small image."""
        return f"https://{HOST}/images/I/B1plainGarmentL._AC_UL46_.jpg" if self.words == "Related brands" else None


class Catalogue:
    """Hold the answer to one query.

    Two advertisements stand on every page, each page shows one of its products twice, and each but the first begins
    with the last product of the page before.

    Args:
        images: The images of all products, the advertised ones first.
    """

    def __init__(self, images: Sequence[Photo]) -> None:
        items = [_item(image, sponsored=place < _ADVERTISED) for place, image in enumerate(images)]
        self._advertised, self._organic = items[:_ADVERTISED], items[_ADVERTISED:]
        self.total = len(items)
        self.pages = -(-len(self._organic) // _FRESH) or min(self.total, 1)

    def page(self, number: int, layout: str) -> list[Place]:
        """Return the places of a page, from 1, in their order; none for a page that there is not."""
        if not 1 <= number <= self.pages:
            return []
        return [
            Place(index, _uuid(number, index), item, words, item.photo.sizes(layout) if item else ())
            for index, (item, words) in enumerate(self._shown(number))
        ]

    def ranked(self) -> Iterator[Place]:
        """Yield the place where each product is first seen."""
        seen = set()
        for number in range(1, self.pages + 1):
            for place in self.page(number, "grid"):
                if place.item is not None and place.item.asin not in seen:
                    seen.add(place.item.asin)
                    yield place

    def _shown(self, number: int) -> Iterator[tuple[Item | None, str]]:
        start = (number - 1) * _FRESH
        fresh = self._organic[start : start + _FRESH]
        yield None, "Results"
        cards = [*self._advertised[:1], *self._organic[max(start - 1, 0) : start], *fresh[:12], *self._advertised[1:]]
        yield from ((item, "") for item in cards)
        yield None, "Related brands"
        yield from ((item, "") for item in [*fresh[12:], *fresh[5:6]])
        yield None, "Need help? Visit the help section"


def _item(image: Photo, *, sponsored: bool) -> Item:
    sold = goods("amazon", image)
    asin = f"B0{code('ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789', 8, 'asin', image)}"
    return Item(asin, sold.brand, sold.title, sold.price, photo(image), sponsored)


def _uuid(*key: int) -> str:
    return f"{code('0123456789abcdef', 8, *key)}-0000-4000-8000-{code('0123456789abcdef', 12, 'node', *key)}"
