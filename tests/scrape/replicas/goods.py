"""What the shops' replicas sell: names, makers and prices of the imaged goods."""

import hashlib
import re
from dataclasses import dataclass

from tests.scrape.replicas.photos import Photo, chance

__all__ = ["Goods", "code", "goods", "slug"]

_BRANDS = ("Anvaya", "Kesari Looms", "Nilgiri", "Rangrez & Co.", "Sutra", "Tana Bana", "Urban Ghat", "Vastra")
_COLOURS = ("Maroon", "Indigo", "Mustard", "Off-White", "Bottle Green", "Navy Blue", "Rosé", "Charcoal")
_MAKES = {
    "jeans": ("Slim Fit Jeans", "Straight Leg Jeans", 'High-Rise "Mom" Jeans', "Relaxed Tapered Jeans"),
    "saree": ("Banarasi Silk Saree", "Chanderi Cotton Saree", "Kanjivaram Saree & Blouse Piece", "Linen Saree"),
    "trouser": ("Pleated Trousers", "Cotton Chino Trousers", "Formal Trousers", "Cargo Trousers"),
}


@dataclass(frozen=True, slots=True)
class Goods:
    """Describe one product; ``price`` is in rupees as people write it, ``None`` where it is out of stock."""

    brand: str
    name: str
    price: str | None

    @property
    def title(self) -> str:
        """The maker and the name."""
        return f"{self.brand} {self.name}"


def goods(shop: str, image: Photo) -> Goods:
    """Return what a shop sells under an image."""

    def one_of(choices: tuple[str, ...], purpose: str) -> str:
        return choices[int(len(choices) * chance(shop, image, purpose))]

    words = image.query.casefold()
    makes = next((makes for word, makes in _MAKES.items() if word in words), (image.query.title(),))
    name = f"{one_of(makes, 'make')}, {one_of(_COLOURS, 'colour')} (Style {image.number % 1_000_000})"
    amount = 299 + 50 * int(90 * chance(shop, image, "price"))
    is_gone = chance(shop, image, "stock") < 0.03
    return Goods(one_of(_BRANDS, "brand"), name, None if is_gone else f"₹{amount:,}")


def code(alphabet: str, length: int, *key: object) -> str:
    """Return letters of an alphabet that follow from a key alone; at most forty."""
    rest = int.from_bytes(hashlib.sha512(repr(key).encode()).digest())
    letters = []
    for _ in range(length):
        rest, place = divmod(rest, len(alphabet))
        letters.append(alphabet[place])
    return "".join(letters)


def slug(title: str) -> str:
    """Return a title as addresses spell it."""
    return re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-")
