"""The shop's catalogue: which cards each class shows, which picture each stands for, and what is odd about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pixmill.errors import DataError
from pixmill.shop import wording

__all__ = ["Card", "Catalogue", "Inline", "Kind", "Media"]

_INLINE_BYTES = 64 * 1024
"""Larger pictures are never inlined: a page of a hundred photographs of 5 MB each would help nobody."""

_SLOW_SECONDS = 2.0


class Kind(Enum):
    """Say why a card is there."""

    PRODUCT = "product"  # one for each picture
    AGAIN = "again"  # the same picture on another card, under another address
    SOLD_OUT = "sold-out"  # an extra card; its picture is gone
    MEMBERS = "members"  # an extra card; robots.txt asks to leave its picture alone


class Inline(Enum):
    """Say where a card carries its picture as a ``data:`` URI."""

    NO = "no"
    SRC = "src"
    DATA_SRC = "data-src"


@dataclass(frozen=True, slots=True)
class Media:
    """Say which file an address stands for.

    Args:
        path: The file in ``data/``.
        mislabelled: The content type it is served with in place of its own; ``None``: its own.
        delay: Seconds before the answer begins.
    """

    path: Path
    mislabelled: str | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Card:
    """Describe one card, which is also one product.

    Args:
        id: The product's name in addresses: sixteen hexadecimal digits.
        label: The class it is found under.
        kind: Why it is there.
        title: What people read.
        price: In whole euros.
        backdrop: One of :data:`pixmill.shop.wording.BACKDROPS`.
        picture: The address of its picture, relative to the shop.
        path: The file behind it.
        inline: Where the card carries the picture itself.
    """

    id: str
    label: str
    kind: Kind
    title: str
    price: int
    backdrop: str
    picture: str
    path: Path
    inline: Inline


class Catalogue:
    """Hold all cards of a shop, indexed once.

    Only names are read, no picture; what happens to a picture follows from the hash of its path within ``data/``, so
    that one picture more changes nothing about the others.

    Args:
        data: A folder of pictures as ``<class>/<file>``. Hidden files are left out, everything else is taken for a
            picture: a scraper must cope with a text file named ``.jpg`` too.

    Raises:
        DataError: There is no such folder, or no class in it.
    """

    def __init__(self, data: Path) -> None:
        self.classes: dict[str, tuple[Card, ...]] = {}
        self.products: dict[str, Card] = {}
        self.media: dict[str, Media] = {}
        for folder in _visible(data) if data.is_dir() else ():
            if folder.is_dir():
                label = _text(folder.name)
                cards = [card for path in _visible(folder) if path.is_file() for card in _cards(label, path)]
                self.classes[label] = tuple(sorted(cards, key=lambda card: (card.id, card.picture)))
        if not self.classes:
            raise DataError(
                f"{data} holds no class: the shop shows <class>/<file>",
                next="put pictures into data/<class>/, or for the bundled ones: make data",
            )
        for card in self._all_cards():
            self.products[card.id] = card
            if card.kind is not Kind.SOLD_OUT:
                self.media[card.picture] = Media(card.path, mislabelled=_mislabelled(card))
        self._slow_down_one()

    def find(self, query: str) -> tuple[Card, ...]:
        """Return the cards that a query finds: those of the class of that name, or of that name in another case."""
        wanted = query.strip().casefold()
        alike = (cards for label, cards in self.classes.items() if label.strip().casefold() == wanted)
        return self.classes.get(query) or next(alike, ())

    def display(self, label: str, count: int) -> tuple[Card, ...]:
        """Return the first few flawless cards of a class, for a shop window."""
        fine = (
            card for card in self.classes[label] if card.kind is Kind.PRODUCT and not self.media[card.picture].delay
        )
        return tuple(card for card, _ in zip(fine, range(count), strict=False))

    def _all_cards(self) -> Iterator[Card]:
        for cards in self.classes.values():
            yield from cards

    def _slow_down_one(self) -> None:
        """Make the picture with the smallest hash slow, among those that must be fetched."""
        fetched = (card for card in self._all_cards() if card.kind is Kind.PRODUCT and card.inline is Inline.NO)
        slowest = min(fetched, key=lambda card: wording.number(card.id, "slow"), default=None)
        if slowest is not None:
            media = self.media[slowest.picture]
            self.media[slowest.picture] = Media(media.path, media.mislabelled, _SLOW_SECONDS)


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _text(name: str) -> str:
    """Return a file's name as text, which on Linux it need not be."""
    return name.encode("utf-8", "backslashreplace").decode()


def _cards(label: str, path: Path) -> Iterator[Card]:
    """Yield the cards that one picture leads to: its own and, now and then, another."""
    key = f"{label}/{_text(path.name)}"
    yield _card(Kind.PRODUCT, label, path, key)
    for kind, one_in in ((Kind.AGAIN, 12), (Kind.SOLD_OUT, 25), (Kind.MEMBERS, 25)):
        if wording.number(key, kind.value) % one_in == 0:
            yield _card(kind, label, path, f"{key}\0{kind.value}")


def _card(kind: Kind, label: str, path: Path, key: str) -> Card:
    return Card(
        id=f"{wording.number(key, 'product'):016x}",
        label=label,
        kind=kind,
        title=wording.title(label, key),
        price=wording.price(label, key),
        backdrop=wording.backdrop(key),
        picture=_address(kind, path, key),
        path=path,
        inline=_inline(kind, path, key),
    )


def _address(kind: Kind, path: Path, key: str) -> str:
    # Nothing of a local name but a harmless extension becomes part of an address.
    suffix = path.suffix.lower()
    extension = suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ""
    folder = "/media/private" if kind is Kind.MEMBERS else "/media"
    return f"{folder}/{wording.number(key, 'picture'):016x}{extension}"


def _inline(kind: Kind, path: Path, key: str) -> Inline:
    if kind not in (Kind.PRODUCT, Kind.AGAIN) or path.stat().st_size > _INLINE_BYTES:
        return Inline.NO
    return {0: Inline.SRC, 1: Inline.DATA_SRC}.get(wording.number(key, "inline") % 16, Inline.NO)


def _mislabelled(card: Card) -> str | None:
    jpeg = "image/png" if card.path.suffix.lower() in (".jpg", ".jpeg") else "image/jpeg"
    return {0: jpeg, 1: "text/plain"}.get(wording.number(card.id, "content type") % 20)
