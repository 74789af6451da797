"""A worker process, from its owner's side: its limits, its messages, its start and its end."""

import contextlib
import multiprocessing
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import Any, Literal

from pixmill.compute.worker import Kind, RemoteError, serve

Loss = Literal["timeout", "memory", "crashed"]
"""Why a row has no result: it timed out, it exceeded its memory, or its process died."""

_LOCK = threading.Lock()
"""Held while a process starts, which briefly changes global state, or is waited for: a start looks which have ended."""


@dataclass(frozen=True)
class RowLimits:
    """The limits of one row.

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


def name_of(function: Callable[..., Any]) -> str:
    """Return a pass's name, with its module."""
    function = getattr(function, "func", function)  # behind functools.partial
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"


class Worker:
    """Own a spawned process that does one batch at a time.

    It is spawned, never forked, since forking a process with threads may hang. It dies with the thread that created it,
    or when :meth:`end` is called.
    """

    def __init__(self, function: Callable[[Sequence[Any]], Sequence[Any]], limits: RowLimits | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.ready = False
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(function, theirs, limits and limits.memory), daemon=True)
        try:
            with _LOCK, _no_interrupt(), _no_script(function):
                self._process.start()
        except BaseException:
            self._connection.close()
            raise
        finally:
            theirs.close()

    def give(self, rows: list[Any]) -> None:
        """Send rows to the idle process.

        Raises:
            BrokenPipeError: The process has ended.
        """
        message = pickle.dumps(rows, pickle.HIGHEST_PROTOCOL)
        try:
            self._connection.send_bytes(message)
        except OSError as error:
            raise BrokenPipeError from error

    def hear(self, seconds: float | None) -> tuple[Kind | Loss, Any]:
        """Wait for the process's next message.

        Args:
            seconds: How long, at most; ``None``: for ever.

        Returns:
            Its kind, and its content: the results, or the exception that the pass raised. If no message comes, why.
        """
        try:
            if not self._connection.poll(seconds):
                return "timeout", None
            message = self._connection.recv_bytes()
        except (EOFError, OSError):
            return "crashed", None
        kind, content = pickle.loads(message)  # noqa: S301 (from a process of our own)
        if kind == "raised":
            content, text = content
            content.__cause__ = RemoteError(text)
        return kind, content

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    def end(self) -> int | None:
        """Kill the process, free its resources, and return its exit code."""
        self.kill()
        wait([self._process.sentinel])
        with _LOCK:
            self._process.join()
            code = self._process.exitcode
            self._process.close()
        self._connection.close()
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
