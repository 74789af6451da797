"""The small JSON file that says what lies in which file: ``<part>.json`` beside the folder ``<part>``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pixmill.errors import ManifestError
from pixmill.files import read_json, write_json
from pixmill.parts.shards import Shards, map_shard

__all__ = ["header_path", "open_shards", "plan_shards", "shard_path", "write_header"]

_ONE = 500_000_000
"""What fits into this many bytes is one file: 53,146 pictures of 56 x 56 pixels."""

_SEVERAL = 400_000_000
"""The largest of several files, in bytes. They are alike in size, so none is smaller than half of this."""

_AGAIN = "dvc repro -f split"


def header_path(folder: Path, name: str) -> Path:
    """Return where the header of a part is; the pictures are all there once it is.

    Args:
        folder: ``artifacts/split``.
        name: The part.
    """
    return folder / f"{name}.json"


def shard_path(folder: Path, name: str, number: int) -> Path:
    """Return where a shard of a part is.

    Args:
        folder: ``artifacts/split``.
        name: The part.
        number: Its number, from 0.
    """
    return folder / name / f"{number:05}.bin"


def plan_shards(count: int, row_bytes: int) -> list[int]:
    """Return how many pictures each shard of a part holds: few large files, that DVC and networks like.

    Args:
        count: Pictures in the part.
        row_bytes: Bytes of one packed picture.
    """
    if count * row_bytes <= _ONE:
        return [count] if count else []
    shards = -(-count // max(1, _SEVERAL // row_bytes))
    return [count // shards + (number < count % shards) for number in range(shards)]


def write_header(folder: Path, name: str, *, side: int, rows: Sequence[int]) -> None:
    """Write the header of a part whose shards are there.

    Args:
        folder: ``artifacts/split``.
        name: The part.
        side: Side of the pictures in pixels.
        rows: How many pictures each shard holds.
    """
    files = [shard_path(folder, name, number).relative_to(folder).as_posix() for number in range(len(rows))]
    write_json(
        header_path(folder, name),
        {
            "dtype": "uint8",
            "shape": [sum(rows), side, side, 3],
            "shards": [{"file": file, "rows": count} for file, count in zip(files, rows, strict=True)],
        },
    )


def open_shards(folder: Path, name: str) -> Shards:
    """Return the pixels of a part, mapped and not read.

    Args:
        folder: ``artifacts/split``.
        name: The part.

    Raises:
        ManifestError: The header or a shard is absent or is not what split writes.
    """
    path = header_path(folder, name)
    match read_json(path, stage="split"):
        case {"dtype": "uint8", "shape": [int(count), int(height), int(width), 3], "shards": [*shards]} if (
            height == width > 0
        ):
            rows = [_rows(shard, folder, name, number) for number, shard in enumerate(shards)]
            if count > 0 and None not in rows and sum(filter(None, rows)) == count:
                shapes = [(row, height, width, 3) for row in rows if row]
                return Shards([_mapped(shard_path(folder, name, place), shape) for place, shape in enumerate(shapes)])
    raise ManifestError(f"{path}: expected square RGB pictures of uint8 in shards that hold all of them", next=_AGAIN)


def _rows(shard: object, folder: Path, name: str, number: int) -> int | None:
    """Return how many pictures a shard holds; nothing where it is none of ours."""
    match shard:
        # The name is known beforehand: a header leads nowhere else.
        case {"file": str(file), "rows": int(rows)} if rows > 0 and folder / file == shard_path(folder, name, number):
            return rows
    return None


def _mapped(path: Path, shape: tuple[int, int, int, int]) -> npt.NDArray[np.uint8]:
    try:
        return map_shard(path, shape)
    except FileNotFoundError:
        raise ManifestError(f"{path} is missing", next="dvc repro split") from None
    except ValueError as error:
        raise ManifestError(
            f"{path} does not hold the {shape[0]:,} pictures of {math.prod(shape[1:]):,} bytes that its header tells "
            f"of: {error}",
            next=_AGAIN,
        ) from None
