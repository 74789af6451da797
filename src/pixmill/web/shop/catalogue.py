"""The shop's catalogue: which cards each class shows, which image each stands for, and what is odd about it."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Literal

from pixmill.core.errors import DataError
from pixmill.core.files.writing import target_within
from pixmill.core.params.names import to_text

_INLINE_BYTES = 64 * 1024
"""Larger images are never inlined: a page of a hundred photographs of 5 MB each would help nobody."""

_INLINE: dict[int, Literal["src", "data-src"]] = {0: "src", 1: "data-src"}

_MAKES = {
    "coat": ("Wool", "Loden", "Waxed", "Quilted", "Melton", "Tweed"),
    "dress": ("Linen", "Silk", "Jersey", "Crêpe", "Cotton", "Viscose"),
    "shirt": ("Oxford", "Poplin", "Flannel", "Chambray", "Linen", "Twill"),
    "sneaker": ("Canvas", "Suede", "Leather", "Mesh", "Knit", "Court"),
    "trouser": ("Linen", "Denim", "Twill", "Corduroy", "Wool", "Cotton"),
}
_OTHER_MAKES = ("Harbour", "Meadow", "Studio", "Linden", "Atlas", "Orchard", "Quarry", "Northern")

_PRICES = {"coat": (129, 289), "dress": (59, 149), "shirt": (39, 89), "sneaker": (69, 139), "trouser": (49, 119)}
_OTHER_PRICES = (19, 199)

BACKDROPS = ("sand", "sage", "fog", "clay", "rose", "straw", "sky", "stone")
"""Names of the colours that an image may stand before; the style sheet knows them."""

_PRAISE = (
    "Made slowly, in small numbers, and meant to be kept.",
    "A quiet favourite that gets better with wear.",
    "Simple on purpose: nothing to add, nothing to take away.",
    "Cut for every day, good enough for the others.",
    "The one that is always in the wash, because it is always worn.",
    "Plain from afar, particular up close.",
)


class CardKind(Enum):
    """Why a card is there."""

    PRODUCT = "product"  # one for each image
    AGAIN = "again"  # the same image on another card, under another address
    SOLD_OUT = "sold-out"  # an extra card; its image is gone
    MEMBERS = "members"  # an extra card; robots.txt asks to leave its image alone


@dataclass(frozen=True, slots=True)
class ProductCard:
    """One card, which is also one product.

    Args:
        id: The product's name in addresses: sixteen hexadecimal digits.
        label: The class it is found under.
        kind: Why it is there.
        title: What people read.
        price: In whole euros.
        backdrop: One of ``BACKDROPS``.
        image: The address of its image, relative to the shop.
        path: The file behind it.
        inline: The attribute in which the card carries the image itself as a ``data:`` URI; ``None``: nowhere.
        mislabelled: The content type that the image is served with in place of its own; ``None``: its own.
    """

    id: str
    label: str
    kind: CardKind
    title: str
    price: int
    backdrop: str
    image: str
    path: Path
    inline: Literal["src", "data-src"] | None
    mislabelled: str | None


class Catalogue:
    """All cards of a shop, indexed once.

    Only names are read, no image; what happens to an image follows from the hash of its path within ``data/``, so
    that one image more changes nothing about the others.

    Args:
        data: A folder of images as ``<class>/<file>``. Hidden files are left out, everything else is taken for an
            image: a scraper must cope with a text file named ``.jpg`` too. Links are followed within the folder and
            into DVC's cache.

    Attributes:
        classes: The cards of each class, in the order of their ids.
        products: Each card by its id.
        media: The card that each image's address stands for.
        slow: The card whose image takes its time.
        links_out: The links that are left out.

    Raises:
        DataError: There is no such folder, or no class in it.
    """

    def __init__(self, data: Path) -> None:
        self.classes: dict[str, tuple[ProductCard, ...]] = {}
        self.links_out: list[Path] = []
        for folder in self._within(data, filter(Path.is_dir, _visible(data) if data.is_dir() else ())):
            label = to_text(folder.name)
            files = self._within(data, filter(Path.is_file, _visible(folder)))
            cards = [card for path in files for card in _cards(label, path)]
            self.classes[label] = tuple(sorted(cards, key=lambda card: (card.id, card.image)))
        if not self.classes:
            raise DataError(
                f"{data} has no class folders; the shop shows <class>/<file>",
                next="put images into data/<class>/, or use the bundled ones: pixmill data",
            )
        every = [card for cards in self.classes.values() for card in cards]
        self.products = {card.id: card for card in every}
        self.media = {card.image: card for card in every if card.kind is not CardKind.SOLD_OUT}
        fetched = [card for card in every if card.kind is CardKind.PRODUCT and card.inline is None]
        self.slow = min(fetched, key=lambda card: _number(card.id, "slow"), default=None)

    def _within(self, data: Path, paths: Iterable[Path]) -> Iterator[Path]:
        for path in paths:
            if path.is_symlink() and target_within(path, data) is None:
                self.links_out.append(path)
            else:
                yield path

    def find(self, query: str) -> tuple[ProductCard, ...]:
        """Return the cards that a query finds: those of the class of that name, or of that name in another case."""
        name = query.strip().casefold()
        alike = (cards for label, cards in self.classes.items() if label.strip().casefold() == name)
        return self.classes.get(query) or next(alike, ())

    def display(self, label: str, count: int) -> tuple[ProductCard, ...]:
        """Return the first few flawless cards of a class, for a shop window."""
        fine = (card for card in self.classes[label] if card.kind is CardKind.PRODUCT and card is not self.slow)
        return tuple(islice(fine, count))


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _cards(label: str, path: Path) -> Iterator[ProductCard]:
    """Yield the cards that one image leads to: its own and, now and then, another."""
    key = f"{label}/{to_text(path.name)}"
    yield _card(CardKind.PRODUCT, label, path, key)
    for kind, one_in in ((CardKind.AGAIN, 12), (CardKind.SOLD_OUT, 25), (CardKind.MEMBERS, 25)):
        if _number(key, kind.value) % one_in == 0:
            yield _card(kind, label, path, f"{key}\0{kind.value}")


def _card(kind: CardKind, label: str, path: Path, key: str) -> ProductCard:
    id_ = f"{_number(key, 'product'):016x}"
    # Nothing of a local name becomes part of an address but a harmless extension, and that people sent it as feedback.
    suffix = path.suffix.lower()
    extension = suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ""
    origin = re.match(r"feedback-\d{4}-\d\d-\d\d-", path.name)
    folder = "/media/private" if kind is CardKind.MEMBERS else "/media"
    # An inline image has no address, which would not tell where it came from.
    may_be_inline = not origin and kind in (CardKind.PRODUCT, CardKind.AGAIN) and path.stat().st_size <= _INLINE_BYTES
    wrong_type = "image/png" if suffix in (".jpg", ".jpeg") else "image/jpeg"
    return ProductCard(
        id=id_,
        label=label,
        kind=kind,
        title=title(label, key),
        price=price(label, key),
        backdrop=BACKDROPS[_number(key, "backdrop") % len(BACKDROPS)],
        image=f"{folder}/{origin[0] if origin else ''}{_number(key, 'picture'):016x}{extension}",
        path=path,
        inline=_INLINE.get(_number(key, "inline") % 16) if may_be_inline else None,
        mislabelled={0: wrong_type, 1: "text/plain"}.get(_number(id_, "content type") % 20),
    )


def _number(key: str, purpose: str) -> int:
    """Return a number that follows from a key alone, another one for each purpose."""
    return int.from_bytes(hashlib.sha256(f"{purpose}\0{key}".encode()).digest()[:8])


def display_name(label: str) -> str:
    """Return a class's name as people read it: ``running_shoe`` becomes ``Running Shoe``."""
    return label.replace("_", " ").replace("-", " ").title()


def title(label: str, key: str) -> str:
    """Return a product's title, such as ``Linen Trouser No. 412``."""
    makes = _MAKES.get(label, _OTHER_MAKES)
    make = makes[_number(key, "make") % len(makes)]
    return f"{make} {display_name(label)} No. {100 + _number(key, 'title') % 900}"


def price(label: str, key: str) -> int:
    """Return a product's price in whole euros, ending in 9 or 5."""
    low, high = _PRICES.get(label, _OTHER_PRICES)
    tens = low // 10 + _number(key, "price") % (high // 10 - low // 10 + 1)
    return 10 * tens + (9, 5)[_number(key, "ending") % 2]


def describe(key: str) -> str:
    """Return a line of praise."""
    return _PRAISE[_number(key, "praise") % len(_PRAISE)]
