"""Arrays by name in one file: their numbers as they lie in memory behind a line that describes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pixmill.files import replacing, reserve

__all__ = ["read_arrays", "write_arrays"]

Arrays = dict[str, npt.NDArray[np.generic]]


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[np.generic]]) -> str:
    """Write a file at once or not at all, and return the digest of its bytes.

    No pickle and no archive: NumPy's own files raise errors without a number on a full disk.

    Args:
        path: The file.
        arrays: By name.

    Raises:
        OSError: The disk does not take it; it is asked for the place before the first byte is written.
    """
    # `ascontiguousarray` would make arrays of one number out of single numbers.
    content = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    described = [{"name": name, "dtype": array.dtype.str, "shape": array.shape} for name, array in content.items()]
    header = json.dumps(described).encode() + b"\n"
    digest = hashlib.sha256()
    with replacing(path) as temporary:
        size = len(header) + sum(array.nbytes for array in content.values())
        reserve(temporary, size)
        with temporary.open("r+b") as file:
            for block in (memoryview(header), *(_bytes(array) for array in content.values())):
                file.write(block)
                digest.update(block)
    return digest.hexdigest()


def read_arrays(path: Path, digest: str) -> Arrays:
    """Return the arrays in a file.

    Args:
        path: What :func:`write_arrays` wrote.
        digest: What it returned.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not the file that was written.
    """
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"{path.name} is not what was written")
    line, _, body = content.partition(b"\n")
    arrays: Arrays = {}
    start = 0
    for described in json.loads(line):
        kind, shape = np.dtype(described["dtype"]), tuple(described["shape"])
        count = int(np.prod(shape, dtype=np.int64))
        arrays[described["name"]] = np.frombuffer(body, kind, count, start).reshape(shape)
        start += count * kind.itemsize
    return arrays


def _bytes(array: npt.NDArray[np.generic]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data
