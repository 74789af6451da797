"""The small grey picture that hash and comparison are made of."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

__all__ = ["SIDE", "small_grey"]

Whole = npt.NDArray[np.uint8] | npt.NDArray[np.int64]

SIDE = 32
"""Width and height of the small picture, in pixels."""


def small_grey(luma: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a picture as 32 x 32 greys, each the mean over its part of the picture.

    A pixel that lies across a border counts for both sides by its share. (Pillow's box filter gives it to one of them,
    which at 112 pixels loses a fiftieth of slightly cropped copies.) A picture smaller than 32 pixels is enlarged the
    same way. All sums are of whole numbers, so the result is the same on every processor.

    Args:
        luma: ``uint8`` of shape (height, width).

    Returns:
        ``uint8`` of shape (32, 32).
    """
    height, width = luma.shape
    bands = np.ascontiguousarray(_cells(luma).T)
    grey: npt.NDArray[np.uint8] = np.rint(_cells(bands).T / (height * width)).astype(np.uint8)
    return grey


def _cells(values: Whole) -> npt.NDArray[np.int64]:
    """Return the sums of 32 equal stretches of rows, in 32nds of a row."""
    length = len(values)
    row, share = np.divmod(np.arange(SIDE + 1) * length, SIDE)
    sums = np.stack([values[start:stop].sum(axis=0, dtype=np.int64) for start, stop in itertools.pairwise(row)])
    borders = share[:, None] * values[np.minimum(row, length - 1)].astype(np.int64)
    cells: npt.NDArray[np.int64] = SIDE * sums + np.diff(borders, axis=0)
    return cells
