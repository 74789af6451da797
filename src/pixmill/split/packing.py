"""Images as memory-mappable shards, written by the processes that decode them."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.compute import Loss, RowLimits, map_batches
from pixmill.compute.cluster import choose_cluster
from pixmill.compute.storage import Address, addresses, is_shared
from pixmill.compute.stored import Stored
from pixmill.core.errors import ManifestError, SplitError
from pixmill.core.files import replacing, reserve, write_json
from pixmill.core.params import SplitParams
from pixmill.core.progress import track
from pixmill.images import UndecodableError, decode, fit, read_verified
from pixmill.images.fit import Aspect, Resize
from pixmill.images.parts import PARTS, plan_shards, shard_path, write_header


def pack(
    manifest: pd.DataFrame,
    images: Path,
    folder: Path,
    params: SplitParams,
    limits: RowLimits,
    *,
    workers: int | None = None,
    plan: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Write the shards and the header of each part: ``uint8`` of shape (n, image_size, image_size, 3) in all.

    ``preprocessing.json`` beside them says how an image became what is packed.

    The shards' place on the disk is taken first; then each process writes the images that it decodes where they
    belong, so that no pixel goes through a pipe and memory does not grow with their number. Nodes of a cluster do the
    same if they may write to the folder, else this process writes what they return. Shards appear together at the end,
    or not at all, and headers after them.

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
        PixmillError: Nodes of a cluster cannot read the images.
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
        writer: _Writer = (
            "worker" if choose_cluster() is None else "node" if is_shared(folder, writable=True) else "driver"
        )
        tasks = _tasks(kept, images, shards, rows, params, writer)
        results = map_batches(_pack_all, tasks, workers=workers, limits=limits, lost=_refuse)
        for packed in track(results, "Pack", len(kept)):
            if packed is not None:
                packed.write()
    for part, counts in rows.items():
        write_header(folder, part, image_size=params.image_size, rows=counts)
    how = {"image_size": params.image_size, "aspect": params.aspect, "resize": params.resize}
    write_json(folder / "preprocessing.json", how)


_Writer = Literal["worker", "node", "driver"]


@dataclass(frozen=True, slots=True)
class _Task:
    """Which image goes where.

    Args:
        id: The sha256 of its bytes.
        path: Its file, for messages.
        file: Where workers read it, or what is in it (:func:`pixmill.compute.stored.fill`).
        pixels: Width times height, as validate found it.
        shard: The file that it goes to.
        row: Its place there.
        writer: Which process writes it: a worker of this machine, one of a cluster that sees the shard, or this one.
        image_size: As for :func:`.fit`, and so are the others.
    """

    id: str
    path: str
    file: Address | bytes
    pixels: int
    shard: str
    row: int
    writer: _Writer
    image_size: int
    aspect: Aspect
    resize: Resize


def _tasks(
    kept: pd.DataFrame,
    images: Path,
    shards: Mapping[str, Sequence[Path]],
    rows: Mapping[str, Sequence[int]],
    params: SplitParams,
    writer: _Writer,
) -> Iterator[_Task]:
    at = addresses(images)
    starts = {part: np.cumsum([0, *counts]) for part, counts in rows.items()}
    pixels = kept["width"].astype("int64") * kept["height"]
    for name, path, most, part, row in zip(kept["id"], kept["path"], pixels, kept["split"], kept["row"], strict=True):
        number = int(np.searchsorted(starts[part], row, side="right")) - 1
        yield _Task(
            name,
            f"{images}/{path}",
            at(path),
            int(most),
            str(shards[part][number]),
            int(row - starts[part][number]),
            writer,
            params.image_size,
            params.aspect,
            params.resize,
        )


@dataclass(frozen=True, slots=True)
class _Packed:
    """The pixels of an image, and where they go."""

    shard: str
    start: int
    pixels: bytes | memoryview

    def write(self, flags: int = 0) -> None:
        try:
            # Only to write: of a file that is also read, NFS sends whole pages, and so what another node has written
            # into the same page meanwhile would be lost. Never made anew: when a killed run's file was swept, its nodes
            # may still be at work.
            with os.fdopen(os.open(self.shard, os.O_WRONLY | getattr(os, "O_BINARY", 0) | flags), "wb") as file:
                file.seek(self.start)
                file.write(self.pixels)
        except OSError as error:
            # A write that fails names no file.
            error.filename = error.filename or self.shard
            raise


def _pack_all(tasks: Sequence[_Task]) -> list[_Packed | None]:
    return [_pack(task) for task in tasks]


def _pack(task: _Task) -> _Packed | None:
    """Write an image, or return it for the driver."""
    square = _square(task)
    start = task.row * square.nbytes
    if task.writer == "driver":
        return _Packed(task.shard, start, square.tobytes())
    # Nodes do not leave rows to their page cache, whose pages they would share with rows of other nodes.
    _Packed(task.shard, start, square.data).write(getattr(os, "O_DSYNC", 0) if task.writer == "node" else 0)
    return None


_ALTERED = {"missing_file": "is missing", "changed_bytes": "has changed since validate ran"}


def _square(task: _Task) -> npt.NDArray[np.uint8]:
    assert not isinstance(task.file, Stored)
    try:
        pixels = decode(read_verified(task.file, task.id), max_pixels=task.pixels).pixels
    except UndecodableError as error:
        if error.reason in _ALTERED:
            raise ManifestError(f"{task.path} {_ALTERED[error.reason]}", next="dvc repro -f scrape") from None
        raise ManifestError(f"{task.path} no longer decodes ({error})", next="dvc repro -f validate") from None
    return fit(pixels, task.image_size, task.aspect, task.resize)


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
