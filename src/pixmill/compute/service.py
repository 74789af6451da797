"""A service: rows come one at a time from many threads, and each gets a future."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from pixmill.compute.worker_process import STARTS, Loss, RowLimits, Task, Worker, not_starting

_START_SECONDS = 120
"""Time that a process has until it is ready."""

_LOOK_SECONDS = 0.1
"""How often the wait for a process that starts looks whether it is still needed."""

Row = TypeVar("Row")
Result = TypeVar("Result")


class ServiceFullError(Exception):
    """Say that as many rows wait as may, or that the service is closing."""


@dataclass
class _Job(Generic[Row, Result]):
    """A row, and the future that its result goes to."""

    row: Row
    future: Future[Result | Loss] = field(default_factory=Future)


class Service(Generic[Row, Result]):
    """Answer rows in disposable worker processes, while the ``with`` block lasts.

    The processes start at once, before the first row. One that times out, exceeds its memory or dies is replaced, and
    its row is retried once in a fresh process, which has done nothing else. Rows that were taken are finished when the
    block ends. Processes die with this one, also by SIGKILL (Linux).

    Args:
        function: Takes a list of one row, returns a list of one result; as for :func:`pixmill.compute.map_batches`.
        workers: Number of processes, at least 1.
        limits: Limits of each row. The start of a process does not count.
        waiting: Maximum number of rows that wait for a process, at least 0.
    """

    def __init__(
        self, function: Callable[[Sequence[Row]], Sequence[Result]], *, workers: int, limits: RowLimits, waiting: int
    ) -> None:
        if workers < 1 or waiting < 0:
            raise ValueError(f"expected workers >= 1 and waiting >= 0, received {workers} and {waiting}")
        self._function, self._limits, self._most = function, limits, waiting
        self._jobs: deque[_Job[Row, Result]] = deque()
        self._state = threading.Condition()
        self._ended = False
        self._standing = self._busy = 0
        self._defect: Exception | None = None
        # A process dies with the thread that started it, so each has one for as long as the service lasts.
        self._threads = [threading.Thread(target=self._work, name="service", daemon=True) for _ in range(workers)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Finish the rows that were taken, and end the processes; rows that come meanwhile are refused."""
        with self._state:
            self._ended = True
            self._state.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    @property
    def waiting(self) -> int:
        """Rows that wait for a process."""
        return len(self._jobs)

    @property
    def busy(self) -> int:
        """Rows that processes work on."""
        return self._busy

    def wait(self, workers: int | None = None) -> None:
        """Wait until processes stand ready.

        Args:
            workers: How many; default: all.

        Raises:
            PixmillError: Processes die before they are ready.
            Exception: What kept them from starting, such as a pass that cannot be pickled.
        """
        wanted = len(self._threads) if workers is None else workers
        with self._state:
            self._state.wait_for(lambda: self._standing >= wanted or self._defect or self._ended)
            if self._defect:
                raise self._defect

    def submit(self, row: Row) -> Future[Result | Loss]:
        """Take a row, and return the future of its result.

        A future that is cancelled while its row waits costs nothing. It raises what the function raised, and
        what keeps processes from starting.

        Args:
            row: The row; it must be picklable.

        Returns:
            The future of the result, or of a :data:`Loss` if the row was given up.

        Raises:
            Full: As many rows wait as may, or the service is closing.
        """
        return self.submit_all([row])[0]

    def submit_all(self, rows: Sequence[Row]) -> list[Future[Result | Loss]]:
        """Take rows together, and return the future of each one's result, as :meth:`submit` does.

        They are taken or refused as one: many rows are as welcome as one, and may exceed ``waiting``.

        Args:
            rows: The rows.

        Raises:
            Full: As many rows wait as may, or the service is closing; none is taken.
        """
        jobs = [_Job[Row, Result](row) for row in rows]
        with self._state:
            if self._ended:
                raise ServiceFullError("the service is closing")
            if len(self._jobs) >= self._most + len(self._threads) - self._busy:
                raise ServiceFullError(f"{len(self._jobs)} rows wait already")
            self._jobs.extend(jobs)
            self._state.notify(len(jobs))
        return [job.future for job in jobs]

    def _work(self) -> None:
        """Answer rows in one process after another."""
        worker = self._start()
        try:
            while (job := self._next()) is not None:
                worker = self._answer(worker, job)
                if worker is None and not self._ended:
                    worker = self._start()
        finally:
            if worker is not None:
                self._end(worker)

    def _next(self) -> _Job[Row, Result] | None:
        """Wait for a row; ``None`` at the end."""
        with self._state:
            while True:
                while self._jobs:
                    job = self._jobs.popleft()
                    if job.future.set_running_or_notify_cancel():
                        self._busy += 1
                        return job
                if self._ended:
                    return None
                self._state.wait()

    def _start(self) -> Worker | None:
        """Start a process and wait until it is ready; ``None`` if that fails, or nothing is left to do."""
        defect: Exception | None = None
        for _ in range(STARTS):
            try:
                worker = Worker(self._function, self._limits)
            except Exception as error:  # noqa: BLE001 (no memory, or a pass that cannot be sent: whoever waits hears it)
                defect = error
                continue
            if self._becomes_ready(worker):
                with self._state:
                    self._standing += 1
                    self._defect = None
                    self._state.notify_all()
                return worker
            defect = not_starting(self._function, worker.end())
            if self._done:
                break
        with self._state:
            self._defect = defect
            self._state.notify_all()
        return None

    @property
    def _done(self) -> bool:
        return self._ended and not self._jobs and not self._busy

    def _becomes_ready(self, worker: Worker) -> bool:
        """Wait until a process is ready; it is not if it dies, takes too long, or is no longer needed."""
        latest = time.monotonic() + _START_SECONDS
        try:
            while not worker.connection.poll(_LOOK_SECONDS):
                if self._done or time.monotonic() > latest:
                    return False
            worker.hear()
        except (EOFError, OSError):
            return False
        return True

    def _end(self, worker: Worker) -> None:
        with self._state:
            self._standing -= 1
        worker.end()

    def _answer(self, worker: Worker | None, job: _Job[Row, Result]) -> Worker | None:
        """Settle a row; return the process for the next one, ``None`` if that needs a new one."""
        again = False
        while True:
            if worker is None and (worker := self._start()) is None:
                self._settle(job, error=self._defect or ServiceFullError("the service is closing"))
                return None
            try:
                worker.give(Task([(0, job.row)], again))
            except OSError:
                # It was killed while idle: no row is to blame.
                self._end(worker)
                worker = None
                continue
            except Exception as error:  # noqa: BLE001 (a row that cannot be pickled: its caller hears of it)
                self._settle(job, error=error)
                return worker
            if (loss := self._hear(worker, job)) is None:
                return worker
            self._end(worker)
            worker = None
            if again:
                self._settle(job, loss)
                return None
            again = True

    def _settle(self, job: _Job[Row, Result], result: Any = None, *, error: Exception | None = None) -> None:
        """Set a row's future; by then its process counts as idle, so that whoever waited for it may send the next."""
        with self._state:
            self._busy -= 1
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)

    def _hear(self, worker: Worker, job: _Job[Row, Result]) -> Loss | None:
        """Wait for a row's result and settle it, or return why there is none."""
        try:
            if not worker.connection.poll(max(0.0, worker.deadline - time.monotonic())):
                return "timeout"
            kind, content = worker.hear()
        except (EOFError, OSError):
            return "crashed"
        if kind == "memory":
            return "memory"
        if kind == "raised":
            self._settle(job, error=content)
        else:
            self._settle(job, content[0])
        return None
