"""Distribute rows to worker processes, retry failed rows, and replace processes.

:class:`Pool` runs rows in bulk, :class:`Service` single rows from many threads.
"""

import atexit
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import Any, Generic, Self, TypeVar

from pixmill.core.errors import PixmillError
from pixmill.images.compute.worker import Kind, Loss, Pass, RowLimits, Worker, name_of

Row = TypeVar("Row")
Result = TypeVar("Result")

_MAX_STARTS = 3
"""Attempts to start a process."""

_START_TIMEOUT_SECONDS = 120
_JOIN_TIMEOUT_SECONDS = 10
"""Time for a thread to end after its process was killed."""

_BATCHES_PER_WORKER = 4
"""Batches in progress per worker, some of which may be blocked by a slow row before them."""

_MAX_GUARDED = 8
"""Rows of a batch with limits. If one of them fails, the same thread processes the others again, so
more would delay the pass where many neighbours time out.
"""


class ServiceFullError(Exception):
    """Raised if too many rows wait, or the service is closing."""


class Job(Future[Any]):
    """The future of the results of several rows.

    Args:
        rows: The rows.

    Attributes:
        losses: Why rows failed twice, by their place; also their results.
    """

    def __init__(self, rows: list[Any]) -> None:
        super().__init__()
        self.rows = rows
        self.losses: dict[int, Loss] = {}
        self._failed: set[int] = set()

    def retry(self, places: Sequence[int], last: int, loss: Loss) -> list[list[int]]:
        """Return the batches to process after a process failed at the row ``last`` of a batch."""
        others = [place for place in places if place != last]
        again = [others] if others else []
        if last in self._failed:
            self.losses[last] = loss
            return again
        self._failed.add(last)
        return [[last], *again]


class RowJob(Job):
    """The future of the result of one row."""

    def set_result(self, result: Sequence[Any]) -> None:
        """Set the result from a list of one."""
        super().set_result(result[0])


class Scheduler:
    """Run jobs in disposable processes, each with a thread that waits for its messages.

    A process that dies, times out or exceeds its memory is replaced, and its row is retried once,
    as the first row of the new process. The other rows of its batch follow.

    A process dies with the thread that started it, so the threads live as long as the scheduler.

    Args:
        function: The pass.
        workers: Maximum number of processes.
        limits: Limits per row; without, the job of a process that dies raises a ``PixmillError``.
    """

    def __init__(
        self,
        function: Pass,
        workers: int,
        limits: RowLimits | None = None,
    ) -> None:
        self._function = function
        self._limits = limits
        self._max_workers = workers
        self._state = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._threads: list[threading.Thread] = []
        self._workers: set[Worker] = set()
        self._busy = 0
        self._ended = self._killed = False
        self._defect: Exception | None = None

    def start(self) -> None:
        """Start another process, unless the maximum is reached."""
        if len(self._threads) < self._max_workers:
            if not self._threads:
                # Runs before multiprocessing kills the processes, which would then be replaced.
                atexit.register(self.kill)
            self._threads.append(threading.Thread(target=self._work, name="compute", daemon=True))
            self._threads[-1].start()

    def put(self, jobs: Sequence[Job], *, first: bool = False) -> None:
        """Queue jobs, optionally before all others."""
        with self._state:
            if first:
                self._jobs.extendleft(reversed(jobs))
            else:
                self._jobs.extend(jobs)
            # ``notify`` might wake a thread that waits for another condition
            self._state.notify_all()

    def kill(self) -> None:
        """Kill all processes; unfinished jobs raise :class:`ServiceFullError`."""
        atexit.unregister(self.kill)
        with self._state:
            self._ended = self._killed = True
            for worker in self._workers:
                worker.kill()
            self._state.notify_all()
        # An abandoned pass may be garbage-collected in any thread, also in one of these.
        for thread in {*self._threads} - {threading.current_thread()}:
            if thread.is_alive():  # not if Ctrl-C interrupted its start
                thread.join(_JOIN_TIMEOUT_SECONDS)

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
                    self._state.notify_all()  # for ``close``, which also waits for cancelled jobs
                    return None
                self._state.wait()

    def _start(self) -> Worker | Exception:
        """Start a process and wait until it is ready.

        Return the error if this fails or the scheduler is killed.
        """
        defect: Exception | None = None
        for _ in range(_MAX_STARTS):
            try:
                worker = Worker(self._function, self._limits)
            except Exception as error:  # noqa: BLE001 (no memory, or an unpicklable pass; raised by the job)
                defect = error
                continue
            with self._state:
                self._workers.add(worker)
                if self._killed:
                    worker.kill()
            if worker.receive(_START_TIMEOUT_SECONDS)[0] == "ready":
                with self._state:
                    worker.ready = True
                    self._state.notify_all()
                return worker
            code = self._end(worker)
            if self._killed:
                return ServiceFullError("the service is closing")
            defect = PixmillError(
                f"worker processes of {name_of(self._function)} die during start-up (exit code "
                f"{code})",
                next="read their output above, free some memory, then run the same command again",
            )
        assert defect is not None
        with self._state:
            self._defect = defect
            self._state.notify_all()
        return defect

    def _run(self, worker: Worker | None, job: Job) -> Worker | None:
        """Finish a job; return the process for the next job, or ``None`` if a new one is needed."""
        results: dict[int, Any] = {}
        waiting: deque[Sequence[int]] = deque([range(len(job.rows))])
        while waiting:
            places = waiting.popleft()
            started = worker or self._start()
            if isinstance(started, Exception):
                self._finish(job, error=started)
                return None
            worker = started
            kind, content = self._ask(worker, [job.rows[place] for place in places])
            if kind == "results":
                results.update(zip(places, content, strict=True))
                continue
            if kind == "raised":
                self._finish(job, error=content)
                return worker
            last = places[worker.place]
            self._end(worker)
            worker = None
            assert kind != "ready"
            if self._limits is None:
                message = (
                    f"a worker process died in {name_of(self._function)} (killed, or out of memory)"
                )
                advice = "free some memory, then run the same command again: finished work is kept"
                self._finish(job, error=PixmillError(message, next=advice))
                return None
            waiting += job.retry(places, last, kind)
        results |= job.losses
        self._finish(job, [results[place] for place in range(len(job.rows))])
        return worker

    def _ask(self, worker: Worker, rows: list[Any]) -> tuple[Kind | Loss, Any]:
        """Send rows to a process, and return its answer."""
        try:
            worker.send(rows)
            return worker.receive(self._limits.seconds if self._limits else None)
        except Exception as error:  # noqa: BLE001 (an unpicklable row or result; raised by the job)
            return "raised", error

    def _finish(
        self, job: Job, results: Sequence[Any] = (), *, error: Exception | None = None
    ) -> None:
        """Finish a job."""
        with self._state:
            # Before the result is set, since its receiver may submit the next row at once.
            self._busy -= 1
            if self._ended:
                self._state.notify_all()
        if error is not None:
            job.set_exception(error)
            return
        if not job.losses:
            job.rows = []  # the future may outlive the image's bytes
        job.set_result(results)

    def _end(self, worker: Worker) -> int | None:
        """Kill a process, and return its exit code."""
        with self._state:
            self._workers.remove(worker)
        return worker.end()


