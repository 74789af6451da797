"""Scheduling: rows in progress, retries, and the worker processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import Any, Literal

from pixmill.compute.worker import Kind, Raised, serve
from pixmill.core.errors import PixmillError

__all__ = ["Limits", "Loss", "Pool"]

Loss = Literal["timeout", "memory", "crashed"]
"""Why a row has no result: it timed out, it exceeded its memory, or its process died."""

_BATCHES = 4
"""Batches in progress per worker: at most this many wait for a slow row before them."""

_STARTS = 3
"""Consecutive workers that may die before they are ready."""

_LOCK = threading.Lock()
"""Held while a process starts, which briefly changes global state."""


@dataclass(frozen=True)
class Limits:
    """Hold the limits of one row.

    Args:
        seconds: Wall-clock time, without process start-up; above 0.
        memory: Bytes on top of a worker's memory before its first row; above 0. On Linux a row that needs more gets a
            ``MemoryError``; other systems do not enforce it.

    Raises:
        ValueError: A limit is not above 0.
    """

    seconds: float
    memory: int

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ValueError(f"seconds must be above 0, received {self.seconds}")
        if not self.memory > 0:
            raise ValueError(f"memory must be above 0, received {self.memory}")


@dataclass(frozen=True)
class _Lost:
    """Placeholder for the result of a row that was given up."""

    row: Any
    loss: Loss


@dataclass
class _Task:
    """Rows assigned to one worker that have no result yet, with their numbers.

    ``again`` marks the second and last attempt at a single row.
    """

    rows: list[tuple[int, Any]]
    again: bool = False


class Pool:
    """Disposable workers that run a pass over batches.

    It has no thread of its own: it works while the caller waits for a result.

    Args:
        function: The pass.
        workers: Maximum number of processes.
        limits: Limits per row; ``None``: none, and a worker that dies ends the pass.
    """

    def __init__(
        self, function: Callable[[Sequence[Any]], Sequence[Any]], workers: int, limits: Limits | None = None
    ) -> None:
        self._function = function
        self._most = workers
        self._limits = limits
        self._workers: list[_Worker] = []
        self._waiting: deque[_Task] = deque()
        self._again: deque[_Task] = deque()
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
                self._waiting.append(_Task(batch))
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
            self._workers.append(_Worker(self._function, self._limits))
            starting += 1

    def _next(self, worker: _Worker) -> _Task | None:
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

    def _hear(self, worker: _Worker) -> None:
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
        assert task is not None
        if kind == "memory":
            self._lose(worker, "memory")
        elif kind == "raised":
            error, text = content
            error.__cause__ = Raised(text)
            self._defects[task.rows[0][0]] = error
            worker.task = None
        else:
            answered, task.rows = task.rows[: len(content)], task.rows[len(content) :]
            self._results.update(zip((number for number, _ in answered), content, strict=True))
            worker.task = task if task.rows else None

    def _lose(self, worker: _Worker, loss: Loss) -> None:
        """Kill a worker, and reassign its rows."""
        self._workers.remove(worker)
        code = worker.end()
        function = getattr(self._function, "func", self._function)  # behind functools.partial
        name = f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _STARTS:
                raise PixmillError(
                    f"worker processes of {name} die during start-up (exit code {code})",
                    next="read their output above, free some memory, then run the same command again",
                )
        elif self._limits is None:
            raise PixmillError(
                f"a worker process died in {name} (killed, or out of memory)",
                next="free some memory, then run the same command again: finished work is kept",
            )
        if worker.task is None:
            return
        (number, row), *rest = worker.task.rows
        if rest:
            self._waiting.appendleft(_Task(rest))
        if worker.task.again:
            self._results[number] = _Lost(row, loss)
        else:
            self._again.append(_Task([(number, row)], again=True))


class _Worker:
    """A spawned process that does one task at a time.

    It is spawned, never forked, since forking a process with threads may hang. It dies with the thread that created it,
    or when :meth:`end` is called.
    """

    def __init__(self, function: Callable[[Sequence[Any]], Sequence[Any]], limits: Limits | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.task: _Task | None = None
        self.ready = False
        self.used = False
        self.deadline = 0.0
        self._seconds = limits.seconds if limits else 0.0
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(function, theirs, limits and limits.memory), daemon=True)
        try:
            with _LOCK, _no_interrupt(), _no_script(function):
                self._process.start()
        except BaseException:
            self.connection.close()
            raise
        finally:
            theirs.close()

    def give(self, task: _Task) -> None:
        """Send a task to the idle process.

        Raises:
            OSError: The process has ended.
        """
        self.task, self.used = task, True
        message = pickle.dumps([row for _, row in task.rows], pickle.HIGHEST_PROTOCOL)
        self.connection.send_bytes(message)
        self.deadline = time.monotonic() + self._seconds

    def hear(self) -> tuple[Kind, Any]:
        """Return the process's next message, and restart the timeout.

        Raises:
            EOFError, OSError: The process has ended, and all its messages were read.
        """
        message = self.connection.recv_bytes()
        self.deadline = time.monotonic() + self._seconds
        kind, content = pickle.loads(message)  # noqa: S301 (from a process of our own)
        return kind, content

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    def end(self) -> int | None:
        """Kill the process, free its resources, and return its exit code."""
        self.kill()
        self._process.join()
        code = self._process.exitcode
        self._process.close()
        self.connection.close()
        return code


@contextlib.contextmanager
def _no_interrupt() -> Iterator[None]:
    """Block Ctrl-C in a process that starts meanwhile, from its very beginning."""
    if sys.platform == "win32":
        yield
        return
    # Starting the tracker would unblock signals.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _no_script(function: Callable[..., Any]) -> Iterator[None]:
    """Keep a process that starts meanwhile from importing the main script, unless it defines the pass.

    ``multiprocessing`` imports it in each process, with all its imports: for a stage, that costs a second and 100 MB.
    """
    main = sys.modules["__main__"]
    hidden = {} if function.__module__ == "__main__" else {"__spec__": None, "__file__": None}
    shown = {name: vars(main)[name] for name in hidden if name in vars(main)}
    vars(main).update((name, hidden[name]) for name in shown)
    try:
        yield
    finally:
        vars(main).update(shown)
