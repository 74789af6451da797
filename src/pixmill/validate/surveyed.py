"""What was found of all pictures, as columns."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pixmill.validate.greys import SIDE
from pixmill.validate.record import RECORD

__all__ = ["Surveyed", "gather"]

_CHUNK = 512
"""Records that are spread over the columns at a time."""

_IN_MEMORY = 65_536
"""Pictures whose greys are held in memory, 1 KB each; those of more lie in a file."""

_COLUMNS = np.dtype([(name, RECORD[name]) for name in RECORD.names or () if name != "grey"])
_REAL = ("brightness", "contrast", "sharpness", "entropy", "border")
_PANDAS = {pa.int32(): pd.Int32Dtype(), pa.large_string(): pd.StringDtype("pyarrow", na_value=pd.NA)}


@dataclass(frozen=True)
class Surveyed:
    """Hold what was found of all pictures, in the order in which they were given.

    Args:
        table: One row a picture, with the columns of :data:`pixmill.manifest.VALIDATED` from ``width`` to ``border``,
            ``format`` by content, and ``failure``: absent, or the word for why all others are absent.
        hashes: Perceptual hashes, ``uint64`` of shape (n,); 0 where there is none.
        greys: Small greys, ``uint8`` of shape (n, 32, 32), not to be written to; black where there is none. Those of
            many pictures lie in a file, which goes when this object does.
    """

    table: pd.DataFrame
    hashes: npt.NDArray[np.uint64]
    greys: npt.NDArray[np.uint8]


def gather(records: Iterable[bytes], count: int, scratch: Path | None = None) -> Surveyed:
    """Make columns of records as they come: some 0.4 KB of memory a picture, and 1 KB on the disk where there are many.

    Args:
        records: What :func:`pixmill.validate.record.pack` returns, one a picture.
        count: How many there will be.
        scratch: Where the file of many greys lies; default: in memory, however many.

    Raises:
        ValueError: There were more or fewer.
    """
    columns = np.zeros(count, _COLUMNS)
    with contextlib.ExitStack() as opened:
        file: IO[bytes] | None = None
        greys: npt.NDArray[np.uint8]
        if scratch is not None and count > _IN_MEMORY:
            # Without a name, so that a kill leaves nothing behind.
            file = opened.enter_context(tempfile.TemporaryFile(dir=scratch))
        else:
            greys = np.zeros((count, SIDE, SIDE), np.uint8)
        place = 0
        for chunk in _chunks(records):
            rows = slice(place, place + len(chunk))
            if rows.stop > count:
                raise ValueError(f"expected {count} records, received more")
            for name in _COLUMNS.names or ():
                columns[name][rows] = chunk[name]
            if file is None:
                greys[rows] = chunk["grey"]
            else:
                file.write(chunk["grey"].tobytes())
            place = rows.stop
        if place < count:
            raise ValueError(f"expected {count} records, received {place}")
        if file is not None:
            file.flush()
            greys = np.memmap(file, np.uint8, "r", shape=(count, SIDE, SIDE))
    return Surveyed(_table(columns), columns["phash"].copy(), greys)


def _chunks(records: Iterable[bytes]) -> Iterator[npt.NDArray[np.void]]:
    stream = iter(records)
    while held := list(islice(stream, _CHUNK)):
        yield np.frombuffer(b"".join(held), RECORD)


def _table(columns: npt.NDArray[np.void]) -> pd.DataFrame:
    """Return the columns as a table has them, absent where there was a failure."""
    absent = columns["failure"] != b""
    width, height = columns["width"], columns["height"]
    short = np.minimum(width, height)
    ratio = (width / np.where(absent, 1, height)).astype(np.float32)
    numbers = {"width": width, "height": height, "short_side": short, "aspect_ratio": ratio}
    numbers |= {name: columns[name] for name in _REAL}
    table = pa.table(
        {name: pa.array(values, mask=absent) for name, values in numbers.items()}
        | {name: _words(columns[name], absent) for name in ("format", "mode")}
        | {
            "pixels": _hexadecimal(columns["pixels"], absent),
            "phash": _hexadecimal(columns["phash"].astype(">u8").view(np.uint8).reshape(-1, 8), absent),
            "failure": _words(columns["failure"], ~absent),
        }
    )
    frame: pd.DataFrame = table.to_pandas(types_mapper=_PANDAS.get)
    return frame


def _words(values: npt.NDArray[np.bytes_], absent: npt.NDArray[np.bool_]) -> pa.Array:
    known, codes = np.unique(values, return_inverse=True)
    names = pa.array([word.decode("ascii") for word in known], pa.large_string())
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32(), mask=absent), names).cast(pa.large_string())


def _hexadecimal(values: npt.NDArray[np.uint8], absent: npt.NDArray[np.bool_]) -> pa.Array:
    text, width = np.ascontiguousarray(values).tobytes().hex().encode(), 2 * values.shape[1]
    present = pa.py_buffer(np.packbits(~absent, bitorder="little").tobytes())
    digits = pa.Array.from_buffers(pa.binary(width), len(values), [present, pa.py_buffer(text)])
    return digits.cast(pa.large_binary()).cast(pa.large_string())
