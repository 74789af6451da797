"""Run single rows from many threads in worker processes, each with a future."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, Self, TypeVar

from pixmill.images.compute.scheduler import Job, Scheduler, ServiceFullError
from pixmill.images.compute.worker import Loss, RowLimits

Row = TypeVar("Row")
Result = TypeVar("Result")


class Service(Scheduler, Generic[Row, Result]):
    """Run rows in disposable worker processes while the ``with`` block lasts.

    The processes start at once. If a row times out, exceeds its memory or crashes its process, the process is replaced
    and the row is retried once, first in a fresh process. Submitted rows are finished when the block ends. Processes
    die with this one, on Linux even after SIGKILL.

    Args:
        function: The pass: takes a list of one row, returns a list of one result; see
            :func:`pixmill.images.compute.map_batches`.
        workers: Number of processes, at least 1.
        limits: Limits of each row.
        waiting: Maximum number of rows that wait for a process, at least 0.
    """

    def __init__(
        self, function: Callable[[Sequence[Row]], Sequence[Result]], *, workers: int, limits: RowLimits, waiting: int
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
                lambda: sum(each.ready for each in self._workers) == self._max_workers or self._defect or self._ended
            )
            if self._defect is not None and not self._ended:
                raise self._defect

    def submit(self, row: Row) -> Future[Result | Loss]:
        """Submit a row.

        Args:
            row: Row, which must be picklable.

        Returns:
            The future of the result, or of a :data:`Loss` if the row fails twice. It raises the function's exceptions
            and start-up errors. If it is cancelled before its row starts, the row is not run.

        Raises:
            ServiceFullError: Too many rows wait, or the service is closing.
        """
        return self.submit_all([row])[0]

    def submit_all(self, rows: Sequence[Row], *, first: bool = False) -> list[Future[Result | Loss]]:
        """Submit several rows, all or none, and return their futures; see :meth:`submit`.

        They are accepted if there is room for one, so they may exceed ``waiting``.

        Args:
            rows: Rows, which must be picklable.
            first: Run them before all rows that wait; default: no.

        Raises:
            ServiceFullError: Too many rows wait, or the service is closing.
        """
        jobs = [Job([row]) for row in rows]
        with self._state:
            if self._ended:
                raise ServiceFullError("the service is closing")
            if len(self._jobs) >= self._max_waiting + self._max_workers - self._busy:
                raise ServiceFullError(f"{len(self._jobs)} rows wait already")
            self.put(jobs, first=first)
        return [*jobs]
