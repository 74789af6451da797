"""Passes over pictures: pure functions of a batch of rows, on the processes of this machine.

A pass is a module-level function that takes a list of rows and returns a list of results, one a row, in order. It keeps
no state and touches nothing but what its rows name, so that it could as well run on another machine.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from typing import TypeVar

from pixmill.errors import PixmillError
from pixmill.process import die_with_parent

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
) -> Iterator[Result]:
    """Yield the function's result for each row, in the order of the rows.

    Rows are taken as they are needed and at most a few batches are under way, so memory does not grow with their
    number. Workers are spawned, never forked (a fork of a process with threads may hang), and die with this process.

    Args:
        function: The pass: a batch of rows in, one result a row out. It must be importable by name.
        rows: The rows; each must be picklable.
        batch_size: Rows a call; default 32.
        workers: Processes; default: one a processor. ``0`` runs in this process.

    Raises:
        PixmillError: A worker process died (killed, or out of memory).
        ValueError: The function did not return one result a row.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, received {batch_size}")
    stream = iter(rows)
    batches = iter(lambda: list(islice(stream, batch_size)), [])
    workers = default_workers() if workers is None else workers
    first = list(islice(batches, 2))
    if workers == 0 or len(first) < 2:
        # One batch is not worth the start of a process.
        for batch in chain(first, batches):
            yield from _checked(function(batch), batch)
        return
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=die_with_parent)
    try:
        yield from _in_order(pool, function, first, batches, ahead=2 * workers)
    except BrokenProcessPool as error:
        raise PixmillError(
            f"a worker process died in {function.__module__}.{function.__qualname__} (killed, or out of memory)",
            next="free some memory, then run the same command again: finished work is kept",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(
    pool: ProcessPoolExecutor,
    function: Callable[[Sequence[Row]], Sequence[Result]],
    first: list[list[Row]],
    rest: Iterator[list[Row]],
    ahead: int,
) -> Iterator[Result]:
    pending: deque[tuple[Future[Sequence[Result]], list[Row]]] = deque()
    for batch in chain(first, rest):
        pending.append((pool.submit(function, batch), batch))
        if len(pending) >= ahead:
            future, oldest = pending.popleft()
            yield from _checked(future.result(), oldest)
    while pending:
        future, oldest = pending.popleft()
        yield from _checked(future.result(), oldest)


def _checked(results: Sequence[Result], batch: Sequence[Row]) -> Sequence[Result]:
    if len(results) != len(batch):
        raise ValueError(f"a pass must return one result a row: expected {len(batch)}, received {len(results)}")
    return results
