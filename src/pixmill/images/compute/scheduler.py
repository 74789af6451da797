"""The scheduler of guarded worker processes: which process gets which rows, and what becomes of a row that fails.

:class:`Pool` uses it for many rows at once, :class:`~pixmill.images.compute.service.Service` for single rows.
"""

import atexit
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import Any

from pixmill.core.errors import PixmillError
from pixmill.images.compute.worker import Loss, RowLimits, Worker, name_of

_STARTS = 3
"""Processes that may die before they are ready, one after another."""

_START_SECONDS = 120
"""Time that a process has until it is ready."""

_END_SECONDS = 10
"""Time that a thread has to end once its process was killed."""


_BATCHES = 4
"""Batches in progress per worker: at most this many wait for a slow row before them."""


class ServiceFullError(Exception):
    """Say that as many rows wait as may, or that the service is closing."""


class Job(Future[Any]):
    """The future of the result of a row or, without limits, of those of some rows.

    Args:
        rows: The rows: one, if there are limits.

    Attributes:
        loss: Why the row was given up, which is its result too; ``None`` if it was not.
    """

    def __init__(self, rows: list[Any]) -> None:
        super().__init__()
        self.rows = rows
        self.loss: Loss | None = None


class Scheduler:
    """Run jobs in disposable processes, each of which has a thread that waits for its messages.

    A process that dies, times out or exceeds its memory is replaced. The row that it worked on is retried once, as the
    first row of the new process.

    A process dies with the thread that started it, so the threads last as long as the scheduler.

    Args:
        function: The pass.
        workers: Maximum number of processes.
        limits: Limits per row; ``None``: none, and the rows of a process that dies raise a ``PixmillError``.
    """

    def __init__(
        self, function: Callable[[Sequence[Any]], Sequence[Any]], workers: int, limits: RowLimits | None = None
    ) -> None:
        self._function, self._limits, self._most = function, limits, workers
        self._state = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._threads: list[threading.Thread] = []
        self._workers: set[Worker] = set()
        self._busy = 0
        self._ended = self._killed = False
        self._defect: Exception | None = None

    def start(self) -> None:
        """Start one more process, if there may be one."""
        if len(self._threads) < self._most:
            if not self._threads:
                # Before multiprocessing ends the processes, which would be replaced.
                atexit.register(self.kill)
            self._threads.append(threading.Thread(target=self._work, name="compute", daemon=True))
            self._threads[-1].start()

    def put(self, jobs: Sequence[Job], *, first: bool = False) -> None:
        """Have jobs run, before all others that wait if they are to come first."""
        with self._state:
            if first:
                self._jobs.extendleft(reversed(jobs))
            else:
                self._jobs.extend(jobs)
            self._state.notify_all()  # Those who wait for something else would swallow a call for one.

    def kill(self) -> None:
        """Kill all processes; jobs that are not finished raise :class:`ServiceFullError`."""
        atexit.unregister(self.kill)
        with self._state:
            self._ended = self._killed = True
            for worker in self._workers:
                worker.kill()
            self._state.notify_all()
        # Whoever abandons a pass may have it collected in any thread.
        for thread in {*self._threads} - {threading.current_thread()}:
            if thread.is_alive():  # Ctrl-C may come while one starts, which then ends by itself.
                thread.join(_END_SECONDS)

    def _work(self) -> None:
        """Run jobs in one process after another."""
        worker: Worker | None = None
        while True:
            if worker is None and not self._jobs:
                started = self._start()
                worker = started if isinstance(started, Worker) else None
            if (job := self._next()) is None:
                break
            worker = self._run(worker, job)
        if worker is not None:
            self._end(worker)

    def _next(self) -> Job | None:
        """Wait for a job; ``None`` at the end."""
        with self._state:
            while True:
                while self._jobs:
                    job = self._jobs.popleft()
                    if job.set_running_or_notify_cancel():
                        self._busy += 1
                        return job
                if self._ended:
                    self._state.notify_all()  # Whoever closes waits for cancelled jobs, too.
                    return None
                self._state.wait()

    def _start(self) -> Worker | Exception:
        """Start a process and wait until it is ready; return why there is none if that fails, or nobody needs it."""
        defect: Exception | None = None
        for _ in range(_STARTS):
            try:
                worker = Worker(self._function, self._limits)
            except Exception as error:  # noqa: BLE001 (no memory, or a pass that cannot be sent: whoever waits hears it)
                defect = error
                continue
            with self._state:
                self._workers.add(worker)
                if self._killed:
                    worker.kill()
            if worker.hear(_START_SECONDS)[0] == "ready":
                with self._state:
                    worker.ready = True
                    self._state.notify_all()
                return worker
            code = self._end(worker)
            if self._killed:
                return ServiceFullError("the service is closing")
            defect = PixmillError(
                f"worker processes of {name_of(self._function)} die during start-up (exit code {code})",
                next="read their output above, free some memory, then run the same command again",
            )
        assert defect is not None
        with self._state:
            self._defect = defect
            self._state.notify_all()
        return defect

    def _run(self, worker: Worker | None, job: Job) -> Worker | None:
        """Finish a job; return the process for the next one, ``None`` if that needs a new one."""
        again = False
        while True:
            if worker is None:
                started = self._start()
                if isinstance(started, Exception):
                    self._finish(job, error=started)
                    return None
                worker = started
            try:
                worker.give(job.rows)
                kind, content = worker.hear(self._limits.seconds if self._limits else None)
            except Exception as error:  # noqa: BLE001 (a row or result that cannot be pickled: its caller hears of it)
                kind, content = "raised", error
            if kind == "results":
                self._finish(job, content)
                return worker
            if kind == "raised":
                self._finish(job, error=content)
                return worker
            self._end(worker)
            worker = None
            assert kind != "ready"
            if self._limits is None:
                message = f"a worker process died in {name_of(self._function)} (killed, or out of memory)"
                cure = "free some memory, then run the same command again: finished work is kept"
                self._finish(job, error=PixmillError(message, next=cure))
                return None
            if again:
                job.loss = kind
                self._finish(job, [kind])
                return None
            again = True

    def _finish(self, job: Job, results: Sequence[Any] = (), *, error: Exception | None = None) -> None:
        """Finish a job; its process counts as idle before, since whoever waits for it may send the next one."""
        with self._state:
            self._busy -= 1
            if self._ended:
                self._state.notify_all()
        if error is not None:
            job.set_exception(error)
            return
        if job.loss is None:
            job.rows = []  # Whoever keeps the result does not keep the bytes of an image.
        job.set_result(results if self._limits is None else results[0])

    def _end(self, worker: Worker) -> int | None:
        """Kill a process, and return its exit code."""
        with self._state:
            self._workers.remove(worker)
        return worker.end()


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
        size, each = (1, batch_size) if self._limits else (batch_size, 1)
        jobs: deque[Job] = deque()
        while True:
            while len(jobs) < _BATCHES * self._most * each and (batch := list(islice(rows, size))):
                jobs.append(Job(batch))
                self.put([jobs[-1]])
                if len(jobs) > len(self._threads) * each:
                    self.start()
            if not jobs:
                return
            job = jobs.popleft()
            result = job.result()
            if self._limits is None:
                yield from result
            elif job.loss is None:
                yield result
            else:
                assert lost is not None
                yield lost(job.rows[0], job.loss)
