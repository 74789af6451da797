"""Scheduling of a pass: rows in progress, and retries."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import wait
from typing import Any

from pixmill.compute.worker import PickledPass
from pixmill.compute.worker_process import STARTS, Loss, RowLimits, Task, Worker, name_of, not_starting
from pixmill.core.errors import PixmillError

_BATCHES = 4
"""Batches in progress per worker: at most this many wait for a slow row before them."""


@dataclass(frozen=True)
class _Lost:
    """Placeholder for the result of a row that was given up."""

    row: Any
    loss: Loss


class Pool:
    """Disposable workers that run a pass over batches.

    It has no thread of its own: it works while the caller waits for a result.

    Args:
        function: The pass.
        workers: Maximum number of processes.
        limits: Limits per row; ``None``: none, and a worker that dies ends the pass.
    """

    def __init__(
        self,
        function: Callable[[Sequence[Any]], Sequence[Any]] | PickledPass,
        workers: int,
        limits: RowLimits | None = None,
    ) -> None:
        self._function = function
        self._most = workers
        self._limits = limits
        self._workers: list[Worker] = []
        self._waiting: deque[Task] = deque()
        self._again: deque[Task] = deque()
        self._results: dict[int, Any] = {}
        self._defects: dict[int, BaseException] = {}
        self._failed_starts = 0

    def close(self) -> None:
        """Kill all workers."""
        for worker in self._workers:
            worker.kill()
        while self._workers:
            self._workers.pop().end()

    def run(self, rows: Iterator[Any], batch_size: int, lost: Callable[[Any, Loss], Any] | None) -> Iterator[Any]:
        """Yield one result per row, in order.

        Args:
            rows: The rows, consumed lazily.
            batch_size: Rows per batch.
            lost: Returns the result of a row that was given up.

        Raises:
            PixmillError: A worker died and there are no limits, or workers cannot start.
        """
        numbered = enumerate(rows)
        taken = given = 0
        while True:
            while taken - given <= (_BATCHES * self._most - 1) * batch_size:
                batch = list(islice(numbered, batch_size))
                if not batch:
                    break
                taken += len(batch)
                self._waiting.append(Task(batch))
            self._hand_out()
            if given == taken:
                return
            if given in self._defects:
                raise self._defects[given]
            self._listen(0 if given in self._results else None)
            if given in self._results:
                result = self._results.pop(given)
                given += 1
                if isinstance(result, _Lost):
                    assert lost is not None
                    result = lost(result.row, result.loss)
                yield result

    def _hand_out(self) -> None:
        """Give tasks to workers that wait, and start workers while there is more to do."""
        for worker in list(self._workers):
            if worker.ready and worker.task is None and (task := self._next(worker)):
                try:
                    worker.give(task)
                except OSError:
                    # It was killed while idle: no row is to blame.
                    worker.task = None
                    (self._again if task.again else self._waiting).appendleft(task)
                    self._lose(worker, "crashed")
        starting = sum(not worker.ready for worker in self._workers)
        while len(self._workers) < self._most and starting < len(self._waiting) + len(self._again):
            self._workers.append(Worker(self._function, self._limits))
            starting += 1

    def _next(self, worker: Worker) -> Task | None:
        """Return a worker's next task: a retry only as the first task of a fresh process."""
        if self._again and not worker.used:
            return self._again.popleft()
        return self._waiting.popleft() if self._waiting else None

    def _listen(self, timeout: float | None) -> None:
        """Receive messages, and kill workers that time out."""
        if timeout is None and (busy := [worker.deadline for worker in self._workers if worker.task and self._limits]):
            timeout = max(0.0, min(busy) - time.monotonic())
        audible = set(wait([worker.connection for worker in self._workers], timeout))
        for worker in [worker for worker in self._workers if worker.connection in audible]:
            try:
                self._hear(worker)
            except (EOFError, OSError):
                self._lose(worker, "crashed")
        for worker in list(self._workers):
            if self._limits and worker.task and worker.deadline < time.monotonic():
                self._lose(worker, "timeout")

    def _hear(self, worker: Worker) -> None:
        """Process the next message of a worker.

        Raises:
            EOFError, OSError: The process has ended, and all its messages were read.
        """
        kind, content = worker.hear()
        if kind == "ready":
            worker.ready = True
            self._failed_starts = 0
            return
        task = worker.task
        if kind == "raised" and task is None:
            raise content  # by a parcel that could not be opened
        assert task is not None
        if kind == "memory":
            self._lose(worker, "memory")
        elif kind == "raised":
            self._defects[task.rows[0][0]] = content
            worker.task = None
        else:
            answered, task.rows = task.rows[: len(content)], task.rows[len(content) :]
            self._results.update(zip((number for number, _ in answered), content, strict=True))
            worker.task = task if task.rows else None

    def _lose(self, worker: Worker, loss: Loss) -> None:
        """Kill a worker, and reassign its rows."""
        self._workers.remove(worker)
        code = worker.end()
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= STARTS:
                raise not_starting(self._function, code)
        elif self._limits is None:
            raise PixmillError(
                f"a worker process died in {name_of(self._function)} (killed, or out of memory)",
                next="free some memory, then run the same command again: finished work is kept",
            )
        if worker.task is None:
            return
        (number, row), *rest = worker.task.rows
        if rest:
            self._waiting.appendleft(Task(rest))
        if worker.task.again:
            self._results[number] = _Lost(row, loss)
        else:
            self._again.append(Task([(number, row)], again=True))
