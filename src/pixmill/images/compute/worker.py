"""A worker process: its owner's side (start, limits, messages, end) and its own loop."""

import contextlib
import ctypes
import errno
import multiprocessing
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Literal

from pixmill.core.process.lifetime import die_with_parent

Kind = Literal["ready", "results", "memory", "raised"]
"""Kinds of message: ready for rows; results; memory limit exceeded; exception raised by the pass.
"""

Pass = Callable[[Sequence[Any]], Sequence[Any]]
"""Takes a batch of rows, returns one result per row."""

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
"""From ``malloc.h``: free bytes kept at the end of the heap.

Minimum size of a separate mapping, at most 32 MB in
glibc.
"""

Loss = Literal["timeout", "memory", "crashed"]
"""Reason why a row has no result: it timed out, exceeded the memory limit, or crashed its process.
"""

_LOCK = threading.Lock()
"""Held while a process is joined or starts, which changes global state."""


@dataclass(frozen=True)
class RowLimits:
    """Limits of one row.

    Args:
        seconds: Maximum wall-clock time, without process start-up; above 0.
        memory: Maximum bytes in addition to a worker's memory before its first row; above 0. On
            Linux a row that needs more raises ``MemoryError``; other systems do not enforce this.
    """

    seconds: float
    memory: int


def name_of(function: Callable[..., Any]) -> str:
    """Return a pass's name, with its module."""
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"


class Worker:
    """A spawned process that runs one batch at a time.

    It is spawned, never forked, since forking a process with threads may hang. It dies with the
    thread that created it.

    With limits, the pass gets one row per call, and the process notes in shared memory which one
    and since when: with a message for each row, small photographs take a seventh longer.
    """

    def __init__(self, function: Pass, limits: RowLimits | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.ready = False
        self._row = context.RawArray("d", 2)
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(function, theirs, self._row, limits and limits.memory), daemon=True
        )
        try:
            with _LOCK, _no_script(function):
                self._process.start()
        except BaseException:
            self._connection.close()
            raise
        finally:
            theirs.close()

    def send(self, rows: list[Any]) -> None:
        """Send rows to the idle process; if it has ended, :meth:`receive` returns ``crashed``."""
        message = pickle.dumps(rows, pickle.HIGHEST_PROTOCOL)
        self._row[:] = [0, time.monotonic()]
        with contextlib.suppress(OSError):
            self._connection.send_bytes(message)

    @property
    def place(self) -> int:
        """Place in the batch of the row that the process has begun last."""
        return int(self._row[0])

    def receive(self, seconds: float | None) -> tuple[Kind | Loss, Any]:
        """Wait for the process's next message.

        Args:
            seconds: Timeout of each row; ``None`` for none.

        Returns:
            The message's kind and content: the results, or the exception that the pass raised.
            ``timeout`` or ``crashed`` if there is no message.
        """
        try:
            left = seconds
            while not self._connection.poll(left):
                assert seconds is not None
                if (left := self._row[1] + seconds - time.monotonic()) <= 0:
                    return "timeout", None
            message = self._connection.recv_bytes()
        except (EOFError, OSError):
            return "crashed", None
        kind, content = pickle.loads(message)  # noqa: S301 (from a process of our own)
        if kind == "raised":
            content, text = content
            content.__cause__ = RemoteError(text)
        elif kind == "results":
            content = [pickle.loads(result) for result in content]  # noqa: S301 (likewise)
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
def _no_script(function: Callable[..., Any]) -> Iterator[None]:
    """Keep a starting process from importing the main script, unless it defines the pass.

    ``multiprocessing`` imports it in each process with all its imports, which for a stage takes a
    second and 100 MB.
    """
    main = sys.modules["__main__"]
    hidden = {} if function.__module__ == "__main__" else {"__spec__": None, "__file__": None}
    shown = {name: vars(main)[name] for name in hidden if name in vars(main)}
    vars(main).update((name, hidden[name]) for name in shown)
    try:
        yield
    finally:
        vars(main).update(shown)


