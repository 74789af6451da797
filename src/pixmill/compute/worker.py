"""One disposable process, as its owner sees it."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import resource_tracker
from types import FrameType
from typing import Any

from pixmill.compute.limits import Limits
from pixmill.compute.memory import REFUSED_BY_KERNEL, resident_memory
from pixmill.compute.service import Kind, Raised, serve
from pixmill.compute.window import Task

__all__ = ["Gone", "Worker"]

_LOCK = threading.Lock()
"""Held while a process starts, which changes for a moment what all threads see."""


class Gone(Exception):  # noqa: N818 (what became of it, in one word)
    """Say that a worker's process has ended."""


class Worker:
    """A spawned process that does one task at a time.

    It is spawned, never forked, since a fork of a process with threads may hang. It dies with the thread that made it,
    and at the latest when this object's :meth:`end` is called.

    Args:
        function: The pass.
        limits: What a row may take; ``None``: anything.
    """

    def __init__(self, function: Callable[[Sequence[Any]], Sequence[Any]], limits: Limits | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.task: Task | None = None
        self.ready = False
        self.used = False
        self._limits = limits
        self._base = 0
        self._clock = context.RawArray("d", 2)
        self.connection, theirs = context.Pipe()
        self._process = context.Process(
            target=serve,
            args=(function, theirs, self._clock, limits and limits.memory),
            daemon=True,
        )
        try:
            with _LOCK, _held_back(), _no_interrupt(), _no_script(function):
                self._process.start()
        except BaseException:
            self.connection.close()
            raise
        finally:
            theirs.close()
        self._heard = time.monotonic()

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process.pid is not None
        return self._process.pid

    def give(self, task: Task) -> None:
        """Hand a task to the waiting process.

        Raises:
            Gone: The process has ended.
        """
        self._clock[0], self._clock[1] = 0.0, 0.0
        message = pickle.dumps(task.rows(), pickle.HIGHEST_PROTOCOL)
        try:
            self.connection.send_bytes(message)
        except OSError:
            raise Gone from None
        task.batch.held += len(message)
        self.task, self.used = task, True
        self._heard = time.monotonic()

    def hear(self) -> Kind:
        """Take what the process says next to its task, and return which kind of message it was.

        Raises:
            Gone: The process has ended, and has said all.
        """
        try:
            message = self.connection.recv_bytes()
        except (EOFError, OSError):
            raise Gone from None
        self._heard = time.monotonic()
        kind: Kind
        kind, content = pickle.loads(message)  # noqa: S301 (from a process of our own)
        if kind == "ready":
            self.ready = True
            if self._limits and not REFUSED_BY_KERNEL:
                self._base = resident_memory(self.pid)
        elif self.task is not None:
            if kind == "raised":
                error, text = content
                error.__cause__ = Raised(text)
                self.task.batch.error = error
            elif kind != "memory":
                self.task.answer(content, len(message))
            if kind in ("all", "raised"):
                self.task = None
        return kind

    def hear_all(self) -> None:
        """Take to its task what the process said before its end, and close its pipe."""
        try:
            while True:
                self.hear()
        except Gone:
            self.connection.close()

    def deadline(self) -> float:
        """Return when the time of the row that is being done is over, by ``time.monotonic``."""
        assert self._limits is not None
        return (self._clock[1] or self._heard) + self._limits.seconds

    def row(self) -> int:
        """Return which row of its task the process is at, or was last."""
        return int(self._clock[0])

    def swollen(self) -> bool:
        """Say whether the process holds more memory than a row may take."""
        return self._limits is not None and resident_memory(self.pid) > self._base + self._limits.memory

    def kill(self) -> None:
        """Kill the process, whatever it is at."""
        self._process.kill()

    def end(self) -> int | None:
        """Kill the process, free what it held, and return its exit code; what it has said can still be heard."""
        self.kill()
        self._process.join()
        code = self._process.exitcode
        self._process.close()
        return code


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Let a signal that ends this process come through only afterwards: half a start leaves a traceback behind.

    To block it does not suffice. Another thread takes it then, and the main one acts on it all the same.
    """
    handlers: dict[int, Any] = {}
    received: list[tuple[int, FrameType | None]] = []
    if threading.current_thread() is threading.main_thread():
        for kind in (signal.SIGINT, signal.SIGTERM):
            if callable(signal.getsignal(kind)):
                handlers[kind] = signal.signal(kind, lambda *call: received.append(call))
    try:
        yield
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
        for signum, frame in received:
            handlers[signum](signum, frame)


@contextlib.contextmanager
def _no_interrupt() -> Iterator[None]:
    """Let a process that starts meanwhile never be interrupted by Ctrl-C, not even before its first own line."""
    if sys.platform == "win32":
        yield
        return
    # Its start lets signals through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _no_script(function: Callable[..., Any]) -> Iterator[None]:
    """Let a process that starts meanwhile not run the script that this one was started with, unless the pass is in it.

    ``multiprocessing`` imports it in each process, with all that it imports: for a stage a second and 100 MB.
    """
    main = sys.modules["__main__"]
    hidden = {} if function.__module__ == "__main__" else {"__spec__": None, "__file__": None}
    shown = {name: vars(main)[name] for name in hidden if name in vars(main)}
    vars(main).update((name, hidden[name]) for name in shown)
    try:
        yield
    finally:
        vars(main).update(shown)
