"""Image features from a frozen backbone, computed once and cached."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Unpack

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
from pixmill.models.layers import Origin
from pixmill.models.litert import load_litert
from pixmill.models.litert_export import convert_backbone

_BATCH_SIZE = 32

_CHUNK_SIZE = 512
"""Images whose features are saved at a time; at most these are recomputed after a kill."""

_MAX_CACHE_BYTES = 4 * 2**30
"""Maximum total size of the stores and converted backbones in a folder.

The oldest are deleted first.
"""

_IDLE_SECONDS = 24 * 3600.0
"""Time since the last use after which a file may be deleted.

No pass takes that long between two chunks.
"""

_MAX_MEMORY_BYTES = 256 * 2**20
"""Maximum size of features that are returned in memory: 20,068 images of 3,344 features."""

Features = npt.NDArray[np.float32]
Pixels = Shards | npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Keys = npt.NDArray[np.void]
Compute = Callable[[Rows], Generator[Features, None, None]]
"""Takes rows; yields the features of each image, in order."""


def open_store(path: Path) -> Cache:
    """Return the cache of features in a file.

    If the folder exceeds its maximum size, the oldest files that were not used for a day are
    deleted.
    """

    def tidy() -> None:
        os.utime(path)
        files = (
            file for file in path.parent.glob("[!.]*") if file.suffix in (".sqlite", ".tflite")
        )
        keep_newest(files, _MAX_CACHE_BYTES, idle=_IDLE_SECONDS)

    return Cache(path, tidy=tidy)


def extract_features(
    pixels: Pixels,
    ids: Sequence[str],
    params: BackboneParams,
    *,
    scratch: Path,
    threads: int,
    file: Path | None = None,
    **origin: Unpack[Origin],
) -> Features:
    """Return the features of images, cached in the scratch folder.

    The cache is keyed by id and pixels of the image, network and code. When the dataset grows, only
    new images are computed; an interrupted pass resumes where it stopped. The features of an image
    depend neither on its batch nor on the state of the cache. LiteRT computes them in worker
    processes, bit-identical on every x86-64-v3 processor.

    Memory is bounded, except for a key of 32 bytes per image. A result above 256 MB is in an
    unnamed file in the scratch folder, which the system deletes with the last reference to it.

    Args:
        pixels: ``uint8`` of shape (n, side, side, 3); the pixels of a :class:`.Part`, or an array.
        ids: Ids of the images, one per row.
        params: The section ``train.backbone``.
        scratch: Cache folder, such as ``.pixmill/train/features``.
        threads: Number of threads of TensorFlow, if needed; then fixed for the rest of this
            process.
        file: LiteRT file of the backbone. Default: converted from ``params``.
        origin: Seed, layers and project folder.

    Returns:
        ``float32`` of shape (n, width); above 256 MB, memory-mapped.

    Raises:
        PixmillError: A worker process died. Finished chunks are cached.
        OSError: The result does not fit on the disk.
        TrainError: As for :func:`pixmill.models.backbones.build_backbone`.
    """
    keys = _row_keys(pixels, ids)
    side: int = pixels.shape[1]
    file = file or convert_backbone(
        params, image_size=side, scratch=scratch, threads=threads, **origin
    )
    network = file.read_bytes()
    digest = blake3(f"{runtime_version()} {digest_code('features')}".encode()).update(network)
    store = open_store(scratch / f"{digest.hexdigest(length=16)}.sqlite")
    return _extract(keys, store, partial(_compute, network, pixels), scratch)


def part_features(
    parts: Sequence[Part], params: BackboneParams, *, scratch: Path, threads: int, **options: Any
) -> Features:
    """Return the concatenated features of packed splits, from one pass of :func:`extract_features`.

    Args:
        parts: The splits.
        params: The section ``train.backbone``.
        scratch: Cache folder.
        threads: Number of threads of TensorFlow, if needed.
        options: Further arguments of :func:`extract_features`.
    """
    # Shards of shards: anything indexable like an array works.
    pixels = Shards([part.pixels for part in parts])
    ids = pd.concat([part.rows["id"] for part in parts])
    return extract_features(pixels, ids, params, scratch=scratch, threads=threads, **options)


def _extract(keys: Keys, cache: Cache, compute: Compute, scratch: Path) -> Features:
    """Return the features, computing and caching those that are missing from the cache."""
    features: Features | None = None
    missing = np.ones(len(keys), bool)

    def put(rows: Rows, values: Sequence[Features]) -> None:
        nonlocal features
        if features is None:
            features = _allocate(len(keys), len(values[0]), scratch)
        features[rows] = values
        missing[rows] = False

    with cache:
        with Progress("Cached features", len(keys)) as progress:
            for rows in _chunks(np.arange(len(keys))):
                cached = cache.read(keys[rows].tolist())
                found = [row for row in rows.tolist() if keys[row].item() in cached]
                if found:
                    put(
                        np.array(found),
                        [np.frombuffer(cached[keys[row].item()], "<f4") for row in found],
                    )
                progress.advance(len(rows))
        rows = np.flatnonzero(missing)
        if len(rows):
            note = f"{len(keys) - len(rows):,} cached" if features is not None else ""
            with (
                Progress("Features", len(rows), is_kept=True) as progress,
                contextlib.closing(compute(rows)) as computed,
            ):
                for chunk in _chunks(rows):
                    values = []
                    for row in islice(computed, len(chunk)):
                        values.append(row)
                        progress.advance(note=note)
                    contents = (row.astype("<f4").tobytes() for row in values)
                    cache.write(dict(zip(keys[chunk].tolist(), contents, strict=True)))
                    put(chunk, values)
    assert features is not None
    return features


def _allocate(count: int, width: int, scratch: Path) -> Features:
    """Return an uninitialised array, in memory or, if it is large, in an unnamed file."""
    shape = (count, width)
    size = 4 * count * width
    if size <= _MAX_MEMORY_BYTES:
        return np.empty(shape, np.float32)
    with tempfile.TemporaryFile(dir=scratch) as file:
        try:
            # On a full disk, raise here instead of being killed while writing.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            # A plain array: numpy.memmap is slow to index.
            return np.asarray(np.memmap(file, np.float32, "w+", shape=shape))
        except OSError as error:
            error.filename = str(scratch)
            raise


def _row_keys(pixels: Pixels, ids: Sequence[str]) -> Keys:
    """Return digests of ids and pixels; the pixels of an id depend on the code that packed it."""
    if len(ids) != pixels.shape[0]:
        raise ValueError(f"expected one id per image ({pixels.shape[0]}), received {len(ids)}")
    keys = np.empty(len(ids), "V32")
    images = _packed_images(pixels, np.arange(len(ids)))
    for row, (name, image) in enumerate(
        zip(track(ids, "Hash images", len(ids)), images, strict=True)
    ):
        content = image if isinstance(image, bytes) else np.ascontiguousarray(image).data
        keys[row] = blake3(f"{name}\n".encode()).update(content).digest()
    return keys


def _chunks(rows: Rows) -> Iterator[Rows]:
    for start in range(0, len(rows), _CHUNK_SIZE):
        yield rows[start : start + _CHUNK_SIZE]


def _compute(network: bytes, pixels: Pixels, rows: Rows) -> Generator[Features, None, None]:
    if len(rows) <= _BATCH_SIZE:
        # Faster than starting a process.
        yield from load_litert(network)(pixels[rows])
    else:
        run = extraction.FeaturePass(network, pixels.shape[1])
        yield from map_batches(run, _packed_images(pixels, rows), batch_size=_BATCH_SIZE)


def _packed_images(pixels: Pixels, rows: Rows) -> Iterator[extraction.Row]:
    """Yield images as they are packed."""
    for row in rows.tolist():
        content = pixels.compressed(row) if isinstance(pixels, Shards) else None
        yield pixels[row] if content is None else content