class RemoteError(Exception):
    """The traceback of an exception raised in a worker, as its ``__cause__``.

    Args:
        text: Formatted traceback.
    """

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def serve(
    function: Pass, connection: Connection, row: MutableSequence[float], memory: int | None
) -> None:
    """Process batches until the other end closes.

    Args:
        function: The pass.
        connection: Receives batches; sends pairs of a :data:`Kind` and its content.
        row: Receives the place in the batch of the row that is processed, and when it was begun.
        memory: Memory limit of :class:`RowLimits`; ``None`` for none.
    """
    die_with_parent()
    # Ctrl-C reaches all processes of the terminal; the owner ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        _keep_freed_memory()
    if sys.platform == "linux" and memory is not None:
        _limit_memory(memory)
    connection.send_bytes(_pickle("ready", None))
    while True:
        try:
            request = connection.recv_bytes()
        except (EOFError, OSError):
            return  # the owner has ended
        try:
            rows = pickle.loads(request)  # noqa: S301 (from the owner)
            del request
            results = list(_results(function, rows, 1 if memory else len(rows), row))
            connection.send_bytes(_pickle("results", results))
        except BaseException as error:  # noqa: BLE001 (the owner raises it)
            connection.send_bytes(
                _pickle("memory", None) if memory and _lacks_memory(error) else _defect(error)
            )


def _results(
    function: Pass, rows: list[Any], size: int, row: MutableSequence[float]
) -> Iterator[bytes]:
    """Yield the result of each row, pickled alone, since it may be too large to be sent."""
    for start in range(0, len(rows), size):
        row[:] = [start, time.monotonic()]
        some = rows[start : start + size]
        for result in check_results(function(some), some):
            yield pickle.dumps(result, pickle.HIGHEST_PROTOCOL)


def check_results(results: Sequence[Any], batch: Sequence[Any]) -> Sequence[Any]:
    """Return the results of a batch.

    Raises:
        ValueError: Their number differs from that of the rows.
    """
    if len(results) != len(batch):
        raise ValueError(
            f"a pass must return one result per row: expected {len(batch)}, received {len(results)}"
        )
    return results


def _pickle(kind: Kind, content: Any) -> bytes:
    return pickle.dumps((kind, content), pickle.HIGHEST_PROTOCOL)


def _defect(error: BaseException) -> bytes:
    """Pickle an exception with its traceback, or its text if it cannot be pickled."""
    text = "".join(traceback.format_exception(error))
    try:
        message = _pickle("raised", (error, text))
        pickle.loads(message)  # noqa: S301 (pickled a line above)
    except Exception:  # noqa: BLE001 (pickling an exception may raise anything)
        message = _pickle("raised", (RuntimeError(f"{type(error).__qualname__}: {error}"), text))
    return message


def _lacks_memory(error: BaseException | None) -> bool:
    """Return whether an exception was caused by lack of memory, even if a library wrapped it."""
    while error is not None:
        if isinstance(error, MemoryError) or (
            isinstance(error, OSError) and error.errno == errno.ENOMEM
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def _keep_freed_memory() -> None:
    """Let this process reuse up to 64 MB of freed memory for the next row (with glibc.

    Else no effect).

    By default glibc maps each block of some 100 KB separately, or returns the end of its heap at
    every other row, and the kernel clears the pages again: 600 page faults for an image of 640 x
    480, which take as long as measuring it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)


def _limit_memory(more: int) -> None:
    """Limit the additional memory of this process, and disable core dumps.

    ``RLIMIT_DATA`` covers all private writable memory since Linux 4.7. ``RLIMIT_AS`` would also
    count reserved memory and file mappings: each thread's arena, each library. Other systems
    enforce neither.

    Args:
        more: Additional bytes of private writable memory.
    """
    import resource

    with open("/proc/self/status", encoding="ascii", errors="replace") as lines:  # noqa: PTH123
        held = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    # The kernel rejects larger numbers.
    allowed = min(held + more, sys.maxsize, sys.maxsize if hard == resource.RLIM_INFINITY else hard)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
