"""The shop's catalogue: the cards of each class, with their images, texts and deliberate faults."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Literal

from pixmill.core.errors import DataError
from pixmill.core.files.writing import target_within
from pixmill.core.names import to_text

ORIGIN = "http://shop.pixmill.test"
"""The shop's origin in all outputs. Clients map it to the actual port, which varies."""

_MAX_INLINE_BYTES = 64 * 1024
"""Larger images are never inlined."""

_INLINE: dict[int, Literal["src", "data-src"]] = {0: "src", 1: "data-src"}

_MATERIALS = {
    "coat": ("Wool", "Loden", "Waxed", "Quilted", "Melton", "Tweed"),
    "dress": ("Linen", "Silk", "Jersey", "Crêpe", "Cotton", "Viscose"),
    "shirt": ("Oxford", "Poplin", "Flannel", "Chambray", "Linen", "Twill"),
    "sneaker": ("Canvas", "Suede", "Leather", "Mesh", "Knit", "Court"),
    "trouser": ("Linen", "Denim", "Twill", "Corduroy", "Wool", "Cotton"),
}
_OTHER_MATERIALS = (
    "Harbour", "Meadow", "Studio", "Linden", "Atlas", "Orchard", "Quarry", "Northern",
)  # fmt: skip

_PRICES = {
    "coat": (129, 289),
    "dress": (59, 149),
    "shirt": (39, 89),
    "sneaker": (69, 139),
    "trouser": (49, 119),
}
_OTHER_PRICES = (19, 199)

BACKDROPS = ("sand", "sage", "fog", "clay", "rose", "straw", "sky", "stone")
"""Background colours of images, defined in the style sheet."""


class CardKind(Enum):
    """Kind of card; each image has one ``PRODUCT`` card, the others are extra."""

    PRODUCT = "product"
    DUPLICATE = "again"  # the same image at another address
    SOLD_OUT = "sold-out"  # its image is missing
    MEMBERS = "members"  # robots.txt disallows its image


@dataclass(frozen=True, slots=True)
class ProductCard:
    """A card, which is also a product.

    Args:
        id: Product id in URLs: 16 hexadecimal digits.
        label: Class.
        kind: Kind of card.
        title: Displayed title.
        price: Price in whole euros.
        backdrop: One of ``BACKDROPS``.
        image: Path of the image's URL.
        path: Image file.
        inline: Attribute that contains the image as a ``data:`` URI; ``None`` for none.
        mislabelled: Wrong content type with which the image is served; ``None`` for the right one.
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
    """All cards of a shop.

    Only file names are read, no images. The cards of an image depend on the hash of its path within
    ``data/``, not on other images.

    Args:
        data: Folder of images as ``<class>/<file>``. Every file that is not hidden counts as an
            image, even a text file named ``.jpg``. Links are followed within the folder and into
            DVC's cache.

    Attributes:
        classes: Cards of each class, ordered by id.
        products: Cards by id.
        media: Cards by the URL path of their image.
        slow: Card whose image is served slowly.

    Raises:
        DataError: The folder does not exist, has no class folders, or has links to other places.
    """

    def __init__(self, data: Path) -> None:
        folders = _inner(data, Path.is_dir, data) if data.is_dir() else []
        if not folders:
            raise DataError(
                f"{data} has no class folders; the shop shows <class>/<file>",
                next="put images into data/<class>/, or use the bundled ones: pixmill demo",
            )
        self.classes = {to_text(folder.name): _class_cards(folder, data) for folder in folders}
        every = [card for cards in self.classes.values() for card in cards]
        self.products = {card.id: card for card in every}
        self.media = {card.image: card for card in every if card.kind is not CardKind.SOLD_OUT}
        fetched = [card for card in every if card.kind is CardKind.PRODUCT and card.inline is None]
        self.slow = min(fetched, key=lambda card: _number(card.id, "slow"), default=None)

    def find(self, query: str) -> tuple[ProductCard, ...]:
        """Return the cards of the class of this name, in any case if there is no exact match."""
        name = query.strip().casefold()
        alike = (cards for label, cards in self.classes.items() if label.strip().casefold() == name)
        return self.classes.get(query) or next(alike, ())

    def window(self, label: str) -> tuple[ProductCard, ...]:
        """Return up to three cards of a class that have no fault, for the home page."""
        cards = self.classes[label]
        fine = (card for card in cards if card.kind is CardKind.PRODUCT and card is not self.slow)
        return tuple(islice(fine, 3))


def _inner(folder: Path, is_kind: Callable[[Path], bool], data: Path) -> list[Path]:
    """Return the visible folders or files of a folder; links out of ``data`` are refused."""
    found = sorted(path for path in folder.iterdir() if path.name[0] != "." and is_kind(path))
    for path in found:
        if path.is_symlink() and target_within(path, data) is None:
            raise DataError(
                f"{path} is a link out of {data.name}/, which the shop does not follow",
                next="put the files themselves in its place, or set scrape.source: folder",
            )
    return found


def _class_cards(folder: Path, data: Path) -> tuple[ProductCard, ...]:
    label = to_text(folder.name)
    cards = [card for path in _inner(folder, Path.is_file, data) for card in _cards(label, path)]
    return tuple(sorted(cards, key=lambda card: (card.id, card.image)))


def _cards(label: str, path: Path) -> Iterator[ProductCard]:
    """Yield the card of an image and, for some images, extra cards."""
    key = f"{label}/{to_text(path.name)}"
    yield _card(CardKind.PRODUCT, label, path, key)
    for kind, one_in in ((CardKind.DUPLICATE, 12), (CardKind.SOLD_OUT, 25), (CardKind.MEMBERS, 25)):
        if _number(key, kind.value) % one_in == 0:
            yield _card(kind, label, path, f"{key}\0{kind.value}")


def _card(kind: CardKind, label: str, path: Path, key: str) -> ProductCard:
    id_ = f"{_number(key, 'product'):016x}"
    # URLs contain nothing of the local file name except a harmless extension and the prefix of
    # feedback images.
    suffix = path.suffix.lower()
    extension = suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ""
    origin = re.match(r"feedback-(?:[a-z]+-)?\d{4}-\d\d-\d\d-", path.name)
    folder = "/media/private" if kind is CardKind.MEMBERS else "/media"
    is_shown = kind in (CardKind.PRODUCT, CardKind.DUPLICATE)
    # Feedback images are never inlined, since a ``data:`` URI has no prefix.
    may_be_inline = not origin and is_shown and path.stat().st_size <= _MAX_INLINE_BYTES
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
    """Return a 64-bit hash of a key, independent for each purpose."""
    return int.from_bytes(hashlib.sha256(f"{purpose}\0{key}".encode()).digest()[:8])


def display_name(label: str) -> str:
    """Return a class's displayed name, such as ``Running Shoe`` for ``running_shoe``."""
    return label.replace("_", " ").replace("-", " ").title()


def title(label: str, key: str) -> str:
    """Return a product's title, such as ``Linen Trouser No. 412``."""
    materials = _MATERIALS.get(label, _OTHER_MATERIALS)
    material = materials[_number(key, "make") % len(materials)]
    return f"{material} {display_name(label)} No. {100 + _number(key, 'title') % 900}"


def price(label: str, key: str) -> int:
    """Return a product's price in whole euros, ending in 9 or 5."""
    low, high = _PRICES.get(label, _OTHER_PRICES)
    tens = low // 10 + _number(key, "price") % (high // 10 - low // 10 + 1)
    return 10 * tens + (9, 5)[_number(key, "ending") % 2]
