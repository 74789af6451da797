"""A worker process: it processes batches until its owner ends it."""

import ctypes
import errno
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, Literal

from pixmill.core.process import die_with_parent

Kind = Literal["ready", "results", "memory", "raised"]
"""Kinds of message: idle and ready for a batch; results of the next rows; the next row exceeded its memory; or the
exception that the pass raised."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""From ``malloc.h``: free bytes kept at the end of the heap; the minimum size of a separate mapping, at most 32 MB in
glibc."""


class RemoteError(Exception):
    """Carry the traceback of an exception raised in a worker.

    Args:
        text: The traceback as Python prints it.
    """

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def serve(function: Callable[[Sequence[Any]], Sequence[Any]], connection: Connection, memory: int | None) -> None:
    """Process batches until the other end closes.

    Args:
        function: The pass.
        connection: Receives batches; sends pairs of a :data:`Kind` and its content.
        memory: Bytes that a row may use on top of this process's memory; each row is then processed separately.
            ``None``: no limit, and the pass gets whole batches.
    """
    die_with_parent()
    # Ctrl-C reaches every process of the terminal; the owner ends this one.
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
            # The owner has ended.
            return
        try:
            batch = pickle.loads(request)  # noqa: S301 (from the owner)
            size = len(batch) if memory is None else 1
            for start in range(0, len(batch), size):
                rows = batch[start : start + size]
                connection.send_bytes(_pickle("results", check_results(function(rows), rows)))
        except BaseException as error:  # noqa: BLE001 (the owner raises it)
            connection.send_bytes(_pickle("memory", None) if memory and _lacks_memory(error) else _defect(error))


def check_results(results: Sequence[Any], batch: Sequence[Any]) -> Sequence[Any]:
    """Return the results of a batch if there is one per row.

    Raises:
        ValueError: There are more or fewer.
    """
    if len(results) != len(batch):
        raise ValueError(f"a pass must return one result per row: expected {len(batch)}, received {len(results)}")
    return results


def _pickle(kind: Kind, content: Any) -> bytes:
    return pickle.dumps((kind, content), pickle.HIGHEST_PROTOCOL)


def _defect(error: BaseException) -> bytes:
    """Pickle an exception with its traceback, or its text if it cannot be pickled."""
    text = "".join(traceback.format_exception(error))
    try:
        message = _pickle("raised", (error, text))
        pickle.loads(message)  # noqa: S301 (what was pickled a line above)
    except Exception:  # noqa: BLE001 (whatever a class of exceptions does when it is pickled)
        message = _pickle("raised", (RuntimeError(f"{type(error).__qualname__}: {error}"), text))
    return message


def _lacks_memory(error: BaseException | None) -> bool:
    """Tell whether an exception was caused by lack of memory, even if a library wrapped it."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        error = error.__cause__ or error.__context__
    return False


def _keep_freed_memory() -> None:
    """Let this process reuse up to 64 MB of freed memory for the next row (with glibc; else no effect).

    By default glibc maps each block of some 100 KB anew, or returns the end of its heap at every other row, and the
    kernel clears the pages again: 600 page faults for an image of 640 x 480, which take as long as measuring it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)


def _limit_memory(more: int) -> None:
    """Limit the additional memory of this process, and disable core dumps.

    ``RLIMIT_DATA`` covers all private writable memory since Linux 4.7. ``RLIMIT_AS`` would also count reserved memory
    and file mappings: each thread's arena, each library. Other systems enforce neither.

    Args:
        more: Additional bytes of private writable memory.
    """
    import resource

    with open("/proc/self/status", encoding="ascii", errors="replace") as lines:  # noqa: PTH123 (pathlib reads it whole)
        held = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    # Capped at the largest number that the kernel accepts.
    allowed = min(held + more, sys.maxsize, sys.maxsize if hard == resource.RLIM_INFINITY else hard)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
