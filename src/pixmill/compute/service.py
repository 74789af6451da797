"""What a worker does: it answers batches until the other end of its pipe closes."""

from __future__ import annotations

import errno
import pickle
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, Literal

from pixmill.compute.memory import keep_freed_memory, leave_no_core, limit_own_memory
from pixmill.process import die_with_parent

__all__ = ["Kind", "Raised", "checked", "serve"]

Kind = Literal["ready", "some", "all", "memory", "raised"]
"""What a worker says: it waits for its first batch; results, with more to come; the last results of the batch; a row
took too much memory; the pass has a defect."""

_SILENCE = 0.2
"""Seconds of work whose results wait for a common message: what a kill makes to be done again, at most."""


class Raised(Exception):  # noqa: N818 (the cause of another exception, not an error of its own)
    """Carry the traceback of an exception from the worker in which it was raised.

    Args:
        text: The traceback as Python prints it.
    """

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def serve(
    function: Callable[[Sequence[Any]], Sequence[Any]], connection: Connection, clock: Any, memory: int | None
) -> None:
    """Answer batches until the other end closes.

    Args:
        function: The pass.
        connection: Batches come in; pairs of a :data:`Kind` and results or an exception go out.
        clock: Two floats that are shared with the owner: which row of the batch is being done, and since when by
            ``time.monotonic``, the same in all processes; 0 while none is.
        memory: Bytes that a row may take above what this process holds now; ``None`` where rows are not watched and
            the pass gets whole batches.
    """
    die_with_parent()
    # Ctrl-C reaches every process of the terminal; the owner ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    if memory is not None:
        leave_no_core()
        limit_own_memory(memory)
    connection.send_bytes(_pickled("ready", None))
    while True:
        try:
            asked = connection.recv_bytes()
        except (EOFError, OSError):
            # The owner has ended.
            return
        try:
            batch = pickle.loads(asked)  # noqa: S301 (from the owner)
            if memory is None:
                results = checked(function(batch), batch)
            else:
                results = _row_by_row(function, batch, connection, clock)
            message = _pickled("all", results)
        except BaseException as error:  # noqa: BLE001 (the owner raises it)
            message = _pickled("memory", None) if memory is not None and _lacks_memory(error) else _defect(error)
        clock[1] = 0.0
        connection.send_bytes(message)


def checked(results: Sequence[Any], batch: Sequence[Any]) -> Sequence[Any]:
    """Return the results of a batch if there is one a row.

    Raises:
        ValueError: There are more or fewer.
    """
    if len(results) != len(batch):
        raise ValueError(f"a pass must return one result a row: expected {len(batch)}, received {len(results)}")
    return results


def _row_by_row(
    function: Callable[[Sequence[Any]], Sequence[Any]], batch: Sequence[Any], connection: Connection, clock: Any
) -> list[Any]:
    """Do the rows of a batch one after the other, tell the owner which, and return the results not sent yet."""
    results: list[Any] = []
    now = said = time.monotonic()
    for index in range(len(batch)):
        if now - said > _SILENCE:
            message = _pickled("some", results)
            clock[1] = 0.0
            connection.send_bytes(message)
            results.clear()
            now = said = time.monotonic()
        clock[0], clock[1] = index, now
        row = batch[index : index + 1]
        results += checked(function(row), row)
        now = time.monotonic()
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


def _lacks_memory(error: BaseException) -> bool:
    """Say whether an exception comes of a lack of memory, even where a library turned it into one of its own."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno == errno.ENOMEM):
            return True
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return False
