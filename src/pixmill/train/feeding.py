"""Batches from the packed shards, read ahead of the model."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from pixmill.parts import Part

__all__ = ["Batch", "epoch_order", "feed"]

Batch = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]
"""Pictures as they are packed, and their targets."""

_AHEAD = 2
"""Batches that are ready or being read while the model computes. They alone are held in memory."""


def epoch_order(count: int, *, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Return the order in which an epoch takes its pictures, from seed and epoch alone.

    Args:
        count: Pictures.
        seed: The seed of the run.
        epoch: Its number, from 1.
    """
    return np.random.default_rng([seed, epoch]).permutation(count)


def feed(part: Part, size: int, order: npt.NDArray[np.int64] | None = None) -> Iterator[Batch]:
    """Yield batches that a thread gathers meanwhile.

    Pixels stay bytes: as floats they would be four times as many to move, and the graph makes them in no time.

    Args:
        part: The pictures.
        size: Pictures a batch; the last one may have fewer.
        order: Rows in the order of their coming; default: as they lie.
    """
    rows = np.arange(len(part)) if order is None else order

    def gather(start: int) -> Batch:
        chosen = rows[start : start + size]
        return np.ascontiguousarray(part.pixels[chosen]), part.targets[chosen]

    with ThreadPoolExecutor(1, "feed") as reader:
        pending: deque[Future[Batch]] = deque()
        for start in range(0, len(rows), size):
            pending.append(reader.submit(gather, start))
            if len(pending) > _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
