"""Small grey images for comparison, and perceptual hashes of them that are robust to rescaling."""

import numpy as np
import numpy.typing as npt

Greys = npt.NDArray[np.uint8]
Whole = Greys | npt.NDArray[np.int64]

SIDE = 32
"""Width and height of the small image in pixels."""

_MAX_UINT16_TERMS = 257
"""Number of bytes whose sum always fits into 16 bits."""

_LOW = 8
"""Frequencies per direction; each of the 8 x 8 gives one bit."""

_FREQUENCIES = np.arange(_LOW)[:, None]
_PLACES = np.arange(SIDE)[None, :]
_COSINES: npt.NDArray[np.float64] = np.rint(
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
    bands = np.ascontiguousarray(_cells(luma, height, factor).T)
    grey: Greys = np.rint(_cells(bands, width, factor).T / (height * width)).astype(np.uint8)
    return grey


def _cells(values: Whole, length: int, factor: int) -> npt.NDArray[np.int64]:
    """Return the sums over 32 equal ranges of rows, in 32nds of a pixel.

    Args:
        values: Array of shape (rows, columns).
        length: Height of the original image in pixels.
        factor: Original pixels per row; the last row may have fewer.
    """
    unit = SIDE * factor
    row, share = np.divmod(np.arange(SIDE + 1) * length, unit)
    least = length // unit  # minimum number of whole rows in a range
    # Narrow sums are several times as fast.
    kind = np.uint16 if values.dtype == np.uint8 and least <= _MAX_UINT16_TERMS else np.int64
    whole = values[row[:-1, None] + np.arange(least)].sum(axis=1, dtype=kind)
    cells: npt.NDArray[np.int64] = unit * whole.astype(np.int64)
    # Add the last whole row of the longer ranges; then the shares of the rows on the borders.
    cells += (unit * (np.diff(row) - least))[:, None] * values[row[1:] - 1]
    borders = share[:, None] * values[np.minimum(row, len(values) - 1)]
    cells += borders[1:]
    cells -= borders[:-1]
    return cells


def perceptual_hash(grey: Greys) -> int:
    """Return the 64-bit hash of a small grey image.

    Each bit is set if one of the lowest 8 x 8 frequencies of the discrete cosine transform is above
    their median. Source: C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash
    Functions", 2010, section 3.2.1.

    Args:
        grey: ``uint8`` of shape (32, 32).

    Returns:
        An integer below 2**64, whose highest bit belongs to the constant term.
    """
    return int(perceptual_hashes(grey[None])[0])


def perceptual_hashes(greys: Greys) -> npt.NDArray[np.uint64]:
    """Return the 64-bit hashes of small grey images.

    Args:
        greys: ``uint8`` of shape (n, 32, 32).

    Returns:
        ``uint64`` of shape (n,).
    """
    low = (_COSINES @ greys.astype(np.float64) @ _COSINES.T).reshape(len(greys), _LOW**2)
    ordered = np.sort(low, axis=1)
    twice_the_median = ordered[:, 31] + ordered[:, 32]
    bits = np.packbits(2 * low > twice_the_median[:, None], axis=1)
    return bits.view(">u8")[:, 0].astype(np.uint64)
