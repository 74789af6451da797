"""Random images of the replicas, with URLs that encode their number, and faults."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal
from urllib.parse import quote

import numpy as np
from PIL import Image

__all__ = [
    "CDN_HOSTS",
    "DEAD_HOSTS",
    "DELIVERED",
    "FAULTS",
    "PAGE_HOSTS",
    "Fault",
    "Photo",
    "Photos",
    "chance",
]

CDN_HOSTS = tuple(f"cdn-{number}.test" for number in range(8))
DEAD_HOSTS = ("gone-0.test", "gone-1.test")
PAGE_HOSTS = tuple(f"site-{number}.test" for number in range(8))

Fault = Literal[
    "",
    "dead",
    "forbidden",
    "mislabelled",
    "missing",
    "noai",
    "page",
    "placeholder",
    "redirect",
    "slow",
    "small",
    "truncated",
]
"""Faults of originals.

``dead``: no such server; ``forbidden``: 403; ``mislabelled``: wrong content type; ``missing``: 404;
``noai``: X-Robots-Tag; ``page``: HTML with the content type of an image; ``placeholder``: redirect
to a placeholder; ``redirect``: redirect to another host; ``slow``: delayed; ``small``: smaller than
its thumbnail; ``truncated``: cut off.
"""

FAULTS: Mapping[Fault, float] = MappingProxyType(
    {
        "dead": 0.01,
        "forbidden": 0.02,
        "mislabelled": 0.02,
        "missing": 0.02,
        "noai": 0.01,
        "page": 0.01,
        "placeholder": 0.01,
        "redirect": 0.03,
        "slow": 0.01,
        "small": 0.01,
        "truncated": 0.01,
    }
)
"""Share of originals with each fault."""

DELIVERED: frozenset[Fault] = frozenset({"", "mislabelled", "redirect", "slow"})
"""Faults with which a client still gets the image."""

THUMBNAIL = 0.6
"""Side of a thumbnail relative to its original."""


def chance(*parts: object) -> float:
    """Return a pseudorandom number in [0, 1) that depends only on the parts."""
    digest = hashlib.sha256("\n".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


@dataclass(frozen=True, slots=True)
class Photo:
    """An image, identified by its query and number."""

    query: str
    number: int

    @property
    def token(self) -> str:
        """The image as URL-safe base64, for `of`."""
        return base64.urlsafe_b64encode(f"{self.number}:{self.query}".encode()).decode().rstrip("=")

    @classmethod
    def of(cls, token: str) -> Photo | None:
        """Return the image of a token, or ``None`` if it is invalid."""
        try:
            number, _, query = (
                base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode().partition(":")
            )
            return cls(query, int(number))
        except ValueError:
            return None


class Photos:
    """Content, URLs and faults of images.

    Args:
        seed: Seed of images, sizes, URLs and faults.
        faults: Share of originals with each fault.
    """

    def __init__(self, seed: int = 0, faults: Mapping[Fault, float] = FAULTS) -> None:
        self.seed = seed
        self._faults = dict(faults)
        self.content = functools.lru_cache(maxsize=2048)(self._content)

    def chance(self, image: Photo, aspect: str) -> float:
        """Return a pseudorandom number in [0, 1) for an aspect of an image."""
        return chance(self.seed, image.query, image.number, aspect)

    def size(self, image: Photo) -> tuple[int, int]:
        """Return width and height of the original in pixels; the longer side has 280 to 400."""
        long = 280 + int(120 * self.chance(image, "size"))
        short = int(long * (0.6 + 0.35 * self.chance(image, "shape")))
        return (long, short) if self.chance(image, "turn") < 0.6 else (short, long)

    def fault(self, image: Photo) -> Fault:
        """Return the fault of the original, or an empty string."""
        point = self.chance(image, "fault")
        for fault, share in sorted(self._faults.items()):
            point -= share
            if point < 0:
                return fault
        return ""

    def delivers(self, image: Photo) -> bool:
        """Return whether a client gets the original."""
        return self.fault(image) in DELIVERED

    def title(self, image: Photo) -> str:
        """Return a title, sometimes with quotes, ampersands or non-ASCII letters."""
        forms = (
            "{q} no. {n}",
            'A "fine" {q}, no. {n}',
            "{q} & friends {n}",
            "Été: {q} <{n}>",
            "{q} no. {n}",
        )
        form = forms[int(len(forms) * self.chance(image, "title"))]
        return form.format(q=image.query.capitalize(), n=image.number)

    def page(self, image: Photo) -> str:
        """Return the URL of the page that shows the image."""
        host = PAGE_HOSTS[int(len(PAGE_HOSTS) * self.chance(image, "page"))]
        return f"https://{host}/stories/{_slug(image.query)}/{image.number}"

    def original(self, image: Photo) -> str:
        """Return the URL of the original, with or without extension, query, escapes and TLS."""
        hosts = DEAD_HOSTS if self.fault(image) == "dead" else CDN_HOSTS
        host = hosts[int(len(hosts) * self.chance(image, "host"))]
        stem = f"{_slug(image.query)}-{image.number}"
        form = self.chance(image, "form")
        extension = ".png" if self.is_png(image) else ".jpg"
        scheme = "http" if form < 0.05 else "https"
        name = f"{stem}{extension}"
        if 0.05 <= form < 0.15:
            name = stem
        elif form < 0.25:
            name = f"{stem}{extension}?w=1920&v={image.number % 7}"
        elif form < 0.28:
            name = quote(f"été {stem}{extension}")
        return f"{scheme}://{host}/photos/{image.token}/{name}"

    def is_png(self, image: Photo) -> bool:
        """Return whether the original is a PNG instead of a JPEG."""
        return self.chance(image, "png") < 0.1

    def original_bytes(self, image: Photo) -> bytes:
        """Return the content of the original without its fault."""
        return self.content(image, 1.0)

    def thumbnail_bytes(self, image: Photo) -> bytes:
        """Return the thumbnail, a JPEG."""
        return self.content(image, THUMBNAIL)

    def thumbnail_uri(self, image: Photo) -> str:
        """Return the thumbnail as a ``data:`` URI."""
        return f"data:image/jpeg;base64,{base64.b64encode(self.thumbnail_bytes(image)).decode()}"

    def _content(self, image: Photo, scale: float) -> bytes:
        """Return the scaled image, a gradient of four by three random colours.

        A scale of 1 gives the original in its format; any other a JPEG.
        """
        start = int(self.chance(image, "colours") * 2**48)
        colours = np.random.default_rng(start).integers(0, 256, (3, 4, 3), dtype=np.uint8)
        width, height = self.size(image)
        is_png = scale == 1 and self.is_png(image)
        smooth = Image.Resampling.NEAREST if is_png else Image.Resampling.BICUBIC
        size = max(1, round(width * scale)), max(1, round(height * scale))
        buffer = io.BytesIO()
        Image.fromarray(colours).resize(size, smooth).save(buffer, "PNG" if is_png else "JPEG")
        return buffer.getvalue()


def _slug(text: str) -> str:
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-") or "image"
