"""The scheduler of guarded worker processes: which process gets which rows, and what becomes of a row that fails.

:class:`~pixmill.compute.pool.Pool` drives it for rows in bulk, :class:`~pixmill.compute.service.Service` for rows that
come one at a time.
"""

import atexit
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from pixmill.compute.worker_process import Loss, RowLimits, Worker, name_of
from pixmill.core.errors import PixmillError

_STARTS = 3
"""Consecutive processes that may die before they are ready."""

_START_SECONDS = 120
"""Time that a process has until it is ready."""

_END_SECONDS = 10
"""Time that a thread has to end once its process was killed."""


class ServiceFullError(Exception):
    """Say that as many rows wait as may, or that the service is closing."""


class Job(Future[Any]):
    """The future of a row's result.

    Args:
        row: The row.

    Attributes:
        loss: Why the row was given up, which is its result too; ``None`` if it was not.
    """

    def __init__(self, row: Any) -> None:
        super().__init__()
        self.row = row
        self.loss: Loss | None = None


class Scheduler:
    """Run batches of jobs in disposable processes, each of which has a thread that waits for its messages.

    A process that dies, times out or exceeds its memory is replaced. The row that it worked on is retried once, alone,
    as the first row of the new process; the rest of its batch goes to the next process that is free.

    A process dies with the thread that started it, so the threads last as long as the scheduler.

    Args:
        function: The pass.
        workers: Maximum number of processes.
        limits: Limits per row; ``None``: none, and the row of a process that dies raises a ``PixmillError``.
    """

    def __init__(
        self,
        function: Callable[[Sequence[Any]], Sequence[Any]],
        workers: int,
        limits: RowLimits | None = None,
    ) -> None:
        self._function, self._limits, self._most = function, limits, workers
        self._state = threading.Condition()
        self._batches: deque[list[Job]] = deque()
        self._threads: list[threading.Thread] = []
        self._workers: set[Worker] = set()
        self._busy = self._failed_starts = 0
        self._ended = self._killed = False
        self._defects: dict[threading.Thread, Exception] = {}

    def start(self) -> None:
        """Start one more process, if there may be one."""
        if len(self._threads) < self._most:
            if not self._threads:
                # Before multiprocessing ends the processes, which would be replaced.
                atexit.register(self.kill)
            self._threads.append(threading.Thread(target=self._work, name="compute", daemon=True))
            self._threads[-1].start()

    def put(self, batches: Sequence[list[Job]], *, first: bool = False) -> None:
        """Have batches run, before all others that wait if they are to come first."""
        with self._state:
            if first:
                self._batches.extendleft(reversed(batches))
            else:
                self._batches.extend(batches)
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
        """Run batches in one process after another."""
        worker: Worker | None = None
        while True:
            if worker is None and not self._batches:
                started = self._start()
                worker = started if isinstance(started, Worker) else None
            if (batch := self._next()) is None:
                break
            worker = self._run(worker, batch)
        if worker is not None:
            self._end(worker)

    def _next(self) -> list[Job] | None:
        """Wait for a batch; ``None`` at the end."""
        with self._state:
            while True:
                while self._batches:
                    batch = self._batches.popleft()
                    if batch := [job for job in batch if job.running() or job.set_running_or_notify_cancel()]:
                        self._busy += 1
                        return batch
                if self._ended:
                    self._state.notify_all()  # Whoever closes waits for cancelled jobs, too.
                    return None
                self._state.wait()

    def _start(self) -> Worker | Exception:
        """Start a process and wait until it is ready; return why there is none if that fails, or nobody needs it."""
        thread = threading.current_thread()
        while not self._killed:
            defect: Exception
            kind = None
            try:
                worker = Worker(self._function, self._limits)
            except Exception as error:  # noqa: BLE001 (no memory, or a pass that cannot be sent: whoever waits hears it)
                defect = error
            else:
                with self._state:
                    self._workers.add(worker)
                    if self._killed:
                        worker.kill()
                kind, content = worker.hear(_START_SECONDS)
                if kind == "ready":
                    with self._state:
                        worker.ready = True
                        self._failed_starts = 0
                        self._defects.pop(thread, None)
                        self._state.notify_all()
                    return worker
                code = self._end(worker)
                defect = content or PixmillError(
                    f"worker processes of {name_of(self._function)} die during start-up (exit code {code})",
                    next="read their output above, free some memory, then run the same command again",
                )
            with self._state:
                self._failed_starts += 1
                if self._failed_starts >= _STARTS or kind == "raised":
                    self._defects[thread] = defect
                    self._state.notify_all()
                    return defect
        return ServiceFullError("the service is closing")

    def _run(self, worker: Worker | None, batch: list[Job]) -> Worker | None:
        """Finish the jobs of a batch; return the process for the next one, ``None`` if that needs a new one."""
        again = False
        while batch:
            if worker is None:
                started = self._start()
                if isinstance(started, Exception):
                    self._fail(batch, started)
                    break
                worker = started
            loss: Loss | None = None
            try:
                if (loss := self._try(worker, batch)) is None:
                    return worker
            except BrokenPipeError:
                pass  # It was killed while idle: no row is to blame.
            except Exception as error:  # noqa: BLE001 (a row or result that cannot be pickled: its caller hears of it)
                self._fail(batch, error)
            self._end(worker)
            worker = None
            if loss is not None:
                batch, again = self._lose(batch, loss, again=again), True
        return None

    def _lose(self, batch: list[Job], loss: Loss, *, again: bool) -> list[Job]:
        """Return what is tried again of a batch whose first job was lost, for the second time if again."""
        if self._limits is None:
            message = f"a worker process died in {name_of(self._function)} (killed, or out of memory)"
            cure = "free some memory, then run the same command again: finished work is kept"
            self._fail(batch, PixmillError(message, next=cure))
        elif again:
            batch[0].loss = loss
            self._finish(batch, [loss])
        elif len(batch) > 1:
            self.put([batch[1:]], first=True)
        return batch[:1]

    def _try(self, worker: Worker, batch: list[Job]) -> Loss | None:
        """Run a batch, from which finished jobs are removed; return why the first that is left was lost, if any was.

        Raises:
            BrokenPipeError: The process was dead before.
            Exception: A row or a result cannot be pickled.
        """
        worker.give([job.row for job in batch])
        while batch:
            kind, content = worker.hear(self._limits.seconds if self._limits else None)
            if kind == "results":
                self._finish(batch, content)
            elif kind == "raised":
                self._fail(batch, content)
            else:
                assert kind != "ready"
                return kind
        return None

    def _finish(self, batch: list[Job], results: Sequence[Any]) -> None:
        """Finish the first jobs of a batch, and remove them from it."""
        finished = batch[: len(results)]
        del batch[: len(results)]
        if not batch:
            self._release()
        for job, result in zip(finished, results, strict=True):
            if job.loss is None:
                job.row = None  # Whoever keeps the result does not keep the bytes of an image.
            job.set_result(result)

    def _fail(self, batch: list[Job], error: Exception) -> None:
        """Finish all jobs of a batch with an exception, and remove them from it."""
        self._release()
        while batch:
            batch.pop(0).set_exception(error)

    def _release(self) -> None:
        """Count a process as idle, before its last job is finished: whoever waits for that may send the next one."""
        with self._state:
            self._busy -= 1
            if self._ended:
                self._state.notify_all()

    def _end(self, worker: Worker) -> int | None:
        """Kill a process, and return its exit code."""
        with self._state:
            self._workers.remove(worker)
        return worker.end()
