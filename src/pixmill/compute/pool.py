"""A pool: rows in bulk, with a few batches in progress, and their results in order."""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from pixmill.compute.scheduler import Job, Scheduler
from pixmill.compute.worker_process import Loss

_BATCHES = 4
"""Batches in progress per worker: at most this many wait for a slow row before them."""


class Pool(Scheduler):
    """Run a pass over rows in bulk; the processes start with the first rows."""

    def run(self, rows: Iterator[Any], batch_size: int, lost: Callable[[Any, Loss], Any] | None) -> Iterator[Any]:
        """Yield one result per row, in order.

        Args:
            rows: The rows, consumed lazily.
            batch_size: Rows per batch.
            lost: Returns the result of a row that was given up.

        Raises:
            PixmillError: A worker died and there are no limits, or workers cannot start.
            Exception: What the pass raised.
        """
        jobs: deque[Job] = deque()
        while True:
            while len(jobs) <= (_BATCHES * self._most - 1) * batch_size:
                batch = [Job(row) for row in islice(rows, batch_size)]
                if not batch:
                    break
                jobs.extend(batch)
                self.put([batch])
                self.start()
            if not jobs:
                return
            job = jobs.popleft()
            result = job.result()
            if job.loss is not None:
                assert lost is not None
                result = lost(job.row, job.loss)
            yield result
