"""Packed splits: compressed images of one size, written by split, read by train and evaluate."""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, SupportsIndex, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.cells import to_indices
from pixmill.core.errors import ManifestError
from pixmill.core.files.writing import read_json, replacing, write_json
from pixmill.core.manifest import SPLIT, read_table
from pixmill.core.words import first_of
from pixmill.images import compression
from pixmill.images.compression import REPACK_COMMAND

Pixels = npt.NDArray[np.uint8]

Targets = npt.NDArray[Any]

PartName = Literal["train", "val", "test"]
PARTS: tuple[PartName, ...] = get_args(PartName)
_COLUMNS = ("id", "label", "cluster", "fold")
"""Columns of the manifest that a :class:`Part` has."""


class PackedImages:
    """A packed split as an array whose images are read and decompressed when indexed.

    It supports NumPy's indices along the first axis: an integer, a slice, or an array of integers
    or booleans.

    Args:
        content: Concatenation of all compressed images.
        ends: ``int64`` of shape (rows,): end of each image in ``content``.
        image_size: Side of the images in pixels.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, content: mmap.mmap, ends: npt.NDArray[np.integer], image_size: int) -> None:
        self._content = content
        self._ends = ends
        self.shape = (len(ends), image_size, image_size, 3)

    def __len__(self) -> int:
        return self.shape[0]

    def compressed(self, row: int) -> bytes:
        """Return a compressed image, the input of :func:`pixmill.images.compression.decompress`.

        Args:
            row: Index of the image, from 0.
        """
        return self._content[self._ends[row - 1] if row else 0 : self._ends[row]]

    def __getitem__(self, key: SupportsIndex | slice | npt.ArrayLike) -> Pixels:
        # NumPy resolves the key to rows, or raises IndexError.
        rows = np.arange(len(self))[key]  # type: ignore[index]
        images = np.empty((rows.size, *self.shape[1:]), np.uint8)
        for place, row in enumerate(np.ravel(rows).tolist()):
            images[place] = compression.decompress(self.compressed(row), self.shape[1])
        return images.reshape(*np.shape(rows), *self.shape[1:])


class Shards:
    """Several arrays of images, or some of their rows, as one array that is read when indexed.

    It supports NumPy's indices along the first axis: an integer, a slice, or an array of integers
    or booleans. ``numpy.asarray`` reads everything.

    Args:
        arrays: One or more arrays or :class:`PackedImages`, ``uint8`` of shape (rows, height,
            width, channels), equal except in rows.
        rows: Selected rows of the concatenation, in order; default: all.
    """

    def __init__(
        self, arrays: Sequence[Any], *, rows: npt.NDArray[np.integer] | None = None
    ) -> None:
        self._arrays = tuple(arrays)
        self._rows = rows
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
        # NumPy resolves the key to rows, or raises IndexError.
        rows = np.arange(self._starts[-1])[key]  # type: ignore[index]
        flat = np.ravel(rows)
        gathered = np.empty((len(flat), *self.shape[1:]), self.dtype)
        for place, row in enumerate(flat.tolist()):
            array, within = self._find(row)
            gathered[place] = array[within]
        return gathered.reshape(*np.shape(rows), *self.shape[1:])

    def _find(self, row: int) -> tuple[Any, int]:
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._arrays[number], row - int(self._starts[number])

    def compressed(self, row: int) -> bytes | None:
        """Return a compressed image, see :meth:`PackedImages.compressed`; ``None`` if not packed.

        Args:
            row: Index of the image, from 0.
        """
        array, row = self._find(row if self._rows is None else int(self._rows[row]))
        return None if isinstance(array, np.ndarray) else array.compressed(row)

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[np.generic]:
        if copy is False:
            raise ValueError("packed images cannot be converted to an array without a copy")
        return self[:].astype(self.dtype if dtype is None else dtype)


def header_path(folder: Path, name: str) -> Path:
    """Return the path of a split's header, which is written last.

    Args:
        folder: ``artifacts/split``.
        name: Name of the split.
    """
    return folder / f"{name}.json"


def images_path(folder: Path, name: str) -> Path:
    """Return the path of a split's compressed images.

    Args:
        folder: ``artifacts/split``.
        name: Name of the split.
    """
    return folder / f"{name}.bin"


def write_images(folder: Path, name: str, images: Iterable[bytes], *, image_size: int) -> None:
    """Write a packed split: its images, the end of each, and the header.

    Args:
        folder: ``artifacts/split``.
        name: Name of the split.
        images: Compressed images, the results of :func:`pixmill.images.compression.compress`.
        image_size: Side of the images in pixels.

    Raises:
        OSError: The files cannot be written.
    """
    ends = array("q")
    end = 0
    with replacing(images_path(folder, name)) as temporary, temporary.open("wb") as file:
        for content in images:
            file.write(content)
            ends.append(end := end + len(content))
    with replacing(_ends_path(folder, name)) as temporary:
        np.array(ends, "<i8").tofile(temporary)
    header = {
        "dtype": "uint8",
        "shape": [len(ends), image_size, image_size, 3],
        "compression": compression.COMPRESSION,
    }
    write_json(header_path(folder, name), header)


def open_images(folder: Path, name: str) -> PackedImages:
    """Open a packed split, whose images are read when indexed.

    Args:
        folder: ``artifacts/split``.
        name: Name of the split.

    Raises:
        ManifestError: A file of the split is missing or does not match the others.
    """
    header = header_path(folder, name)
    match read_json(header, stage="split"):
        case {
            "dtype": "uint8",
            "compression": compression.COMPRESSION,
            "shape": [int(count), int(image_size), int(width), 3],
        }:
            if not image_size == width > 0 < count:
                raise ManifestError(
                    f"{header}: expected at least one image, square", next=REPACK_COMMAND
                )
        case _:
            raise ManifestError(
                f"{header}: expected RGB images of uint8, packed by this version of Pixmill",
                next=REPACK_COMMAND,
            )
    path = images_path(folder, name)
    try:
        ends = np.fromfile(_ends_path(folder, name), "<i8")
        with path.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as error:
        raise ManifestError(f"{error.filename} is missing", next="dvc repro split") from None
    except ValueError as error:  # mmap refuses an empty file
        raise ManifestError(f"{path}: {error}", next=REPACK_COMMAND) from None
    if len(ends) != count or ends[-1] != len(content):
        raise ManifestError(
            f"{path} does not contain the {count:,} images of its header: expected "
            f"{int(ends[-1]) if ends.size else 0:,} bytes, received {len(content):,}",
            next=REPACK_COMMAND,
        )
    return PackedImages(content, ends, image_size)


def _ends_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.ends"


@dataclass(frozen=True)
class Part:
    """Images of one split, with labels; pixels are read when indexed.

    Args:
        name: ``train``, ``val`` or ``test``.
        rows: Columns ``id``, ``label``, ``cluster`` and ``fold``; row i belongs to image i of
            ``pixels``.
        targets: What each image shows, as :meth:`pixmill.heads.Head.targets` returns it.
        pixels: ``uint8`` of shape (n, image_size, image_size, 3), decompressed when indexed.
    """

    name: PartName
    rows: pd.DataFrame
    targets: Targets
    pixels: Shards

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: npt.NDArray[np.integer]) -> Part:
        """Return a selection of the images as a split of the same name.

        Args:
            rows: Selected rows, in the new order.
        """
        pixels = Shards([self.pixels], rows=rows)
        return Part(
            self.name, self.rows.iloc[rows].reset_index(drop=True), self.targets[rows], pixels
        )

    def join(self, other: Part) -> Part:
        """Return the images of both splits, as a split of this name.

        Args:
            other: Another split.
        """
        rows = pd.concat([self.rows, other.rows], ignore_index=True)
        pixels = Shards([self.pixels, other.pixels])
        return Part(self.name, rows, np.concatenate([self.targets, other.targets]), pixels)


def load_parts(
    folder: Path,
    labels: Sequence[str],
    *,
    image_size: int,
    targets: Callable[[Iterable[Any], Sequence[str]], Targets] = to_indices,
    names: Sequence[PartName] = PARTS,
) -> dict[PartName, Part]:
    """Return packed splits by name, with the manifest's rows in the order of the images.

    Args:
        folder: ``artifacts/split``.
        labels: Classes, in the order of the model's outputs.
        image_size: Side of the images in pixels.
        targets: :meth:`pixmill.heads.Head.targets` of the model's head. Default: class indices.
        names: Splits to load; default: all three.

    Raises:
        ManifestError: A file is missing or malformed, a split does not match the manifest, or the
            images have other classes or another size.
    """
    path = folder / "manifest.parquet"
    manifest = read_table(path, SPLIT, stage="split", columns=[*_COLUMNS, "split", "row"])
    kept = manifest[manifest["split"].notna()]
    try:
        known = targets(kept["label"], labels)
    except KeyError as error:
        raise ManifestError(
            f"{path} has images of an unknown class: {error.args[0]}; expected "
            f"{first_of(labels, 20)}",
            next="dvc repro",
        ) from None
    parts = {}
    for name in names:
        inside = (kept["split"] == name).to_numpy(bool)
        parts[name] = _load(folder, name, kept[inside], known[inside], image_size)
    return parts


def _load(
    folder: Path,
    name: PartName,
    rows: pd.DataFrame,
    targets: Targets,
    image_size: int,
) -> Part:
    order = rows["row"].argsort().to_numpy()
    rows = rows.iloc[order]
    if rows.empty:
        raise ManifestError(
            f"{folder / 'manifest.parquet'} has no images in {name}", next=REPACK_COMMAND
        )
    pixels = Shards([open_images(folder, name)])
    if len(pixels) != len(rows) or not np.array_equal(rows["row"], np.arange(len(rows))):
        raise ManifestError(
            f"{header_path(folder, name)} lists {len(pixels)} images, but the manifest lists "
            f"{len(rows)} for {name}: expected one row each, numbered from 0",
            next=REPACK_COMMAND,
        )
    if pixels.shape[1] != image_size:
        raise ManifestError(
            f"{header_path(folder, name)} lists images of {pixels.shape[1]} x {pixels.shape[1]} "
            f"pixels; expected {image_size} x {image_size}",
            next="dvc repro",
        )
    return Part(name, rows[list(_COLUMNS)].reset_index(drop=True), targets[order], pixels)
