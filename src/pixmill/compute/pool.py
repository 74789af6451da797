"""Who does what next: batches under way, and rows that are tried again."""

from __future__ import annotations

import os
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import wait
from typing import Any

from pixmill.compute.limits import Limits, Loss
from pixmill.compute.memory import REFUSED_BY_KERNEL
from pixmill.compute.window import Batch, Task
from pixmill.compute.worker import Gone, Worker
from pixmill.errors import PixmillError

__all__ = ["Pool"]

_AHEAD = 2
"""Batches under way, a worker."""

_HELD = 32 << 20
"""Bytes of rows and results, as they travel, that may wait for a row before them, while other workers go on."""

_STARTS = 10
"""Workers that may be killed one after the other before they are ready."""

_GLANCE = 0.1
"""Seconds between two looks at the workers' memory, where the kernel does not refuse what is too much."""


class Pool:
    """Some disposable workers that do a pass over batches.

    It has no thread of its own: it works while somebody waits for a result.

    Args:
        function: The pass.
        workers: Processes at most.
        limits: What a row may take; ``None``: anything, and a worker that dies ends the pass.
    """

    def __init__(
        self, function: Callable[[Sequence[Any]], Sequence[Any]], workers: int, limits: Limits | None = None
    ) -> None:
        self._function = function
        self._most = workers
        self._limits = limits
        self._workers: list[Worker] = []
        self._window: deque[Batch] = deque()
        self._waiting: deque[Task] = deque()
        self._again: deque[Task] = deque()
        self._failed_starts = 0
        # Runs at the exit of the interpreter, too, which may come before a generator is closed.
        self._finalizer = weakref.finalize(self, _end_all, self._workers, os.getpid())

    def close(self) -> None:
        """End all workers, whatever they are at."""
        self._finalizer()

    def run(self, batches: Iterator[Sequence[Any]], lost: Callable[[Any, Loss], Any] | None) -> Iterator[Any]:
        """Yield one result a row, in order.

        Args:
            batches: What is to be done; batches are taken as they are needed.
            lost: Gives the result of a row that was given up.

        Raises:
            PixmillError: A worker died and there are no limits, or workers cannot start.
        """
        while True:
            self._take(batches)
            self._hand_out()
            if not self._window:
                return
            if self._window[0].done:
                self._listen(0)
                self._hand_out()
                yield from self._window.popleft().results(lost)
            else:
                self._listen(None)

    def _take(self, batches: Iterator[Sequence[Any]]) -> None:
        """Take batches until enough are under way."""
        while len(self._window) < _AHEAD * self._most or self._held_up():
            rows = next(batches, None)
            if rows is None:
                return
            batch = Batch(rows)
            self._window.append(batch)
            self._waiting.append(Task(batch, range(len(rows))))

    def _held_up(self) -> bool:
        """Say whether workers have nothing to do only because an early row takes long or is tried again."""
        if self._limits is None or self._window[0].done:
            return False
        idle = sum(worker.ready and worker.task is None for worker in self._workers)
        return idle > len(self._waiting) and sum(batch.held for batch in self._window) < _HELD

    def _hand_out(self) -> None:
        """Give tasks to workers that wait, and start workers while there is more to do."""
        for worker in list(self._workers):
            if worker.ready and worker.task is None and (task := self._next(worker)):
                try:
                    worker.give(task)
                except Gone:
                    # It was killed while it had nothing to do: no row is to blame.
                    self._queue(task)
                    self._lose(worker, "crashed")
        starting = sum(not worker.ready for worker in self._workers)
        while len(self._workers) < self._most and starting < len(self._waiting) + len(self._again):
            self._workers.append(Worker(self._function, self._limits))
            starting += 1

    def _next(self, worker: Worker) -> Task | None:
        """Return what a worker is to do: a second try only as the first task of its process, alone and undisturbed."""
        if self._again and not worker.used:
            return self._again.popleft()
        return self._waiting.popleft() if self._waiting else None

    def _queue(self, task: Task) -> None:
        (self._again if task.again else self._waiting).appendleft(task)

    def _listen(self, timeout: float | None) -> None:
        """Hear workers, and end those that run past a limit."""
        if self._limits is not None:
            now = time.monotonic()
            until = [worker.deadline() for worker in self._workers if worker.task]
            if not REFUSED_BY_KERNEL:
                until.append(now + _GLANCE)
            if timeout is None and until:
                timeout = max(0.0, min(until) - now)
        audible = set(wait([worker.connection for worker in self._workers], timeout))
        for worker in [worker for worker in self._workers if worker.connection in audible]:
            self._hear(worker)
        if self._limits is None:
            return
        now = time.monotonic()
        for worker in list(self._workers):
            if worker.task and worker.deadline() < now:
                self._lose(worker, "timeout")
            elif worker.task and not REFUSED_BY_KERNEL and worker.swollen():
                self._lose(worker, "memory")

    def _hear(self, worker: Worker) -> None:
        try:
            kind = worker.hear()
        except Gone:
            self._lose(worker, "crashed")
            return
        if kind == "ready":
            self._failed_starts = 0
        elif kind == "memory":
            self._lose(worker, "memory")

    def _lose(self, worker: Worker, loss: Loss) -> None:
        """End a worker, and see to it that the rows which it had are done by others."""
        row = worker.row()
        self._workers.remove(worker)
        code = worker.end()
        worker.hear_all()
        if not worker.ready:
            # What ends by itself (an error of an import) would do so for ever, what is killed would not.
            self._failed_starts += 1 if code is not None and code < 0 else _STARTS
        if self._limits is None or self._failed_starts >= _STARTS:
            raise self._death(code, ready=worker.ready)
        task = worker.task
        if task is None:
            return
        if loss == "crashed":
            row = worker.row()
        rest, alone = task.without(row)
        self._waiting.extendleft(rest)
        if alone is None:
            return
        if task.again:
            task.give_up(loss)
        else:
            self._again.append(alone)

    def _death(self, code: int | None, *, ready: bool) -> PixmillError:
        name = f"{self._function.__module__}.{self._function.__qualname__}"
        if ready:
            return PixmillError(
                f"a worker process died in {name} (killed, or out of memory)",
                next="free some memory, then run the same command again: finished work is kept",
            )
        return PixmillError(
            f"worker processes of {name} die as they start (exit code {code})",
            next="read what they wrote above, free some memory, then run the same command again",
        )


def _end_all(workers: list[Worker], owner: int) -> None:
    if os.getpid() != owner:
        # A fork of the owner, which has the list but not the processes.
        return
    for worker in workers:
        worker.kill()
    while workers:
        worker = workers.pop()
        worker.end()
        worker.connection.close()
