"""How Amazon's image host spells an image's name and size."""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from tests.scrape.replicas.photos import Photo, chance

__all__ = ["HOST", "Asked", "ProductPhoto", "Sized", "asked", "photo"]

HOST = "m.media-amazon.com"

_FOLDER = "/images/I/"
_BLANK = "B1plainGarmentL"
_COMPOSITE = re.compile(rf"{_BLANK}\._CLa\|2140,2000\|A1(?P<token>[\w-]+)\.png\|(?P<sizes>[^/|]*)\.png")
_AFTER = re.compile(r"81(?P<token>[\w-]+)L\.jpg(?P<sizes>_[\w,]+_)\.jpg")
_PLAIN = re.compile(r"81(?P<token>[\w-]+)L(?:\.(?P<sizes>_[\w,]+_))?\.jpg")

Kind = Literal["after", "composite", "plain", "webp"]


@dataclass(frozen=True, slots=True)
class Sized:
    """One entry of a ``srcset``."""

    url: str
    density: str


@dataclass(frozen=True, slots=True)
class ProductPhoto:
    """Name an image as the shop's pages do.

    Args:
        image: The image.
        kind: ``plain``; ``webp``: the larger versions are WebP; ``after``: the sizes stand after the extension;
            ``composite``: a print that the host lays over a plain garment, lost where the suffix is lifted.
    """

    image: Photo
    kind: Kind

    @property
    def original(self) -> str:
        """The best that the host has: the file itself, or the largest version of a composite."""
        if self.kind == "composite":
            return self.sizes("grid")[-1].url
        return f"https://{HOST}{_FOLDER}81{self.image.token}L.jpg"

    def sizes(self, layout: str) -> tuple[Sized, ...]:
        """Return the versions that a page offers, the smallest first."""
        letters, base = ("UY", 218) if layout == "list" else ("UL", 320)
        smaller = "FMwebp_QL65_" if self.kind == "webp" else "QL65_"
        return tuple(
            Sized(self._sized(f"{letters}{round(base * density)}_{smaller if density > 1 else ''}"), f"{density:g}x")
            for density in (1.0, 1.5, 2.0, 2.5, 3.0)
        )

    def _sized(self, sizes: str) -> str:
        token = self.image.token
        match self.kind:
            case "composite":
                groups = f"|2140,2000|A1{token}.png|0,0,2140,2000+0.0,0.0,2140.0,2000.0_AC_{sizes}.png"
                name = f"{_BLANK}._CLa{quote(groups, safe=',+.')}"
            case "after":
                name = f"81{token}L.jpg_BO30,255,255,255_{sizes}.jpg"
            case _:
                name = f"81{token}L._AC_{sizes}.jpg"
        return f"https://{HOST}{_FOLDER}{name}"


def photo(image: Photo) -> ProductPhoto:
    """Return how the shop calls an image."""
    odd = chance("amazon", image, "kind")
    return ProductPhoto(
        image, "composite" if odd < 0.02 else "after" if odd < 0.04 else "webp" if odd < 0.25 else "plain"
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """Say what an address asks the host for; nothing but the image for the file itself.

    Args:
        image: The image; ``None`` for the plain garment.
        longest: The length of the longest side, in pixels.
        height: The height, in pixels.
        webp: Whether it shall be WebP.
    """

    image: Photo | None
    longest: int | None = None
    height: int | None = None
    webp: bool = False


def asked(path: str) -> Asked | None:
    """Read an address of the host.

    Args:
        path: Its path, decoded.

    Returns:
        What is asked for, or ``None`` for an address that the host does not know.
    """
    name = path.removeprefix(_FOLDER)
    if name.startswith(_BLANK) and not _COMPOSITE.fullmatch(name):
        return Asked(None)
    found = _COMPOSITE.fullmatch(name) or _AFTER.fullmatch(name) or _PLAIN.fullmatch(name)
    image = Photo.of(found["token"]) if found else None
    if found is None or image is None:
        return None
    sizes = found["sizes"] or ""
    return Asked(image, _figure("[US]L", sizes), _figure("[US]Y", sizes), "_FMwebp_" in sizes)


def _figure(letters: str, sizes: str) -> int | None:
    found = re.search(rf"_{letters}(\d+)_", sizes)
    return int(found[1]) if found else None
