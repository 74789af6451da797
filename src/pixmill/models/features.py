"""Image features from a frozen backbone, computed once and cached."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from blake3 import blake3

from pixmill.core.files.cache import Cache
from pixmill.core.files.writing import keep_newest
from pixmill.core.params import BackboneParams
from pixmill.core.process.progress import Progress, track
from pixmill.core.provenance.results import digest_code
from pixmill.images.compute import map_batches
from pixmill.images.parts import Part, Shards
from pixmill.models import extraction
from pixmill.models.backbones import runtime_version
from pixmill.models.layers import TOP
from pixmill.models.litert import load_litert
from pixmill.models.litert_export import convert_backbone

_BATCH = 32
"""Images per batch; for TensorFlow the last one is padded: its rounding may depend on the batch size."""

_CHUNK = 512
"""Images whose features are saved at a time: the most that must be recomputed after a kill."""

_MOST_BYTES = 4 * 2**30
"""Maximum total size of all stores and converted backbones in a folder; the oldest are deleted first."""

_IDLE = 24 * 3600.0
"""Seconds since their last use after which they may be: no pass takes that long to read or write the next rows."""

_IN_MEMORY = 256 * 2**20
"""Maximum size in bytes of features that are returned in memory: 20,068 images at 3,344 features."""

Features = npt.NDArray[np.float32]
Pixels = Shards | npt.NDArray[np.uint8]
Names = npt.NDArray[np.void]
Compute = Callable[[npt.NDArray[np.int64]], Generator[Features, None, None]]
"""Takes rows; yields the features of each image, in order."""
Items = TypeVar("Items", Sequence[bytes], npt.NDArray[np.int64])


def open_store(path: Path) -> Cache:
    """Return the cache of features whose file has this name.

    If all stores in its folder together are too large, the oldest of those that were not used for a day are deleted.
    """

    def tidy() -> None:
        os.utime(path)
        files = (file for file in path.parent.glob("[!.]*") if file.suffix in (".sqlite", ".tflite"))
        keep_newest(files, _MOST_BYTES, idle=_IDLE)

    return Cache(path, tidy=tidy)


def extract_features(
    pixels: Pixels,
    ids: Sequence[str],
    params: BackboneParams,
    *,
    scratch: Path,
    threads: int,
    seed: int = 0,
    layers: Sequence[str] = (TOP,),
    root: Path | None = None,
    file: Path | None = None,
) -> Features:
    """Return the features of images, cached in the scratch folder.

    They are keyed by the image's id and pixels, for the same network and code: when the dataset grows, only new images
    are computed, and an interrupted pass resumes where it stopped. An image's features depend neither on its batch nor
    on the state of the cache. LiteRT computes them in worker processes, with the same bits on every x86-64-v3
    processor.

    Memory does not grow with the number of images beyond 32 bytes each for their names and 256 MB for the result: if it
    is larger, it lies in a file without a name in the scratch folder, whose room is freed once nothing refers to it.

    Args:
        pixels: ``uint8`` of shape (n, side, side, 3); those of :class:`.Part`, or an array.
        ids: The images' ids, one per row.
        params: The section ``train.backbone``.
        scratch: The cache folder, such as ``.pixmill/train/features``.
        threads: Number of threads of TensorFlow, if it is needed; then fixed for the rest of this process.
        seed: Seed of fresh weights, if ``params.weights`` is ``none``. Default: 0.
        layers: Names of the layers whose averages are the features; default: the top alone.
        root: The project folder, to which a weights file is relative; default: the current one.
        file: The backbone as LiteRT file; default: converted from ``params``.

    Returns:
        ``float32`` of shape (n, width); above 256 MB, memory-mapped.

    Raises:
        PixmillError: A worker process died. What was computed is cached.
        OSError: The result does not fit on the disk.
        TrainError: As :func:`pixmill.models.backbones.build_backbone` raises it.
    """
    names = _names(pixels, ids)
    side: int = pixels.shape[1]
    origin: dict[str, Any] = {"seed": seed, "layers": layers, "root": root}
    file = file or convert_backbone(params, image_size=side, scratch=scratch, threads=threads, **origin)
    network = file.read_bytes()
    key = blake3(f"{runtime_version()} {digest_code('features')}".encode()).update(network)
    store = open_store(scratch / f"{key.hexdigest(length=16)}.sqlite")
    return _extract(names, store, partial(_compute, network, pixels), scratch)


def part_features(
    parts: Sequence[Part],
    params: BackboneParams,
    *,
    scratch: Path,
    threads: int,
    **options: Any,
) -> Features:
    """Return the features of packed splits in turn, in one pass of :func:`extract_features`.

    Args:
        parts: The splits.
        params: The section ``train.backbone``.
        scratch: The cache folder.
        threads: Number of threads of TensorFlow, if it is needed.
        options: The others of that function.
    """
    # Shards of shards: anything that indexes like an array works.
    pixels = Shards([part.pixels for part in parts])
    ids = pd.concat([part.rows["id"] for part in parts])
    return extract_features(pixels, ids, params, scratch=scratch, threads=threads, **options)


def _extract(names: Names, cache: Cache, compute: Compute, scratch: Path) -> Features:
    """Return the cached features, and compute and cache the others."""
    features: Features | None = None
    missing = np.ones(len(names), bool)

    def put(rows: npt.NDArray[np.int64], values: Sequence[Features]) -> None:
        nonlocal features
        if features is None:
            features = _table(len(names), len(values[0]), scratch)
        features[rows] = values
        missing[rows] = False

    with cache:
        with Progress("Cached features", len(names)) as progress:
            for rows in _chunks(np.arange(len(names))):
                known = cache.read(names[rows].tolist())
                found = [row for row in rows.tolist() if names[row].item() in known]
                if found:
                    put(np.array(found), [np.frombuffer(known[names[row].item()], "<f4") for row in found])
                progress.advance(len(rows))
        rows = np.flatnonzero(missing)
        if len(rows):
            note = f"{len(names) - len(rows):,} cached" if features is not None else ""
            with Progress("Features", len(rows)) as progress, contextlib.closing(compute(rows)) as computed:
                for chunk in _chunks(rows):
                    values = []
                    for row in islice(computed, len(chunk)):
                        values.append(row)
                        progress.advance(note=note)
                    contents = (row.astype("<f4").tobytes() for row in values)
                    cache.write(dict(zip(names[chunk].tolist(), contents, strict=True)))
                    put(chunk, values)
    assert features is not None
    return features


def _table(count: int, width: int, scratch: Path) -> Features:
    """Return an array to be filled, in memory or, if it is large, in a file that vanishes with it."""
    shape, size = (count, width), 4 * count * width
    if size <= _IN_MEMORY:
        return np.empty(shape, np.float32)
    with tempfile.TemporaryFile(dir=scratch) as file:
        try:
            # Otherwise a full disk would kill this process.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            # As a plain array: numpy.memmap is slow to index.
            return np.asarray(np.memmap(file, np.float32, "w+", shape=shape))
        except OSError as error:
            error.filename = str(scratch)
            raise


def _names(pixels: Pixels, ids: Sequence[str]) -> Names:
    """Return digests of ids and pixels: the same id may have been packed by other code."""
    if len(ids) != pixels.shape[0]:
        raise ValueError(f"expected one id per image ({pixels.shape[0]}), received {len(ids)}")
    names = np.empty(len(ids), "V32")
    contents = _rows(pixels, np.arange(len(ids)))
    for row, (name, content) in enumerate(zip(track(ids, "Hash images", len(ids)), contents, strict=True)):
        bytes_of = content if isinstance(content, bytes) else np.ascontiguousarray(content).data
        names[row] = blake3(f"{name}\n".encode()).update(bytes_of).digest()
    return names


def _chunks(items: Items, size: int | None = None) -> Iterator[Items]:
    size = size or _CHUNK
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _compute(network: bytes, pixels: Pixels, rows: npt.NDArray[np.int64]) -> Generator[Features, None, None]:
    if len(rows) <= _BATCH:
        # Sooner done than a process starts.
        yield from load_litert(network)(pixels[rows])
    else:
        run = extraction.FeaturePass(network, pixels.shape[1])
        yield from map_batches(run, _rows(pixels, rows), batch_size=_BATCH)


def _rows(pixels: Pixels, rows: npt.NDArray[np.int64]) -> Iterator[extraction.Row]:
    """Yield what workers get: packed images as they are packed."""
    for row in rows.tolist():
        content = pixels.compressed(row) if isinstance(pixels, Shards) else None
        yield pixels[row] if content is None else content
