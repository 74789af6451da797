"""Features of images, as a frozen backbone computes them: once each, and kept."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from pixmill.core.files import keep_newest
from pixmill.core.params import BackboneParams
from pixmill.core.progress import Progress, announce
from pixmill.images.parts import Shards
from pixmill.learn.backbones import backbone_digest, build_backbone
from pixmill.learn.determinism import fix_threads
from pixmill.learn.precision import machine

if TYPE_CHECKING:
    import keras

__all__ = ["FeatureStore", "extract_features"]

_BATCH = 32
"""Images that the network sees at a time, the last ones filled up: a sum of floats may depend on how many there
are."""

_CHUNK = 512
"""Images whose features are kept at a time: what a kill makes to be computed again, at most."""

_MOST_BYTES = 4 * 2**30
"""How large all stores of a folder may be together; the oldest go first."""

_PATIENCE = 60.0
"""Seconds that a write waits for another process to end its own."""

Features = npt.NDArray[np.float32]
Done = TypeVar("Done")
Item = TypeVar("Item")


class FeatureStore:
    """Keep rows of features by name, in an SQLite database that several processes may share.

    A kill in the middle of a write leaves it whole. Nothing in it is needed, so nothing about it stops the pass: where
    it cannot be used (damage, a full or forbidden disk) the pass goes on without it, and a line says so.

    >>> import tempfile
    >>> store = FeatureStore(Path(tempfile.mkdtemp(), "key.sqlite"))
    >>> store.write([b"one"], np.ones((1, 2), np.float32))
    >>> store.read([b"one", b"two"])
    {b'one': array([1., 1.], dtype=float32)}

    Args:
        path: The file; it is another one for all that the rows depend on besides their names. Other stores in its
            folder go, the oldest first, where all together are too large.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._usable = True

    def read(self, names: Sequence[bytes]) -> dict[bytes, Features]:
        """Return the rows that are kept, by name."""

        def select(database: sqlite3.Connection) -> dict[bytes, Features]:
            known: dict[bytes, Features] = {}
            for chunk in _chunks(names):
                places = ",".join("?" * len(chunk))
                rows = database.execute(f"SELECT name, content FROM features WHERE name IN ({places})", chunk)  # noqa: S608
                known |= {name: np.frombuffer(row, "<f4") for name, row in rows}
            return known

        return self._attempt(select, {})

    def write(self, names: Sequence[bytes], rows: Features) -> None:
        """Keep rows, all of them or, where that cannot be, none."""

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
        """Return what the work returns, or something else where the database is of no use."""
        if not self._usable:
            return otherwise
        try:
            if self._database is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._database = sqlite3.connect(self._path, timeout=_PATIENCE)
                self._database.execute("CREATE TABLE IF NOT EXISTS features (name BLOB PRIMARY KEY, content BLOB)")
                os.utime(self._path)
                keep_newest(self._path.parent.glob("*.sqlite"), _MOST_BYTES)
            return work(self._database)
        # A damaged row is of another length.
        except (OSError, sqlite3.Error, ValueError) as error:
            announce(f"features are not kept in {self._path}: {error}; delete it if that happens again")
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
) -> Features:
    """Return the features of images, from the scratch folder where they are known.

    They are kept by the image's id and pixels, for the same network, threads, machine and code: of a grown data set
    only what is new is computed, and a pass that was killed goes on where it was. What an image's features are depends
    neither on the images around it nor on what was known.

    Args:
        pixels: ``uint8`` of shape (n, side, side, 3).
        ids: The images' ids, one a row.
        params: The section ``train.backbone``.
        scratch: Folder of the scratch, such as ``.pixmill/train/features``.
        threads: Threads that compute; fixed for the rest of this process.
        seed: What fresh weights are drawn from, where ``params.weights`` is ``none``. Default: 0.
        root: The project's folder, which a file of weights is relative to; default: the current one.

    Returns:
        ``float32`` of shape (n, width).

    Raises:
        TrainError: The weights cannot be had or are of another network, or the images are too small for it.
    """
    fix_threads(threads)
    side = pixels.shape[1]
    names = _names(pixels, ids)
    key = blake3(f"{backbone_digest(params, seed=seed, root=root)} {side} {threads} {machine()}".encode())
    with contextlib.closing(FeatureStore(scratch / f"{key.hexdigest(length=16)}.sqlite")) as store:
        features = store.read(names)
        missing = [row for row, name in enumerate(names) if name not in features]
        if missing:
            compute = _compiled(build_backbone(params, image_size=side, seed=seed, root=root), side)
            note = f"{len(names) - len(missing):,} known" if features else ""
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
        raise ValueError(f"expected one id an image ({pixels.shape[0]}), received {len(ids)}")
    return [blake3(f"{name}\n".encode() + pixels[row].tobytes()).digest() for row, name in enumerate(ids)]


def _chunks(items: Sequence[Item], size: int = _CHUNK) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _compiled(model: keras.Model, side: int) -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]:
    """Return the network as a function of at most a batch of images."""
    import tensorflow as tf

    run = tf.function(
        lambda pixels: model(tf.cast(pixels, tf.float32), training=False),
        input_signature=[tf.TensorSpec((_BATCH, side, side, 3), tf.uint8)],
        # XLA compiles such networks to code that is several times slower on processors.
        jit_compile=False,
    )

    def compute(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        count = len(pixels)
        if count < _BATCH:
            pixels = np.concatenate([pixels, np.zeros((_BATCH - count, *pixels.shape[1:]), np.uint8)])
        result: npt.NDArray[np.float32] = run(pixels).numpy()[:count]
        return result

    return compute
