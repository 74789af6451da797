"""Look at one picture: it is read, decoded under guard and measured, or there is a word why not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pixmill.images import Undecodable, decode, read_verified
from pixmill.validate.greys import small_grey
from pixmill.validate.luma import border, light, scale, sharpness
from pixmill.validate.phash import perceptual_hash
from pixmill.validate.pixels import pixel_digest

__all__ = ["Failure", "Measures", "Picture", "measure"]


class Picture(NamedTuple):
    """Name a picture that is to be measured.

    Args:
        id: The sha256 of the bytes that it must have.
        path: Where the file is.
        max_pixels: The most pixels that are decoded.
    """

    id: str
    path: Path
    max_pixels: int


@dataclass(frozen=True)
class Failure:
    """Say why a picture has no measures.

    Args:
        reason: A word of :data:`pixmill.validate.reasons.UNREADABLE`.
    """

    reason: str


@dataclass(frozen=True)
class Measures:
    """Hold what one decode tells of a picture.

    Args:
        width: In pixels, upright.
        height: In pixels, upright.
        format: The format by content.
        mode: The file's mode as Pillow names it.
        pixels: The digest of the decoded pixels, see :func:`pixmill.validate.pixels.pixel_digest`.
        phash: The perceptual hash, see :mod:`pixmill.validate.phash`.
        brightness: See :class:`pixmill.validate.luma.Light`.
        contrast: The same.
        sharpness: See :func:`pixmill.validate.luma.sharpness`.
        entropy: See :class:`pixmill.validate.luma.Light`.
        border: See :func:`pixmill.validate.luma.border`.
        grey: See :func:`pixmill.validate.greys.small_grey`; 1,024 bytes, row by row.
    """

    width: int
    height: int
    format: str
    mode: str
    pixels: str
    phash: int
    brightness: float
    contrast: float
    sharpness: float
    entropy: float
    border: float
    grey: bytes


def measure(picture: Picture) -> Measures | Failure:
    """Look at a picture.

    Args:
        picture: Its name, place and limit.
    """
    try:
        decoded = decode(read_verified(picture.path, picture.id), max_pixels=picture.max_pixels)
    except Undecodable as error:
        return Failure(error.reason)
    seen = decoded.picture
    # First, while the pixels are still in the processor's cache. A TIFF may bring fourth bytes of its own.
    pixels = pixel_digest(seen, filled=decoded.format != "tiff")
    factor = scale(seen.size)
    luma = (seen.reduce(factor) if factor > 1 else seen).convert("L")
    values = np.asarray(luma)
    grey = small_grey(values, factor=factor, size=seen.size)
    lit = light(luma)
    return Measures(
        width=seen.width,
        height=seen.height,
        format=decoded.format,
        mode=decoded.mode,
        pixels=pixels,
        phash=perceptual_hash(grey),
        brightness=lit.brightness,
        contrast=lit.contrast,
        sharpness=sharpness(values),
        entropy=lit.entropy,
        border=border(values),
        grey=grey.tobytes(),
    )
