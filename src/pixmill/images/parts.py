"""The packed splits: the arrays that the split stage writes, and train and evaluate read."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, SupportsIndex, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.errors import ManifestError
from pixmill.core.files import read_json, write_json
from pixmill.core.manifest import SPLIT, read_table

Pixels = npt.NDArray[np.uint8]


class Shards:
    """Index images in several arrays as one array, or a selection of them.

    It supports NumPy's indices along the first axis: an integer, a slice, or an array of integers or booleans.
    ``numpy.asarray`` reads everything.

    Args:
        arrays: One or more, each ``uint8`` of shape (rows, height, width, channels), which differ only in rows; or
            whatever is indexed like them.
        files: The files that hold exactly these arrays; default: none does.
        rows: The selected rows of them all, in their order; default: all.
    """

    def __init__(
        self, arrays: Sequence[Any], files: Sequence[Path] = (), *, rows: npt.NDArray[np.int64] | None = None
    ) -> None:
        self._arrays, self._files, self._rows = tuple(arrays), tuple(files), rows
        self._starts = np.cumsum([0, *(len(array) for array in self._arrays)])
        count = int(self._starts[-1]) if rows is None else len(rows)
        self.shape: tuple[int, ...] = (count, *self._arrays[0].shape[1:])
        self.dtype = self._arrays[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: SupportsIndex | slice | npt.ArrayLike) -> Pixels:
        if self._rows is not None:
            key = self._rows[key]  # type: ignore[index]
        if len(self._arrays) == 1:
            images: Pixels = self._arrays[0][key]
            return images
        count = int(self._starts[-1])
        if isinstance(key, int | np.integer) and 0 <= key < count:
            shard = int(np.searchsorted(self._starts, key, side="right")) - 1
            image: Pixels = self._arrays[shard][int(key) - int(self._starts[shard])]
            return image
        # NumPy resolves the key to rows, or raises.
        rows = np.arange(count)[key]  # type: ignore[index]
        flat = np.ravel(rows)
        shards = np.searchsorted(self._starts, flat, side="right") - 1
        gathered = np.empty((len(flat), *self.shape[1:]), np.uint8)
        for place, (shard, row) in enumerate(zip(shards.tolist(), (flat - self._starts[shards]).tolist(), strict=True)):
            gathered[place] = self._arrays[shard][row]
        return gathered.reshape(*np.shape(rows), *self.shape[1:])

    def locate(self, row: int) -> tuple[Path, int] | None:
        """Return the file that holds an image, and the index of its first byte there; ``None`` if no file does.

        Args:
            row: Its index, from 0.
        """
        row = row if self._rows is None else int(self._rows[row])
        shard = int(np.searchsorted(self._starts, row, side="right")) - 1
        array, row = self._arrays[shard], row - int(self._starts[shard])
        if isinstance(array, Shards):
            return array.locate(row)
        return (self._files[shard], row * math.prod(self.shape[1:])) if self._files else None

    def release(self) -> None:
        """Give the memory of mapped files that were read back to the system, where it can (not on Windows)."""
        for array in self._arrays:
            if isinstance(array, Shards):
                array.release()
            base: Any = array
            while isinstance(base, np.ndarray):
                base = base.base
            base = base.obj if isinstance(base, memoryview) else base
            if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
                base.madvise(mmap.MADV_DONTNEED)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[np.generic]:
        if copy is False:
            raise ValueError("pixels in files cannot become an array without a copy")
        return self[:].astype(self.dtype if dtype is None else dtype)


_ONE = 500_000_000
"""Up to this many bytes are one file: 53,146 images of 56 x 56 pixels."""

_SEVERAL = 400_000_000
"""Maximum size of one of several files, in bytes. They are about equal, so none is smaller than half of this."""

_AGAIN = "dvc repro -f split"


def header_path(folder: Path, name: str) -> Path:
    """Return the path of a split's header, which is written after all its images.

    Args:
        folder: ``artifacts/split``.
        name: The split.
    """
    return folder / f"{name}.json"


def shard_path(folder: Path, name: str, number: int) -> Path:
    """Return the path of a shard.

    Args:
        folder: ``artifacts/split``.
        name: The split.
        number: Its number, from 0.
    """
    return folder / name / f"{number:05}.bin"


def plan_shards(count: int, row_bytes: int) -> list[int]:
    """Return the number of images in each shard: few large files, which DVC and networks handle well.

    Args:
        count: Images in the split.
        row_bytes: Bytes of one packed image.
    """
    if count * row_bytes <= _ONE:
        return [count] if count else []
    shards = -(-count // max(1, _SEVERAL // row_bytes))
    return [count // shards + (number < count % shards) for number in range(shards)]


def write_header(folder: Path, name: str, *, image_size: int, rows: Sequence[int]) -> None:
    """Write the header of a split whose shards exist.

    Args:
        folder: ``artifacts/split``.
        name: The split.
        image_size: Side of the images in pixels.
        rows: Number of images in each shard.
    """
    files = [shard_path(folder, name, number).relative_to(folder).as_posix() for number in range(len(rows))]
    write_json(
        header_path(folder, name),
        {
            "dtype": "uint8",
            "shape": [sum(rows), image_size, image_size, 3],
            "shards": [{"file": file, "rows": count} for file, count in zip(files, rows, strict=True)],
        },
    )


def open_shards(folder: Path, name: str) -> Shards:
    """Return the pixels of a split, memory-mapped.

    Args:
        folder: ``artifacts/split``.
        name: The split.

    Raises:
        ManifestError: The header or a shard is missing or invalid.
    """
    path = header_path(folder, name)
    match read_json(path, stage="split"):
        case {"dtype": "uint8", "shape": [int(count), int(image_size), int(width), 3], "shards": [*shards]} if (
            image_size == width > 0 < count and all(_is_shard(shard, name, place) for place, shard in enumerate(shards))
        ):
            rows = [shard["rows"] for shard in shards]
            if sum(rows) == count:
                files = [shard_path(folder, name, number) for number in range(len(rows))]
                return Shards([map_shard(file, row, image_size) for file, row in zip(files, rows, strict=True)], files)
    raise ManifestError(f"{path}: expected square RGB images of uint8 in shards that hold all of them", next=_AGAIN)


def _is_shard(shard: object, name: str, number: int) -> bool:
    """Tell whether a header's entry is valid: only the expected file name is accepted."""
    match shard:
        case {"file": str(file), "rows": int(rows)}:
            return rows > 0 and file == shard_path(Path(), name, number).as_posix()
    return False


