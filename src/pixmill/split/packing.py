"""Images as memory-mappable shards, written by the processes that decode them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.compute import Limits, Loss, map_batches
from pixmill.core.errors import ManifestError, SplitError
from pixmill.core.files import replacing, reserve, write_json
from pixmill.core.params import SplitParams
from pixmill.core.progress import track
from pixmill.images import Undecodable, decode, fit, read_verified
from pixmill.images.fit import Aspect, Resize
from pixmill.images.parts import PARTS, plan_shards, shard_path, write_header

__all__ = ["pack"]


def pack(
    manifest: pd.DataFrame,
    images: Path,
    folder: Path,
    params: SplitParams,
    limits: Limits,
    *,
    workers: int | None = None,
    plan: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Write the shards and the header of each part: ``uint8`` of shape (n, image_size, image_size, 3) in all.

    ``preprocessing.json`` beside them says how an image became what is packed.

    The shards' place on the disk is taken first; then each process writes the images that it decodes where they
    belong, so that no pixel goes through a pipe and memory does not grow with their number. Shards appear together at
    the end, or not at all, and headers after them.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.SPLIT`.
        images: The folder that the manifest's paths are relative to.
        folder: Where ``<part>/<number>.bin``, ``<part>.json`` and ``preprocessing.json`` go.
        params: The section ``split``.
        limits: What one image may take.
        workers: Processes; default: one a processor.
        plan: How many images each shard of a part holds; default: see :func:`.plan_shards`.

    Raises:
        ManifestError: An image is absent, or is not what validate saw.
        SplitError: An image takes more than it may.
        OSError: A disk is full, or refuses a file.
    """
    kept = manifest[manifest["split"].notna()]
    row_bytes = params.image_size**2 * 3
    sizes = kept["split"].value_counts()
    rows = plan or {part: plan_shards(int(sizes[part]), row_bytes) for part in PARTS if part in sizes}
    with contextlib.ExitStack() as stack:
        shards: dict[str, list[Path]] = {}
        for part, counts in rows.items():
            shards[part] = []
            for number, count in enumerate(counts):
                temporary = stack.enter_context(replacing(shard_path(folder, part, number)))
                reserve(temporary, count * row_bytes)
                shards[part].append(temporary)
        tasks = _tasks(kept, images, shards, rows, params)
        for _ in track(map_batches(_write_all, tasks, workers=workers, limits=limits, lost=_refuse), "Pack", len(kept)):
            pass
    for part, counts in rows.items():
        write_header(folder, part, side=params.image_size, rows=counts)
    how = {"image_size": params.image_size, "aspect": params.aspect, "resize": params.resize}
    write_json(folder / "preprocessing.json", how)


@dataclass(frozen=True, slots=True)
class _Task:
    """Say which image goes where; ``pixels`` is width times height, as validate found it."""

    id: str
    path: str
    pixels: int
    shard: str
    row: int
    side: int
    aspect: Aspect
    resize: Resize


def _tasks(
    kept: pd.DataFrame,
    images: Path,
    shards: Mapping[str, Sequence[Path]],
    rows: Mapping[str, Sequence[int]],
    params: SplitParams,
) -> Iterator[_Task]:
    starts = {part: np.cumsum([0, *counts]) for part, counts in rows.items()}
    pixels = kept["width"].astype("int64") * kept["height"]
    for name, path, most, part, row in zip(kept["id"], kept["path"], pixels, kept["split"], kept["row"], strict=True):
        number = int(np.searchsorted(starts[part], row, side="right")) - 1
        yield _Task(
            name,
            f"{images}/{path}",
            int(most),
            str(shards[part][number]),
            int(row - starts[part][number]),
            params.image_size,
            params.aspect,
            params.resize,
        )


def _write_all(tasks: Sequence[_Task]) -> list[None]:
    for task in tasks:
        _write(task)
    return [None] * len(tasks)


def _write(task: _Task) -> None:
    square = _square(task)
    try:
        with Path(task.shard).open("r+b") as file:
            file.seek(task.row * square.nbytes)
            file.write(square.data)
    except OSError as error:
        # A write that fails names no file.
        error.filename = error.filename or task.shard
        raise


_ALTERED = {"missing_file": "is missing", "changed_bytes": "has changed since validate ran"}


def _square(task: _Task) -> npt.NDArray[np.uint8]:
    try:
        pixels = decode(read_verified(Path(task.path), task.id), max_pixels=task.pixels).pixels
    except Undecodable as error:
        if error.reason in _ALTERED:
            raise ManifestError(f"{task.path} {_ALTERED[error.reason]}", next="dvc repro -f scrape") from None
        raise ManifestError(f"{task.path} no longer decodes ({error})", next="dvc repro -f validate") from None
    return fit(pixels, task.side, task.aspect, task.resize)


def _refuse(task: _Task, loss: Loss) -> NoReturn:
    why = {
        "timeout": "takes longer than validate.timeout",
        "memory": "takes more memory than validate.memory",
        "crashed": "crashes the decoder",
    }[loss]
    raise SplitError(
        f"{task.path} {why}, although it did not in validate",
        next="run it again with fewer other programs open, or drop it with a line in review.csv "
        f"({task.id[:12]},drop,,<you>,<why>); then: dvc repro",
    )
