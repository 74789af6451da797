"""What a disposable process does: answer batches until its owner ends it."""

from __future__ import annotations

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

__all__ = ["Kind", "Raised", "checked", "serve"]

Kind = Literal["ready", "results", "memory", "raised"]
"""What a message holds: nothing (it waits for its first batch), results of the next rows, nothing (the next row took
too much memory), or what the pass raised."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""From ``malloc.h``: free bytes at the end of the heap that are kept; the least size that is mapped by itself, of which
32 MB is the most that glibc takes."""


class Raised(Exception):  # noqa: N818 (the cause of another exception, not an error of its own)
    """Carry the traceback of an exception from the worker in which it was raised.

    Args:
        text: The traceback as Python prints it.
    """

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def serve(function: Callable[[Sequence[Any]], Sequence[Any]], connection: Connection, memory: int | None) -> None:
    """Answer batches until the other end closes.

    Args:
        function: The pass.
        connection: Batches come in; pairs of a :data:`Kind` and its content go out.
        memory: Bytes that a row may take above what this process holds now: each row is then done and answered by
            itself. ``None``: any, and the pass gets whole batches.
    """
    die_with_parent()
    # Ctrl-C reaches every process of the terminal; the owner ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        _keep_freed_memory()
        if memory is not None:
            _limit_memory(memory)
    connection.send_bytes(_pickled("ready", None))
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
                connection.send_bytes(_pickled("results", checked(function(rows), rows)))
        except BaseException as error:  # noqa: BLE001 (the owner raises it)
            connection.send_bytes(_pickled("memory", None) if memory and _lacks_memory(error) else _defect(error))


def checked(results: Sequence[Any], batch: Sequence[Any]) -> Sequence[Any]:
    """Return the results of a batch if there is one a row.

    Raises:
        ValueError: There are more or fewer.
    """
    if len(results) != len(batch):
        raise ValueError(f"a pass must return one result a row: expected {len(batch)}, received {len(results)}")
    return results


def _pickled(kind: Kind, content: Any) -> bytes:
    return pickle.dumps((kind, content), pickle.HIGHEST_PROTOCOL)


def _defect(error: BaseException) -> bytes:
    """Pickle an exception with its traceback, or its text where it cannot travel."""
    text = "".join(traceback.format_exception(error))
    try:
        message = _pickled("raised", (error, text))
        pickle.loads(message)  # noqa: S301 (what was pickled a line above)
    except Exception:  # noqa: BLE001 (whatever a class of exceptions does when it is pickled)
        message = _pickled("raised", (RuntimeError(f"{type(error).__qualname__}: {error}"), text))
    return message


def _lacks_memory(error: BaseException | None) -> bool:
    """Say whether an exception comes of a lack of memory, even where a library turned it into one of its own."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        error = error.__cause__ or error.__context__
    return False


def _keep_freed_memory() -> None:
    """Let this process keep what one row has freed for the next, up to 64 MB (with glibc; else no effect).

    By default glibc maps each block of some 100 KB anew, or gives the end of its heap back at every other row, and the
    kernel clears the pages again: 600 faults an image of 640 x 480, which take as long as looking at it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)


def _limit_memory(more: int) -> None:
    """Let this process take so many more bytes than it holds now, and crash without a copy of its memory on the disk.

    ``RLIMIT_DATA`` covers all private writable memory since Linux 4.7. ``RLIMIT_AS`` would also count what is only
    reserved or mapped from files: each thread's arena, each library. Other systems enforce neither.

    Args:
        more: Bytes of private writable memory.
    """
    import resource

    with open("/proc/self/status", encoding="ascii", errors="replace") as lines:  # noqa: PTH123 (pathlib reads it whole)
        held = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    # Nobody has more than the largest number that the kernel takes.
    allowed = min(held + more, sys.maxsize, sys.maxsize if hard == resource.RLIM_INFINITY else hard)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