class Pool(Scheduler):
    """Run a pass over rows in bulk; the processes start with the first rows."""

    def run(
        self, rows: Iterator[Any], batch_size: int, lost: Callable[[Any, Loss], Any] | None
    ) -> Iterator[Any]:
        """Yield one result per row, in order.

        Args:
            rows: Rows, consumed lazily.
            batch_size: Rows per batch.
            lost: Returns the result of a row that fails twice.

        Raises:
            PixmillError: Without limits, a worker died; or workers cannot start.
            Exception: Any exception of the pass.
        """
        size = min(batch_size, _MAX_GUARDED) if self._limits else batch_size
        each = batch_size // size
        jobs: deque[Job] = deque()
        while True:
            while len(jobs) < _BATCHES_PER_WORKER * self._max_workers * each and (
                batch := list(islice(rows, size))
            ):
                jobs.append(Job(batch))
                self.put([jobs[-1]])
                if len(jobs) > len(self._threads) * each:
                    self.start()
            if not jobs:
                return
            job = jobs.popleft()
            for place, result in enumerate(job.result()):
                if place in job.losses:
                    assert lost is not None
                    yield lost(job.rows[place], job.losses[place])
                else:
                    yield result


class Service(Scheduler, Generic[Row, Result]):
    """Run rows in disposable worker processes while the ``with`` block lasts.

    The processes start at once. If a row times out, exceeds its memory or crashes its process, the
    process is replaced and the row is retried once, first in a fresh process. Submitted rows are
    finished when the block ends. Processes die with this one, on Linux even after SIGKILL.

    Args:
        function: The pass: takes a list of one row, returns a list of one result; see
            :func:`pixmill.images.compute.map_batches`.
        workers: Number of processes, at least 1.
        limits: Limits of each row.
        waiting: Maximum number of rows that wait for a process, at least 0.
    """

    def __init__(
        self,
        function: Callable[[Sequence[Row]], Sequence[Result]],
        *,
        workers: int,
        limits: RowLimits,
        waiting: int,
    ) -> None:
        super().__init__(function, workers, limits)
        self._max_waiting = waiting

    def __enter__(self) -> Self:
        for _ in range(self._max_workers):
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Refuse new rows, finish the submitted ones, and end the processes."""
        with self._state:
            self._ended = True
            self._state.wait_for(lambda: not self._jobs and not self._busy)
        self.kill()

    @property
    def waiting(self) -> int:
        """Number of rows that wait for a process."""
        return len(self._jobs)

    @property
    def busy(self) -> int:
        """Number of rows that are being processed."""
        return self._busy

    def wait(self) -> None:
        """Wait until all processes are ready.

        Raises:
            PixmillError: Processes die during start-up.
            Exception: Another error of the start-up, such as a pass that cannot be pickled.
        """
        with self._state:
            self._state.wait_for(
                lambda: (
                    sum(each.ready for each in self._workers) == self._max_workers
                    or self._defect
                    or self._ended
                )
            )
            if self._defect is not None and not self._ended:
                raise self._defect

    def submit(self, row: Row) -> Future[Result | Loss]:
        """Submit a row.

        Args:
            row: Row, which must be picklable.

        Returns:
            The future of the result, or of a :data:`Loss` if the row fails twice. It raises the
            function's exceptions and start-up errors. If it is cancelled before its row starts, the
            row is not run.

        Raises:
            ServiceFullError: Too many rows wait, or the service is closing.
        """
        return self.submit_all([row])[0]

    def submit_all(
        self, rows: Sequence[Row], *, first: bool = False
    ) -> list[Future[Result | Loss]]:
        """Submit several rows, all or none, and return their futures; see :meth:`submit`.

        They are accepted if there is room for one, so they may exceed ``waiting``.

        Args:
            rows: Rows, which must be picklable.
            first: Run them before all rows that wait; default: no.

        Raises:
            ServiceFullError: Too many rows wait, or the service is closing.
        """
        jobs = [RowJob([row]) for row in rows]
        with self._state:
            if self._ended:
                raise ServiceFullError("the service is closing")
            if len(self._jobs) >= self._max_waiting + self._max_workers - self._busy:
                raise ServiceFullError(f"{len(self._jobs)} rows wait already")
            self.put(jobs, first=first)
        return [*jobs]
