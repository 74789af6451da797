"""Image features from a frozen backbone, computed once and cached."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from pixmill.core.code import code_digest
from pixmill.core.files import keep_newest
from pixmill.core.params import BackboneParams
from pixmill.core.progress import Progress, announce
from pixmill.images.parts import Part, Shards
from pixmill.learn.backbones import backbone_digest, build_backbone, runtime_version
from pixmill.learn.determinism import fix_threads
from pixmill.learn.export import convert_backbone
from pixmill.learn.litert import available_cores, load_litert
from pixmill.learn.precision import machine

if TYPE_CHECKING:
    import keras

__all__ = ["FeatureStore", "extract_features", "part_features"]

_BATCH = 32
"""Images per batch; for TensorFlow the last one is padded: its rounding may depend on the batch size."""

_WORKERS = 16
"""Maximum images that LiteRT computes at the same time."""

_CHUNK = 512
"""Images whose features are saved at a time: the most that must be recomputed after a kill."""

_MOST_BYTES = 4 * 2**30
"""Maximum total size of all stores and converted backbones in a folder; the oldest are deleted first."""

_PATIENCE = 60.0
"""Seconds that a write waits for another process."""

Features = npt.NDArray[np.float32]
Compute = Callable[[npt.NDArray[np.uint8]], Features]
"""Takes at most a batch of images."""
Done = TypeVar("Done")
Item = TypeVar("Item")


class FeatureStore:
    """Cache rows of features by name, in an SQLite database that several processes may share.

    A kill in the middle of a write leaves it intact. It only saves time, so problems with it never stop the pass: if it
    cannot be used (damage, a full or read-only disk), the pass continues without it and prints a line.

    >>> import tempfile
    >>> store = FeatureStore(Path(tempfile.mkdtemp(), "key.sqlite"))
    >>> store.write([b"one"], np.ones((1, 2), np.float32))
    >>> store.read([b"one", b"two"])
    {b'one': array([1., 1.], dtype=float32)}

    Args:
        path: The file; its name identifies everything that the rows depend on besides their names. If all stores in
            its folder together are too large, the oldest are deleted.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._usable = True

    def read(self, names: Sequence[bytes]) -> dict[bytes, Features]:
        """Return the cached rows, by name."""

        def select(database: sqlite3.Connection) -> dict[bytes, Features]:
            known: dict[bytes, Features] = {}
            for chunk in _chunks(names):
                places = ",".join("?" * len(chunk))
                rows = database.execute(f"SELECT name, content FROM features WHERE name IN ({places})", chunk)  # noqa: S608
                known |= {name: np.frombuffer(row, "<f4") for name, row in rows}
            return known

        return self._attempt(select, {})

    def write(self, names: Sequence[bytes], rows: Features) -> None:
        """Cache rows, all or nothing."""

        def insert(database: sqlite3.Connection) -> None:
            content = [(name, row.astype("<f4").tobytes()) for name, row in zip(names, rows, strict=True)]
            with database:
                # Another process may have been first.
                database.executemany("INSERT OR REPLACE INTO features VALUES (?, ?)", content)

        self._attempt(insert, None)

    def close(self) -> None:
        """Close the database."""
        if self._database is not None:
            self._database.close()

    def _attempt(self, work: Callable[[sqlite3.Connection], Done], otherwise: Done) -> Done:
        """Return the result of the work, or the alternative if the database is unusable."""
        if not self._usable:
            return otherwise
        try:
            if self._database is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._database = sqlite3.connect(self._path, timeout=_PATIENCE)
                self._database.execute("CREATE TABLE IF NOT EXISTS features (name BLOB PRIMARY KEY, content BLOB)")
                os.utime(self._path)
                files = self._path.parent.glob("[!.]*")
                keep_newest((file for file in files if file.suffix in (".sqlite", ".tflite")), _MOST_BYTES)
            return work(self._database)
        # A damaged row has another length.
        except (OSError, sqlite3.Error, ValueError) as error:
            announce(f"features cannot be cached in {self._path}: {error}; delete the file if this happens again")
            self._usable = False
            return otherwise


