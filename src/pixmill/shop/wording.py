"""The shop's wording: a title, a price, a backdrop and a line of praise for each picture, from its hash alone."""

from __future__ import annotations

import hashlib

__all__ = ["BACKDROPS", "backdrop", "describe", "display_name", "number", "price", "title"]

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
"""Names of the colours that a picture may stand before; the style sheet knows them."""

_PRAISE = (
    "Made slowly, in small numbers, and meant to be kept.",
    "A quiet favourite that gets better with wear.",
    "Simple on purpose: nothing to add, nothing to take away.",
    "Cut for every day, good enough for the others.",
    "The one that is always in the wash, because it is always worn.",
    "Plain from afar, particular up close.",
)


def number(key: str, purpose: str) -> int:
    """Return a number that follows from a key alone, another one for each purpose."""
    return int.from_bytes(hashlib.sha256(f"{purpose}\0{key}".encode()).digest()[:8])


def display_name(label: str) -> str:
    """Return a class's name as people read it: ``running_shoe`` becomes ``Running Shoe``."""
    return label.replace("_", " ").replace("-", " ").title()


def title(label: str, key: str) -> str:
    """Return a product's title, such as ``Linen Trouser No. 412``."""
    makes = _MAKES.get(label, _OTHER_MAKES)
    make = makes[number(key, "make") % len(makes)]
    return f"{make} {display_name(label)} No. {100 + number(key, 'title') % 900}"


def price(label: str, key: str) -> int:
    """Return a product's price in whole euros, ending in 9 or 5."""
    low, high = _PRICES.get(label, _OTHER_PRICES)
    tens = low // 10 + number(key, "price") % (high // 10 - low // 10 + 1)
    return 10 * tens + (9, 5)[number(key, "ending") % 2]


def backdrop(key: str) -> str:
    """Return the colour that a picture stands before."""
    return BACKDROPS[number(key, "backdrop") % len(BACKDROPS)]


def describe(key: str) -> str:
    """Return a line of praise."""
    return _PRAISE[number(key, "praise") % len(_PRAISE)]
