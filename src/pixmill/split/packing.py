"""Pack images: decode, resize and compress them, and write one file per split."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NoReturn

import pandas as pd

from pixmill.core.errors import ManifestError, SplitError
from pixmill.core.files.writing import write_json
from pixmill.core.params import SplitParams
from pixmill.core.process.progress import track
from pixmill.images.compression import compress
from pixmill.images.compute import Loss, RowLimits, map_batches
from pixmill.images.decode import decode
from pixmill.images.depth import Window
from pixmill.images.fit import Aspect, Resize, fit
from pixmill.images.parts import PARTS, write_images
from pixmill.images.read_errors import UNREADABLE, remedy
from pixmill.images.verified_reading import Source, UndecodableError, load_source, read_verified


def pack(
    manifest: pd.DataFrame,
    images: Path,
    folder: Path,
    params: SplitParams,
    limits: RowLimits,
    *,
    window: Window | None = None,
    workers: int | None = None,
) -> None:
    """Write ``preprocessing.json`` and the images of each split, ``uint8`` (n, size, size, 3).

    Memory does not grow with the number of images.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.SPLIT`.
        images: Base folder of the paths in the manifest.
        folder: Target folder.
        params: The section ``split``.
        limits: Limits per image.
        window: See :func:`pixmill.images.decode`.
        workers: Number of processes; default: one per CPU.

    Raises:
        ManifestError: An image is missing or has changed since validate ran.
        SplitError: An image exceeds the limits.
        OSError: A file cannot be written.
    """
    kept = manifest[manifest["split"].notna()].sort_values("row")
    ordered = pd.concat([kept[kept["split"] == part] for part in PARTS])
    tasks = _tasks(ordered, images, params, window)
    packed = map_batches(_pack, tasks, workers=workers, limits=limits, lost=_refuse, carry=_carry)
    results = track(packed, "Pack", len(ordered))
    for part in PARTS:
        if count := int((kept["split"] == part).sum()):
            write_images(folder, part, islice(results, count), image_size=params.image_size)
    how = {"image_size": params.image_size, "aspect": params.aspect, "resize": params.resize}
    write_json(folder / "preprocessing.json", how | ({"window": window} if window else {}))


@dataclass(frozen=True, slots=True)
class _Task:
    """An image to pack.

    Args:
        id: SHA-256 of the bytes.
        path: Path for messages.
        file: The file.
        max_pixels: Width times height, as measured by validate.
        image_size: See :func:`.fit`.
        aspect: See :func:`.fit`.
        resize: See :func:`.fit`.
        window: See :func:`pixmill.images.decode`.
    """

    id: str
    path: str
    file: Source
    max_pixels: int
    image_size: int
    aspect: Aspect
    resize: Resize
    window: Window | None


def _tasks(
    kept: pd.DataFrame, images: Path, params: SplitParams, window: Window | None
) -> Iterator[_Task]:
    how = (params.image_size, params.aspect, params.resize, window)
    pixels = kept["width"].astype("int64") * kept["height"]
    for name, path, count in zip(kept["id"], kept["path"], pixels, strict=True):
        yield _Task(name, f"{images}/{path}", images / path, int(count), *how)


def _carry(task: _Task) -> _Task:
    return replace(task, file=load_source(task.file)) if isinstance(task.file, Path) else task


def _pack(tasks: Sequence[_Task]) -> list[bytes]:
    return [_compressed(task) for task in tasks]


_CHANGES = {"missing_file": "is missing", "changed_bytes": "has changed since validate ran"}


def _compressed(task: _Task) -> bytes:
    try:
        content = read_verified(task.file, task.id)
        pixels = decode(content, max_pixels=task.max_pixels, window=task.window).pixels
    except UndecodableError as error:
        if error.reason in _CHANGES:
            raise ManifestError(
                f"{task.path} {_CHANGES[error.reason]}", next="dvc repro -f scrape"
            ) from None
        raise ManifestError(
            f"{task.path} no longer decodes ({error})", next="dvc repro -f validate"
        ) from None
    return compress(fit(pixels, task.image_size, task.aspect, task.resize))


def _refuse(task: _Task, loss: Loss) -> NoReturn:
    raise SplitError(
        f"{task.path} was readable in validate, but not here: {UNREADABLE[loss]}",
        next=f"{remedy(loss)}, or drop it with a line in decisions.csv "
        f"({task.id[:12]},drop,,<you>,<why>); then: dvc repro",
    )
