"""The one pass over the pictures: each is read, decoded under guard and measured, or has a reason why not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from pixmill.images import Undecodable, decode
from pixmill.validate.greys import small_grey
from pixmill.validate.phash import perceptual_hash

__all__ = ["Failure", "Measures", "Picture", "measure_batch", "sharpness"]

_STRIP = 256
"""Rows of a picture that are filtered at a time, so that a large one needs no large copies."""


@dataclass(frozen=True)
class Picture:
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
        pixels: The sha256 of the decoded RGB pixels, row by row.
        phash: The perceptual hash, see :mod:`pixmill.validate.phash`.
        brightness: Mean of the luma, 0 to 255.
        contrast: Standard deviation of the luma.
        sharpness: See :func:`sharpness`.
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
    grey: bytes


def measure_batch(pictures: Sequence[Picture]) -> list[Measures | Failure]:
    """Measure some pictures: the pass that :func:`pixmill.compute.map_batches` runs in workers."""
    return [_measure(picture) for picture in pictures]


def _measure(picture: Picture) -> Measures | Failure:
    try:
        content = picture.path.read_bytes()
    except OSError:
        return Failure("missing_file")
    if hashlib.sha256(content).hexdigest() != picture.id:
        return Failure("changed_bytes")
    try:
        decoded = decode(content, max_pixels=picture.max_pixels)
    except Undecodable as error:
        return Failure(error.reason)
    height, width = decoded.pixels.shape[:2]
    # ITU-R BT.601 luma in fixed point: the same on every processor.
    luma = np.asarray(Image.fromarray(decoded.pixels).convert("L"))
    grey = small_grey(luma)
    mean, variance = _moments(*_sums(luma))
    return Measures(
        width=width,
        height=height,
        format=decoded.format,
        mode=decoded.mode,
        pixels=hashlib.sha256(np.ascontiguousarray(decoded.pixels).data).hexdigest(),
        phash=perceptual_hash(grey),
        brightness=mean,
        contrast=variance**0.5,
        sharpness=sharpness(luma),
        grey=grey.tobytes(),
    )


def sharpness(luma: npt.NDArray[np.uint8]) -> float:
    """Return the variance of a picture's Laplacian (4 neighbours, without the border): low where it is blurred.

    Source: J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy: a comparative study", ICPR 2000.

    Args:
        luma: ``uint8`` of shape (height, width).

    Returns:
        0 or more; 0 for a picture with a side of fewer than 3 pixels, which has no Laplacian.
    """
    height, width = luma.shape
    if height < 3 or width < 3:
        return 0.0
    count = total = squares = 0
    for top in range(0, height - 2, _STRIP):
        strip = luma[top : top + _STRIP + 2].astype(np.int32)
        edges = 4 * strip[1:-1, 1:-1] - strip[:-2, 1:-1] - strip[2:, 1:-1] - strip[1:-1, :-2] - strip[1:-1, 2:]
        part = _sums(edges)
        count, total, squares = count + part[0], total + part[1], squares + part[2]
    return _moments(count, total, squares)[1]


def _sums(values: npt.NDArray[np.uint8] | npt.NDArray[np.int32]) -> tuple[int, int, int]:
    """Return count, sum and sum of squares in whole numbers: exact, in whatever order they are added."""
    squares = np.square(values, dtype=np.int32)
    return values.size, int(values.sum(dtype=np.int64)), int(squares.sum(dtype=np.int64))


def _moments(count: int, total: int, squares: int) -> tuple[float, float]:
    """Return mean and variance from whole-number sums."""
    return total / count, (count * squares - total * total) / (count * count)
