"""Copies of the data sets, in the forms in which they are published."""

from __future__ import annotations

import gzip
import math
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from pixmill.errors import DataError
from pixmill.scrape.sources.keras.batch import read_batch
from pixmill.scrape.sources.keras.data_set import DataSet

__all__ = ["Part", "Parts", "read_copy"]

Values: TypeAlias = npt.NDArray[np.uint8]

_MOST_BYTES = 256 * 1024 * 1024
"""More than any array of these data sets has; a copy that claims more is not unpacked."""

_PARTS = ("train", "test")
_IDX = {"train": "train", "test": "t10k"}
_BATCHES = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}


class Part(NamedTuple):
    """Hold the pictures of a part, of shape ``(n, height, width)`` or ``(n, height, width, 3)``, and their classes."""

    pixels: Values
    labels: Values


Parts = dict[str, Part]


def read_copy(path: Path, data_set: DataSet) -> Parts:
    """Return the parts ``train`` and ``test`` of a data set.

    Args:
        path: An ``.npz`` file as Keras keeps it, a folder with the four gzipped IDX files, CIFAR-10's ``.tar.gz``, or
            the folder that is in it.
        data_set: What it must be.

    Raises:
        DataError: It is missing, damaged, or something else.
    """
    try:
        parts = {name: Part(*values) for name, values in _form(path)(path).items()}
    except (OSError, EOFError, LookupError, ValueError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read as {data_set.name}: {error}",
            next="put the files there as they are published, or mend scrape.keras in params.yaml",
        ) from error
    for name, (pixels, labels) in parts.items():
        if pixels.dtype != np.uint8 or pixels.shape[1:] != data_set.shape or labels.shape != pixels.shape[:1]:
            raise DataError(
                f"{path} is not {data_set.name}: its part '{name}' has pictures of shape {pixels.shape} and labels of "
                f"shape {labels.shape}, expected (n, {', '.join(map(str, data_set.shape))}) and (n,)",
                next="mend scrape.keras in params.yaml",
            )
    return parts


def _form(path: Path) -> Callable[[Path], dict[str, tuple[Values, Values]]]:
    if path.is_dir():
        return _read_batches if (_inner(path) / "test_batch").exists() else _read_idx_files
    return _read_npz if path.suffix == ".npz" else _read_tar


def _read_npz(path: Path) -> dict[str, tuple[Values, Values]]:
    with zipfile.ZipFile(path) as archive:
        if any(member.file_size > _MOST_BYTES for member in archive.infolist()):
            raise ValueError("it unpacks to more than these data sets have")
    with np.load(path, allow_pickle=False) as arrays:
        return {part: (arrays[f"x_{part}"], arrays[f"y_{part}"].reshape(-1)) for part in _PARTS}


def _read_idx_files(path: Path) -> dict[str, tuple[Values, Values]]:
    return {
        part: (
            _read_idx(path / f"{name}-images-idx3-ubyte.gz"),
            _read_idx(path / f"{name}-labels-idx1-ubyte.gz"),
        )
        for part, name in _IDX.items()
    }


def _read_idx(path: Path) -> Values:
    """Read a gzipped IDX file of bytes: two zeros, type 8, the number of dimensions, each as 32 bits, the values."""
    with gzip.open(path) as stream:
        start = stream.read(4)
        if start[:3] != b"\0\0\x08" or len(start) < 4:
            raise ValueError(f"{path.name} is no IDX file of bytes")
        shape = tuple(int(size) for size in np.frombuffer(stream.read(4 * start[3]), ">u4"))
        size = math.prod(shape)
        if size > _MOST_BYTES:
            raise ValueError(f"{path.name} claims to have {size} values")
        values = stream.read(size + 1)  # one more than there is: a shape that does not fit is refused below
    return np.frombuffer(values, np.uint8).reshape(shape)


def _read_batches(path: Path) -> dict[str, tuple[Values, Values]]:
    files: dict[str, bytes] = {}
    for name in (name for names in _BATCHES.values() for name in names):
        file = _inner(path) / name
        if file.stat().st_size > _MOST_BYTES:
            raise ValueError(f"{name} is larger than any of these data sets")
        files[name] = file.read_bytes()
    return _joined(files)


def _read_tar(path: Path) -> dict[str, tuple[Values, Values]]:
    wanted = {name for names in _BATCHES.values() for name in names}
    files: dict[str, bytes] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.rpartition("/")[2]
            if name in wanted and member.isfile():
                if member.size > _MOST_BYTES:
                    raise ValueError(f"{name} is larger than any of these data sets")
                stream = archive.extractfile(member)
                assert stream is not None  # it is a file
                files[name] = stream.read()
    return _joined(files)


def _joined(files: dict[str, bytes]) -> dict[str, tuple[Values, Values]]:
    parts = {}
    for part, names in _BATCHES.items():
        if missing := [name for name in names if name not in files]:
            raise ValueError(f"{missing[0]} is missing")
        batches = [read_batch(files.pop(name)) for name in names]
        parts[part] = (
            np.concatenate([pixels for pixels, _ in batches]),
            np.concatenate([labels for _, labels in batches]),
        )
    return parts


def _inner(path: Path) -> Path:
    """Return the folder with the batches: the archive holds them in one of their own."""
    inner = path / "cifar-10-batches-py"
    return inner if inner.is_dir() else path