def extract_features(
    pixels: Shards | npt.NDArray[np.uint8],
    ids: Sequence[str],
    params: BackboneParams,
    *,
    scratch: Path,
    threads: int,
    seed: int = 0,
    root: Path | None = None,
    file: Path | None = None,
) -> Features:
    """Return the features of images, cached in the scratch folder.

    They are keyed by the image's id and pixels, for the same network and code: when the dataset grows, only new images
    are computed, and an interrupted pass resumes where it stopped. An image's features depend neither on its batch nor
    on the state of the cache. LiteRT computes them, with the same bits on every x86-64-v3 processor; a network that
    cannot be converted stays in TensorFlow, and its features are also keyed by threads and machine.

    Args:
        pixels: ``uint8`` of shape (n, side, side, 3).
        ids: The images' ids, one per row.
        params: The section ``train.backbone``.
        scratch: The cache folder, such as ``.pixmill/train/features``.
        threads: Number of threads of TensorFlow, if it is needed; then fixed for the rest of this process.
        seed: Seed of fresh weights, if ``params.weights`` is ``none``. Default: 0.
        root: The project folder, to which a weights file is relative; default: the current one.
        file: The backbone as LiteRT file; default: converted from ``params``.

    Returns:
        ``float32`` of shape (n, width).

    Raises:
        TrainError: The weights are not available or belong to another network, or the images are too small.
    """
    names = _names(pixels, ids)
    side: int = pixels.shape[1]
    origin: dict[str, Any] = {"image_size": side, "seed": seed, "root": root}
    file = file or convert_backbone(params, scratch=scratch, threads=threads, **origin)
    if file:
        key = blake3(f"{runtime_version()} {code_digest([Path(__file__)])}".encode()).update(file.read_bytes())
        load: Callable[[], Compute] = partial(load_litert, file, workers=min(_WORKERS, available_cores()))
    else:
        fix_threads(threads)
        key = blake3(f"{backbone_digest(params, seed=seed, root=root)} {side} {threads} {machine()}".encode())
        load = lambda: _compiled(build_backbone(params, **origin), side)  # noqa: E731
    return _extract(pixels, names, FeatureStore(scratch / f"{key.hexdigest(length=16)}.sqlite"), load)


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
    pixels = Shards([part.pixels for part in parts])  # type: ignore[misc]
    ids = [str(name) for part in parts for name in part.rows["id"]]
    return extract_features(pixels, ids, params, scratch=scratch, threads=threads, **options)


def _extract(
    pixels: Shards | npt.NDArray[np.uint8], names: Sequence[bytes], cache: FeatureStore, load: Callable[[], Compute]
) -> Features:
    """Return the cached features, and compute and cache the others."""
    with contextlib.closing(cache) as store:
        features = store.read(names)
        missing = [row for row, name in enumerate(names) if name not in features]
        if missing:
            compute = load()
            note = f"{len(names) - len(missing):,} cached" if features else ""
            with Progress("Features", len(missing)) as progress:
                for rows in _chunks(missing, _CHUNK):
                    computed = []
                    for batch in _chunks(rows, _BATCH):
                        computed.append(compute(pixels[np.array(batch)]))
                        progress.advance(len(batch), note)
                    chunk = np.concatenate(computed)
                    store.write([names[row] for row in rows], chunk)
                    features |= {names[row]: values for row, values in zip(rows, chunk, strict=True)}
    return np.stack([features[name] for name in names])


def _names(pixels: Shards | npt.NDArray[np.uint8], ids: Sequence[str]) -> list[bytes]:
    """Return digests of ids and pixels: the same id may have been packed by other code."""
    if len(ids) != pixels.shape[0]:
        raise ValueError(f"expected one id per image ({pixels.shape[0]}), received {len(ids)}")
    names = []
    for row, name in enumerate(ids):
        names.append(blake3(f"{name}\n".encode()).update(np.ascontiguousarray(pixels[row]).data).digest())
        if isinstance(pixels, Shards) and row % _CHUNK == 0:
            pixels.release()
    return names


def _chunks(items: Sequence[Item], size: int = _CHUNK) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _compiled(model: keras.Model, side: int) -> Compute:
    """Return the network as a function of at most a batch of images."""
    import tensorflow as tf

    run = tf.function(
        lambda pixels: model(tf.cast(pixels, tf.float32), training=False),
        input_signature=[tf.TensorSpec((_BATCH, side, side, 3), tf.uint8)],
        # XLA compiles such networks to code that is several times slower on CPUs.
        jit_compile=False,
    )

    def compute(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        count = len(pixels)
        if count < _BATCH:
            pixels = np.concatenate([pixels, np.zeros((_BATCH - count, *pixels.shape[1:]), np.uint8)])
        result: npt.NDArray[np.float32] = run(pixels).numpy()[:count]
        return result

    return compute