def map_shard(path: Path, rows: int, image_size: int) -> Pixels:
    """Return the pixels in a shard, memory-mapped.

    Args:
        path: Rows of raw ``uint8``, nothing else.
        rows: How many images it holds.
        image_size: Side of the images in pixels.

    Raises:
        ManifestError: The file is missing, or has the wrong size.
    """
    shape = (rows, image_size, image_size, 3)
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size == math.prod(shape):
                # A plain array over the mapping: numpy.memmap is slow to index.
                return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8).reshape(shape)
    except FileNotFoundError:
        raise ManifestError(f"{path} is missing", next="dvc repro split") from None
    raise ManifestError(
        f"{path} does not contain the {rows:,} images of {math.prod(shape[1:]):,} bytes stated in its header: "
        f"expected {math.prod(shape):,} bytes, received {size:,}",
        next=_AGAIN,
    )


PartName = Literal["train", "val", "test"]
PARTS: tuple[PartName, ...] = get_args(PartName)


_COLUMNS = ("id", "label", "cluster", "fold")
"""Columns of the manifest that a split keeps."""


@dataclass(frozen=True)
class Part:
    """The images of one split, read on demand.

    Args:
        name: ``train``, ``val`` or ``test``.
        rows: Columns ``id``, ``label``, ``cluster`` and ``fold``; row i is image i of ``pixels``.
        targets: ``int32`` of shape (n,): each image's class index.
        pixels: ``uint8`` of shape (n, image_size, image_size, 3), memory-mapped.
    """

    name: PartName
    rows: pd.DataFrame
    targets: npt.NDArray[np.int32]
    pixels: Shards

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: npt.NDArray[np.int64]) -> Part:
        """Return a selection of the images as a split of the same name.

        Args:
            rows: The rows, in the new order.
        """
        pixels = Shards([self.pixels], rows=rows)
        return Part(self.name, self.rows.iloc[rows].reset_index(drop=True), self.targets[rows], pixels)

    def batches(
        self, size: int, order: npt.NDArray[np.int64] | None = None
    ) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]]:
        """Yield batches of images as a model takes them, ``float32`` from 0 to 255, with their targets.

        Args:
            size: Images per batch; the last batch may have fewer.
            order: Order of the rows; default: as stored.
        """
        rows = np.arange(len(self)) if order is None else order
        for start in range(0, len(rows), size):
            chosen = rows[start : start + size]
            yield self.pixels[chosen].astype(np.float32), self.targets[chosen]


def load_parts(
    folder: Path, labels: Sequence[str], *, image_size: int, names: Sequence[PartName] = PARTS
) -> dict[PartName, Part]:
    """Return splits by name, each with the manifest's rows in the order of its array.

    Args:
        folder: ``artifacts/split``.
        labels: The classes, in the order of the model's outputs.
        image_size: Side of the images in pixels.
        names: Which splits; default: all three.

    Raises:
        ManifestError: A file is missing or malformed, an array does not match the manifest, or the images have other
            classes or another size.
    """
    path = folder / "manifest.parquet"
    manifest = read_table(path, SPLIT, stage="split", columns=[*_COLUMNS, "split", "row"])
    kept = manifest[manifest["split"].notna()]
    unknown = sorted(set(kept["label"]) - set(labels))
    if unknown:
        raise ManifestError(
            f"{path} has images of unknown classes: {', '.join(unknown)}; expected {', '.join(labels)}",
            next="dvc repro",
        )
    return {name: _load(folder, name, kept[kept["split"] == name], labels, image_size) for name in names}


def _load(folder: Path, name: PartName, rows: pd.DataFrame, labels: Sequence[str], image_size: int) -> Part:
    rows = rows.sort_values("row")
    if rows.empty:
        raise ManifestError(f"{folder / 'manifest.parquet'} has no images in {name}", next=_AGAIN)
    pixels = open_shards(folder, name)
    if len(pixels) != len(rows) or not np.array_equal(rows["row"], np.arange(len(rows))):
        raise ManifestError(
            f"{header_path(folder, name)} lists {len(pixels)} images, but the manifest beside it lists "
            f"{len(rows)} for {name}: expected one row each, numbered from 0",
            next=_AGAIN,
        )
    if pixels.shape[1] != image_size:
        raise ManifestError(
            f"{header_path(folder, name)} lists images of {pixels.shape[1]} x {pixels.shape[1]} pixels; expected "
            f"{image_size} x {image_size}",
            next="dvc repro",
        )
    targets = pd.Index(labels).get_indexer(pd.Index(rows["label"])).astype(np.int32)
    return Part(name, rows[list(_COLUMNS)].reset_index(drop=True), targets, pixels)
