"""What a frozen backbone sees in pictures, computed once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from pixmill.backbones.backbone import backbone_digest, build_backbone
from pixmill.backbones.machine import machine
from pixmill.backbones.store import Store
from pixmill.params import BackboneParams
from pixmill.progress import Progress, announce

if TYPE_CHECKING:
    import keras

__all__ = ["PixelSource", "features"]

_BATCH = 32
"""Pictures that the network sees at a time, the last ones filled up: a sum of floats may depend on how many there
are."""

_FILE = 512
"""Pictures whose features are kept at a time: what a kill makes to be computed again, at most."""

_IN_MEMORY = 2**28
"""Bytes of features from which on they lie in a file and not in memory."""


class PixelSource(Protocol):
    """Name what pictures are taken from: an array, or what indexes like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, side, side, 3)."""

    def __getitem__(self, rows: slice | npt.NDArray[np.int64], /) -> npt.NDArray[np.uint8]:
        """Return some of them."""


def features(
    pixels: PixelSource,
    ids: Sequence[str],
    params: BackboneParams,
    *,
    scratch: Path,
    threads: int,
    seed: int = 0,
    root: Path | None = None,
) -> npt.NDArray[np.float32]:
    """Return the features of pictures, from the scratch folder where they are known.

    They are kept by the picture's id and pixels, for the same network, threads, machine and code: of a grown data set
    only what is new is computed, and a pass that was killed goes on where it was. What a picture's features are depends
    neither on the pictures around it nor on what was known. Memory does not grow with the pictures: many features lie
    in a nameless file, which ends with the array.

    Args:
        pixels: ``uint8`` of shape (n, side, side, 3).
        ids: The pictures' ids, one a row.
        params: The section ``train.backbone``.
        scratch: Folder of the scratch, such as ``.pixmill/train/features``.
        threads: Threads that compute; fixed for the rest of this process.
        seed: What fresh weights are drawn from, where ``params.weights`` is ``none``. Default: 0.
        root: The project's folder, which a file of weights is relative to; default: the current one.

    Returns:
        ``float32`` of shape (n, width).

    Raises:
        TrainError: The weights cannot be had or are of another network, or the pictures are too small for it.
    """
    from pixmill.models.determinism import fix_threads

    fix_threads(threads)
    side = pixels.shape[1]
    names = _names(pixels, ids)
    key = blake3(f"{backbone_digest(params, seed=seed, root=root)} {side} {threads} {machine()}".encode())
    with Store(scratch, key.hexdigest(length=16)) as store:
        known = store.knows(names)
        missing = np.flatnonzero(~known)
        width = store.width
        see = None
        if len(missing) or width is None:
            model = build_backbone(params, image_size=side, seed=seed, root=root)
            width = int(model.output_shape[1])
            see = _compiled(model, side)
        found = _room((len(names), width), scratch)
        for rows in _pieces(np.flatnonzero(known), _FILE):
            found[rows] = store.read([names[row] for row in rows])
        if see is None:
            return found
        with Progress("Features", len(missing)) as progress:
            for rows in _pieces(missing, _FILE):
                for batch in _pieces(rows, _BATCH):
                    found[batch] = see(pixels[batch])
                    progress.advance(len(batch), f"{len(names) - len(missing):,} known" if known.any() else "")
                store.write([names[row] for row in rows], found[rows])
    return found


def _names(pixels: PixelSource, ids: Sequence[str]) -> list[bytes]:
    """Return digests of ids and pixels: the same id may have been packed by other code."""
    if len(ids) != pixels.shape[0]:
        raise ValueError(f"expected one id a picture ({pixels.shape[0]}), received {len(ids)}")
    names = []
    for start in range(0, len(ids), _FILE):
        for name, picture in zip(ids[start : start + _FILE], pixels[start : start + _FILE], strict=True):
            names.append(blake3(f"{name}\n".encode() + picture.tobytes()).digest())
    return names


def _pieces(rows: npt.NDArray[np.int64], size: int) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _compiled(model: keras.Model, side: int) -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]:
    """Return the network as a function of at most a batch of pictures."""
    import tensorflow as tf

    run = tf.function(
        lambda pixels: model(tf.cast(pixels, tf.float32), training=False),
        input_signature=[tf.TensorSpec((_BATCH, side, side, 3), tf.uint8)],
        # XLA compiles such networks to code that is several times slower on processors.
        jit_compile=False,
    )

    def see(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        count = len(pixels)
        if count < _BATCH:
            pixels = np.concatenate([pixels, np.zeros((_BATCH - count, *pixels.shape[1:]), np.uint8)])
        result: npt.NDArray[np.float32] = run(pixels).numpy()[:count]
        return result

    return see


def _room(shape: tuple[int, int], scratch: Path) -> npt.NDArray[np.float32]:
    """Return an empty array, in memory or, where it is large, in a file without a name."""
    size = shape[0] * shape[1] * 4
    if size >= _IN_MEMORY:
        try:
            with tempfile.TemporaryFile(dir=scratch) as file:
                _reserve(file, size)
                return np.memmap(file, np.float32, "r+", shape=shape)
        except OSError as error:
            announce(f"features take {size >> 20:,} MB of memory, since no file in {scratch} can hold them: {error}")
    return np.empty(shape, np.float32)


def _reserve(file: IO[bytes], size: int) -> None:
    """Take the place on the disk, where the system can: one who writes to a map of a full disk is killed."""
    file.truncate(size)
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
