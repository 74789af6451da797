"""The small grey picture that hash and comparison are made of."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["SIDE", "small_grey"]

Rows = npt.NDArray[np.int64]
Whole = npt.NDArray[np.uint8] | npt.NDArray[np.int64]

SIDE = 32
"""Width and height of the small picture, in pixels."""

_NARROW = 257
"""Bytes that add up to no more than 16 bits hold."""

_RIBBON = 1024
"""Rows from which on nobody remembers how they are cut."""


def small_grey(
    luma: npt.NDArray[np.uint8], *, factor: int = 1, size: tuple[int, int] | None = None
) -> npt.NDArray[np.uint8]:
    """Return a picture as 32 x 32 greys, each the mean over its part of the picture.

    A pixel that lies across a border counts for both sides by its share. (Pillow's box filter gives it to one of them,
    which at 112 pixels loses a fiftieth of slightly cropped copies.) A picture smaller than 32 pixels is enlarged the
    same way. All sums are of whole numbers, so the result is the same on every processor.

    Args:
        luma: ``uint8`` of shape (height, width): the picture, or its means over squares.
        factor: The side of the squares, in pixels; those at the right and lower edge may be cut.
        size: Width and height of the picture itself; default: those of ``luma``.

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
    # Pictures of a size are many, ribbons of thousands of rows few.
    cut = (_known_cut if len(values) <= _RIBBON else _cut)(length, factor, len(values))
    # Bytes are added up in as few bits as hold the sum: several times as fast.
    kind = np.uint16 if values.dtype == np.uint8 and cut.whole.shape[1] <= _NARROW else np.int64
    cells: npt.NDArray[np.int64] = cut.unit * values[cut.whole].sum(axis=1, dtype=kind).astype(np.int64)
    cells += cut.more * values[cut.last]
    borders = cut.share * values[cut.border]
    cells += borders[1:]
    cells -= borders[:-1]
    return cells


class _Cut(NamedTuple):
    """Say how rows are cut into 32 stretches: which rows, and how many 32nds of a pixel of them."""

    unit: np.int64
    whole: Rows  # of shape (32, n): the rows that each stretch has at least
    last: Rows  # the row before the end of each stretch
    more: Rows  # of shape (32, 1): the units of it, where it is not one of those
    border: Rows  # the row at the start of each stretch, and at the end of all
    share: Rows  # of shape (33, 1): what of it lies before


def _cut(length: int, factor: int, rows: int) -> _Cut:
    unit = SIDE * factor
    row, share = np.divmod(np.arange(SIDE + 1) * length, unit)
    least = length // unit
    return _Cut(
        unit=np.int64(unit),
        whole=row[:-1, None] + np.arange(least),
        last=row[1:] - 1,
        more=(unit * (np.diff(row) - least))[:, None],
        border=np.minimum(row, rows - 1),
        share=share[:, None],
    )


_known_cut = lru_cache(maxsize=512)(_cut)
