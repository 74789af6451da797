"""Pictures as memory-mappable arrays."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pixmill.compute import map_batches
from pixmill.errors import ManifestError
from pixmill.files import replacing, reserve
from pixmill.images import decode, fit
from pixmill.images.fit import Aspect
from pixmill.parts import PartName
from pixmill.progress import track

__all__ = ["Packed", "pack"]


@dataclass(frozen=True)
class Packed:
    """Say which picture goes to which row of which array.

    Args:
        id: The sha256 of the bytes that it must have.
        path: The picture's file.
        pixels: Width times height, as validate found it.
        part: The array.
        row: The row in it.
    """

    id: str
    path: Path
    pixels: int
    part: PartName
    row: int


@dataclass(frozen=True)
class _Task:
    picture: Packed
    size: int
    aspect: Aspect


def pack(
    pictures: Sequence[Packed], folder: Path, sizes: Mapping[PartName, int], *, image_size: int, aspect: Aspect
) -> None:
    """Write one array a part, ``<folder>/<part>.npy``: ``uint8`` of shape (n, image_size, image_size, 3).

    Pictures are decoded by the processes of this machine and written as they come, so memory does not grow with their
    number. The files appear together at the end, or not at all.

    Args:
        pictures: What goes where.
        folder: Where the arrays go.
        sizes: Pictures in each part.
        image_size: Side of the square in pixels.
        aspect: How a picture becomes square.

    Raises:
        ManifestError: A picture is absent, or is not what validate saw.
    """
    tasks = [_Task(picture, image_size, aspect) for picture in pictures]
    with contextlib.ExitStack() as stack:
        arrays = {}
        for part, count in sizes.items():
            temporary = stack.enter_context(replacing(folder / f"{part}.npy"))
            shape = (count, image_size, image_size, 3)
            arrays[part] = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
            reserve(temporary, temporary.stat().st_size)
        squares = track(map_batches(_squares, tasks), "Pack", len(tasks))
        for picture, square in zip(pictures, squares, strict=True):
            arrays[picture.part][picture.row] = square
        for array in arrays.values():
            array.flush()


def _squares(tasks: Sequence[_Task]) -> list[npt.NDArray[np.uint8]]:
    return [_square(task) for task in tasks]


def _square(task: _Task) -> npt.NDArray[np.uint8]:
    picture = task.picture
    try:
        content = picture.path.read_bytes()
    except FileNotFoundError:
        raise ManifestError(f"{picture.path} is missing", next="dvc repro -f scrape") from None
    if hashlib.sha256(content).hexdigest() != picture.id:
        raise ManifestError(f"{picture.path} is not the picture that validate saw", next="dvc repro -f scrape")
    return fit(decode(content, max_pixels=picture.pixels).pixels, task.size, task.aspect)
