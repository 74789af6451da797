"""A service: rows come one at a time from many threads, and each gets a future."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, Self, TypeVar

from pixmill.images.compute.scheduler import Job, Scheduler, ServiceFullError
from pixmill.images.compute.worker import Loss, RowLimits

Row = TypeVar("Row")
Result = TypeVar("Result")


class Service(Scheduler, Generic[Row, Result]):
    """Answer rows in disposable worker processes, while the ``with`` block lasts.

    The processes start at once, before the first row. One that times out, exceeds its memory or dies is replaced, and
    its row is retried once in a fresh process, which has done nothing else. Rows that were taken are finished when the
    block ends. Processes die with this one, also by SIGKILL (Linux).

    Args:
        function: Takes a list of one row, returns a list of one result; see
            :func:`pixmill.images.compute.map_batches`.
        workers: Number of processes, at least 1.
        limits: Limits of each row. The start of a process does not count.
        waiting: Maximum number of rows that wait for a process, at least 0.
    """

    def __init__(
        self, function: Callable[[Sequence[Row]], Sequence[Result]], *, workers: int, limits: RowLimits, waiting: int
    ) -> None:
        super().__init__(function, workers, limits)
        self._may_wait = waiting

    def __enter__(self) -> Self:
        for _ in range(self._most):
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish the rows that were taken, and end the processes; rows that come meanwhile are refused."""
        with self._state:
            self._ended = True
            self._state.wait_for(lambda: not self._jobs and not self._busy)
        self.kill()

    @property
    def waiting(self) -> int:
        """Rows that wait for a process."""
        return len(self._jobs)

    @property
    def busy(self) -> int:
        """Rows that processes work on."""
        return self._busy

    def wait(self) -> None:
        """Wait until all processes stand ready.

        Raises:
            PixmillError: Processes die before they are ready.
            Exception: What kept them from starting, such as a pass that cannot be pickled.
        """
        with self._state:
            self._state.wait_for(
                lambda: sum(worker.ready for worker in self._workers) == self._most or self._defect or self._ended
            )
            if self._defect is not None and not self._ended:
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
            ServiceFullError: As many rows wait as may, or the service is closing.
        """
        return self.submit_all([row])[0]

    def submit_all(self, rows: Sequence[Row], *, first: bool = False) -> list[Future[Result | Loss]]:
        """Take rows together, and return the future of each one's result, as :meth:`submit` does.

        They are taken or refused as one: many rows are as welcome as one, and may exceed ``waiting``.

        Args:
            rows: The rows.
            first: Whether they come before all that wait; default: no.

        Raises:
            ServiceFullError: As many rows wait as may, or the service is closing; none is taken.
        """
        jobs = [Job([row]) for row in rows]
        with self._state:
            if self._ended:
                raise ServiceFullError("the service is closing")
            if len(self._jobs) >= self._may_wait + self._most - self._busy:
                raise ServiceFullError(f"{len(self._jobs)} rows wait already")
            self.put(jobs, first=first)
        return [*jobs]
