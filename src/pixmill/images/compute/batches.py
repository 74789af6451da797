"""Map a function over many rows in many processes, with bounded memory and in order."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar

from pixmill.images.compute.scheduler import Pool
from pixmill.images.compute.worker import Loss, RowLimits, check_results

Row = TypeVar("Row")
Result = TypeVar("Result")


def default_workers() -> int:
    """Return the default number of workers: the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_batches(
    function: Callable[[Sequence[Row]], Sequence[Result]],
    rows: Iterable[Row],
    *,
    batch_size: int = 32,
    workers: int | None = None,
    limits: RowLimits | None = None,
    lost: Callable[[Row, Loss], Result] | None = None,
    local: bool = False,
    carry: Callable[[Row], Row] = lambda row: row,
) -> Iterator[Result]:
    """Yield the function's result for each row, in order.

    Rows are consumed lazily and only a few batches are in progress, so memory does not grow with
    their number. Workers are spawned, never forked (forking a process with threads may hang), and
    die with this process.

    With limits each row is monitored separately, and the pass gets one row per call. If a row times
    out, exceeds its memory or crashes its worker, the worker is replaced, and the row is retried
    once, first in a fresh process. So only its content can make a row fail, not other rows. Other
    workers continue meanwhile. A result may be computed twice, so the pass must be idempotent.

    Args:
        function: The pass: takes a batch of rows, returns one result per row. It must be importable
            by name.
        rows: Rows, which must be picklable; their class must not be defined in the main script.
        batch_size: Rows per batch; default 32.
        workers: Number of processes; default: one per CPU. ``0`` runs in this process, without
            limits only. Ignored on a cluster, which uses one process per CPU.
        limits: Limits per row; default: none.
        lost: Returns the result of a row that failed twice, from the row and the reason of the
            second failure. Called in this process, in the order of the rows. Required with limits.
        local: Run on this machine even if ``PIXMILL_COMPUTE`` names a cluster, for a few rows or
            local resources.
        carry: Converts a row before it is sent to a cluster, so that it refers to no local file;
            default: unchanged.

    >>> list(map_batches(sorted, [3, 1, 2], batch_size=2, workers=0))
    [1, 3, 2]

    Raises:
        PixmillError: Without limits, a worker process died (killed, or out of memory); or workers
            cannot start.
        ValueError: The function did not return one result per row, or an argument is out of range.
        Exception: Any exception of the function, with its traceback; with limits, a ``MemoryError``
            is a loss instead.
    """
    if (limits is None) != (lost is None):
        raise ValueError("limits and lost must be given together")
    workers = default_workers() if workers is None else workers
    stream = iter(rows)
    first = list(islice(stream, batch_size + 1))
    stream = chain(first, stream)
    alone = len(first) <= batch_size
    if limits is None and (workers == 0 or alone):
        # Starting a process takes longer than a single batch.
        while batch := list(islice(stream, batch_size)):
            yield from check_results(function(batch), batch)
        return
    if not local and not alone:
        # Imported late, since each worker process imports this module.
        from pixmill.images.compute.cluster import cluster_address, run_on_cluster

        if (address := cluster_address()) is not None:
            yield from run_on_cluster(address, function, stream, batch_size, limits, lost, carry)
            return
    pool = Pool(function, workers, limits)
    try:
        yield from pool.run(stream, batch_size, lost)
    finally:
        pool.kill()
