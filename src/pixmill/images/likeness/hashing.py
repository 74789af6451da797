"""The small grey image that images are compared by, and a perceptual hash of it that rescaling changes little."""

import numpy as np
import numpy.typing as npt

Whole = npt.NDArray[np.uint8] | npt.NDArray[np.int64]

SIDE = 32
"""Width and height of the small image, in pixels."""

_NARROW = 257
"""Bytes that add up to no more than 16 bits hold."""


def small_grey(
    luma: npt.NDArray[np.uint8], *, factor: int = 1, size: tuple[int, int] | None = None
) -> npt.NDArray[np.uint8]:
    """Return an image as 32 x 32 greys, each the mean over its part of the image.

    A pixel that lies across a border counts for both sides by its share. (Pillow's box filter gives it to one of them,
    which at 112 pixels loses a fiftieth of slightly cropped copies.) An image smaller than 32 pixels is enlarged the
    same way. All sums are of whole numbers, so the result is the same on every processor.

    Args:
        luma: ``uint8`` of shape (height, width): the image, or its means over squares.
        factor: The side of the squares, in pixels; those at the right and lower edge may be cut.
        size: Width and height of the image itself; default: those of ``luma``.

    Returns:
        ``uint8`` of shape (32, 32).
    """
    width, height = size or (luma.shape[1], luma.shape[0])
    bands = np.ascontiguousarray(_cells(luma, height, factor).T)
    grey: npt.NDArray[np.uint8] = np.rint(_cells(bands, width, factor).T / (height * width)).astype(np.uint8)
    return grey


def _cells(values: Whole, length: int, factor: int) -> npt.NDArray[np.int64]:
    """Return the sums of 32 equal stretches of rows, in 32nds of a pixel.

    Args:
        values: Of shape (rows, columns).
        length: Pixels that all rows stand for.
        factor: Pixels that a row stands for, but for the last, which may stand for fewer.
    """
    unit = SIDE * factor
    row, share = np.divmod(np.arange(SIDE + 1) * length, unit)
    least = length // unit  # whole rows that each stretch has at least
    # Bytes are added up in as few bits as hold the sum: several times as fast.
    kind = np.uint16 if values.dtype == np.uint8 and least <= _NARROW else np.int64
    whole = values[row[:-1, None] + np.arange(least)].sum(axis=1, dtype=kind)
    cells: npt.NDArray[np.int64] = unit * whole.astype(np.int64)
    # The row before the end of a stretch, where it is not one of those; then what lies on the borders.
    cells += (unit * (np.diff(row) - least))[:, None] * values[row[1:] - 1]
    borders = share[:, None] * values[np.minimum(row, len(values) - 1)]
    cells += borders[1:]
    cells -= borders[:-1]
    return cells


_LOW = 8
"""Frequencies in each direction that give a bit each: 8 x 8 = 64."""

_FREQUENCIES, _PLACES = np.arange(_LOW)[:, None], np.arange(SIDE)[None, :]
_COSINES: npt.NDArray[np.float64] = np.rint(2**14 * np.cos(np.pi * _FREQUENCIES * (2 * _PLACES + 1) / (2 * SIDE)))
"""The first rows of the DCT-II in whole numbers: no sum of theirs exceeds the 53 bits that floating point holds.

Symmetric images have coefficients that are exactly zero, and rounded sums would leave the sign of such a bit to the
processor.
"""


def perceptual_hash(grey: npt.NDArray[np.uint8]) -> int:
    """Return the 64-bit hash of a small grey image.

    The lowest 8 x 8 frequencies of its discrete cosine transform, each a bit: above the median or not. Source: C.
    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, section 3.2.1.

    Args:
        grey: ``uint8`` of shape (32, 32).

    Returns:
        A whole number below 2**64; the first bit is the constant term's.
    """
    return int(perceptual_hashes(grey[None])[0])


def perceptual_hashes(greys: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """Return the 64-bit hashes of small grey images.

    Args:
        greys: ``uint8`` of shape (n, 32, 32).

    Returns:
        Of shape (n,).
    """
    low = (_COSINES @ greys.astype(np.float64) @ _COSINES.T).reshape(len(greys), _LOW**2)
    ordered = np.sort(low, axis=1)
    twice_the_median = ordered[:, 31] + ordered[:, 32]
    bits = np.packbits(2 * low > twice_the_median[:, None], axis=1)
    return bits.view(">u8")[:, 0].astype(np.uint64)
