"""Pixels in several files that index like one array, mapped into memory and read only where they are asked for."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

__all__ = ["Shards", "map_shard"]

Pixels = npt.NDArray[np.uint8]


class Shards:
    """Index pictures that lie in several arrays as if they lay in one.

    It takes what NumPy takes along the first axis: a whole number, a slice, whole numbers or truth values in an array.
    ``numpy.asarray`` reads all of it.

    Args:
        arrays: One or more, each ``uint8`` of shape (rows, height, width, channels), alike but for their rows.
    """

    def __init__(self, arrays: Sequence[Pixels]) -> None:
        self._arrays = tuple(arrays)
        self._starts = np.cumsum([0, *(len(array) for array in self._arrays)])
        self.shape: tuple[int, ...] = (int(self._starts[-1]), *self._arrays[0].shape[1:])
        self.dtype = self._arrays[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: SupportsIndex | slice | npt.ArrayLike) -> Pixels:
        if isinstance(key, tuple):
            raise IndexError("expected a key for the first axis, received one for several")
        if len(self._arrays) == 1:
            found: Pixels = self._arrays[0][key]  # type: ignore[index]
            return found
        if isinstance(key, slice):
            return self._slice(*key.indices(len(self)))
        rows = np.asarray(key)
        if rows.dtype == bool and rows.shape == (len(self),):
            return self._gather(np.flatnonzero(rows))
        if rows.ndim > 1 or not (np.issubdtype(rows.dtype, np.integer) or rows.size == 0):
            raise IndexError(
                f"expected a number, a slice, or numbers or truth values in one row, received {rows.dtype} of shape "
                f"{rows.shape}"
            )
        return self._gather(rows.reshape(-1).astype(np.int64))[0 if rows.ndim == 0 else slice(None)]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[np.generic]:
        if copy is False:
            raise ValueError("pixels that lie in files cannot become an array without a copy")
        return self[:].astype(self.dtype if dtype is None else dtype)

    def _slice(self, start: int, stop: int, step: int) -> Pixels:
        if step != 1:
            return self._gather(np.arange(start, stop, step))
        pieces = [
            array[max(start - begin, 0) : max(stop - begin, 0)]
            for array, begin in zip(self._arrays, self._starts.tolist(), strict=False)
        ]
        pieces = [piece for piece in pieces if len(piece)] or pieces[:1]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _gather(self, rows: npt.NDArray[np.int64]) -> Pixels:
        outside = (rows < -len(self)) | (rows >= len(self))
        if outside.any():
            raise IndexError(f"row {rows[outside][0]} is out of range for {len(self)} pictures")
        rows = np.where(rows < 0, rows + len(self), rows)
        places = np.searchsorted(self._starts, rows, side="right") - 1
        at = rows - self._starts[places]
        # One copy of each picture: to gather shard by shard would copy each twice.
        pictures = [self._arrays[place][row] for place, row in zip(places.tolist(), at.tolist(), strict=True)]
        joined = np.concatenate(pictures) if pictures else np.empty(0, np.uint8)
        return joined.reshape(len(rows), *self.shape[1:])


def map_shard(path: Path, shape: tuple[int, int, int, int]) -> Pixels:
    """Return the pixels in a file, mapped and not read.

    Args:
        path: Rows of raw ``uint8``, nothing else.
        shape: (rows, height, width, channels).

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is longer or shorter.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if size != np.prod(shape):
            raise ValueError(f"expected {np.prod(shape):,} bytes, received {size:,}")
        # A plain array over the mapping: numpy.memmap is slow to index.
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8).reshape(shape)
