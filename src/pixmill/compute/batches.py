"""One function over many rows, on many processes, with bounded memory and in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar

from pixmill.compute.pool import Limits, Loss, Pool
from pixmill.compute.worker import checked

__all__ = ["default_workers", "map_batches"]

Row = TypeVar("Row")
Result = TypeVar("Result")


def default_workers() -> int:
    """Return how many processes a pass uses: the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_batches(
    function: Callable[[Sequence[Row]], Sequence[Result]],
    rows: Iterable[Row],
    *,
    batch_size: int = 32,
    workers: int | None = None,
    limits: Limits | None = None,
    lost: Callable[[Row, Loss], Result] | None = None,
) -> Iterator[Result]:
    """Yield the function's result for each row, in the order of the rows.

    Rows are taken as they are needed and at most a few batches are under way, so memory does not grow with their
    number. Workers are spawned, never forked (a fork of a process with threads may hang), and die with this process.

    With limits each row is watched by itself, and the pass gets one row a call. A row that runs past its time, takes
    too much memory or ends its process costs that process, which is replaced; the row is tried once more, alone, as the
    first of a fresh process, and then given up. So a row is lost by what is in it, not by what was done before it or
    happened beside it. Other workers go on meanwhile. A result may be computed twice: the pass must not mind.

    Args:
        function: The pass: a batch of rows in, one result a row out. It must be importable by name.
        rows: The rows; each must be picklable, and of a class that is not in the script which Python was started with.
        batch_size: Rows that a worker is given at a time; default 32.
        workers: Processes; default: one a processor. ``0`` runs in this process, without limits only.
        limits: What a row may take; default: anything.
        lost: Gives the result of a row that was given up, called here and in the order of the rows: the row, and why it
            was lost (the second time). Needed with limits.

    >>> list(map_batches(sorted, [3, 1, 2], batch_size=2, workers=0))
    [1, 3, 2]

    Raises:
        PixmillError: A worker process died (killed, or out of memory) and there are no limits, or cannot start.
        ValueError: The function did not return one result a row, or an argument is out of its range.
        Exception: What the function raised, with its traceback; ``MemoryError`` is a loss where there are limits.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, received {batch_size}")
    if (limits is None) != (lost is None):
        raise ValueError("limits and lost go together: what is the result of a row that was given up?")
    workers = default_workers() if workers is None else workers
    if workers < 0 or (limits and workers == 0):
        raise ValueError(f"workers must be at least {1 if limits else 0}, received {workers}")
    stream = iter(rows)
    if limits is None:
        first = list(islice(stream, batch_size + 1))
        stream = chain(first, stream)
        if workers == 0 or len(first) <= batch_size:
            # One batch is not worth the start of a process.
            while batch := list(islice(stream, batch_size)):
                yield from checked(function(batch), batch)
            return
    pool = Pool(function, workers, limits)
    try:
        yield from pool.run(stream, batch_size, lost)
    finally:
        pool.close()
