"""A digest of decoded pixels: the same for two pictures of one size if, and only if, they look the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from blake3 import blake3
from PIL import Image

__all__ = ["pixel_digest"]

_PART = 4 << 20
"""Pixels that are digested at a time: what Pillow holds in one piece."""

_OPAQUE = 0xFF000000
"""The fourth byte of a pixel, as a little-endian number has it."""


def pixel_digest(picture: Image.Image, *, filled: bool = False) -> str:
    """Return the BLAKE3 digest of a picture's pixels, row by row, as 64 hexadecimal digits.

    Pillow holds a pixel in four bytes: red, green, blue and a fourth that is 255, and so they are digested. To leave
    the fourth out would mean to copy all pixels, which takes as long as the digest. SHA-256 takes three times as long.

    Args:
        picture: Of mode ``RGB``, or of one that can be converted.
        filled: Whether every fourth byte is known to be 255; default: no, so they are looked at.
    """
    colours = picture if picture.mode == "RGB" else picture.convert("RGB")
    digest = blake3()
    for part in _parts(colours):
        digest.update(_pixels(part, filled=filled))
    return digest.hexdigest()


def _parts(picture: Image.Image) -> Iterator[Image.Image]:
    width, height = picture.size
    if width * height <= _PART:
        yield picture
        return
    rows = max(1, _PART // width)
    for top in range(0, height, rows):
        yield picture.crop((0, top, width, min(height, top + rows)))


def _pixels(picture: Image.Image, *, filled: bool) -> pa.Buffer:
    """Return the memory of a picture; of a copy where a decoder or a canvas has left something else in fourth bytes."""
    pixels = pa.array(picture).flatten().buffers()[1]
    if not filled and np.bitwise_and.reduce(np.frombuffer(pixels, "<u4")) < _OPAQUE:
        pixels = pa.array(Image.frombytes("RGB", picture.size, picture.tobytes())).flatten().buffers()[1]
    return pixels
