"""Small grey images for comparison, and perceptual hashes of them that are robust to rescaling."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Greys = npt.NDArray[np.uint8]

SIDE = 32
"""Width and height of the small image in pixels."""

_MAX_PRODUCT = 1 << 18
"""Multiplications of matrices at a time; with more, BLAS starts threads."""

_LOW = 8
"""Frequencies per direction; each of the 8 x 8 gives one bit."""

_FREQUENCIES = np.arange(_LOW)[:, None]
_PLACES = np.arange(SIDE)[None, :]
COSINES: npt.NDArray[np.float64] = np.rint(
    2**14 * np.cos(np.pi * _FREQUENCIES * (2 * _PLACES + 1) / (2 * SIDE))
)
"""First rows of the DCT-II as integers, whose sums fit exactly into 53 bits of a ``float64``.

Symmetric images have coefficients that are exactly zero; with rounded sums their sign would depend
on the CPU.
"""


def small_grey(luma: Greys, *, factor: int = 1, size: tuple[int, int] | None = None) -> Greys:
    """Return an image as 32 x 32 greys, each the mean over its cell of the image.

    A pixel on the border of two cells contributes to both by area. (Pillow's box filter assigns it
    to one of them, with which the search misses a fiftieth of slightly cropped copies of 112
    pixels.) Images smaller than 32 pixels are enlarged the same way. All sums are integers, so the
    result is the same on every CPU.

    Args:
        luma: ``uint8`` of shape (height, width): the image, or its means over squares.
        factor: Side of the squares in pixels; those at the right and lower edge may be smaller.
        size: Width and height of the original image; default: those of ``luma``.

    Returns:
        ``uint8`` of shape (32, 32).
    """
    width, height = size or (luma.shape[1], luma.shape[0])
    if width > height:
        return np.ascontiguousarray(small_grey(luma.T, factor=factor, size=(height, width)).T)
    sums = _cells(_cells(luma, height, factor).T, width, factor).T
    return np.rint(sums / (height * width)).astype(np.uint8)


def _cells(values: npt.NDArray[np.generic], length: int, factor: int) -> npt.NDArray[np.float64]:
    """Return the sums over 32 equal ranges of rows, in 32nds of a pixel.

    Args:
        values: Integers of shape (rows, columns).
        length: Height of the original image in pixels.
        factor: Original pixels per row; the last row may have fewer.
    """
    rows, columns = values.shape
    cells = np.zeros((SIDE, columns))
    step = max(1, _MAX_PRODUCT // (SIDE * columns))
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        first, shares = _shares(start, stop, length, factor)
        cells[first : first + len(shares)] += shares @ values[start:stop].astype(np.float64)
    return cells


@lru_cache(maxsize=64)
def _shares(start: int, stop: int, length: int, factor: int) -> tuple[int, npt.NDArray[np.float64]]:
    """Return the first of the ranges that some rows belong to, and the share of each row in each.

    Returns:
        Array of shape (ranges, rows), in 32nds of a pixel.
    """
    unit = SIDE * factor
    first = start * unit // length
    last = min(SIDE, -(-stop * unit // length))
    borders = length * np.arange(first, last + 1)[:, None] - unit * np.arange(start, stop)
    return first, np.diff(np.clip(borders, 0, unit), axis=0).astype(np.float64)


def perceptual_hashes(greys: Greys) -> npt.NDArray[np.uint64]:
    """Return the 64-bit hashes of small grey images.

    Each bit is set if one of the lowest 8 x 8 frequencies of the discrete cosine transform is above
    their median; the highest belongs to the constant term. Source: C. Zauner, "Implementation and
    Benchmarking of Perceptual Image Hash Functions", 2010, section 3.2.1.

    Args:
        greys: ``uint8`` of shape (n, 32, 32).

    Returns:
        ``uint64`` of shape (n,).
    """
    low = (COSINES @ greys.astype(np.float64) @ COSINES.T).reshape(len(greys), _LOW**2)
    ordered = np.sort(low, axis=1)
    twice_the_median = ordered[:, 31] + ordered[:, 32]
    bits = np.packbits(2 * low > twice_the_median[:, None], axis=1)
    return bits.view(">u8")[:, 0].astype(np.uint64)
