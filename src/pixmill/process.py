"""How processes end: with their parent, and when a signal asks them to."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["die_with_parent", "interruptible"]

_PR_SET_PDEATHSIG = 1
"""From ``linux/prctl.h``: the signal that the kernel sends to a process when its parent dies."""

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
"""Loaded here, since :func:`die_with_parent` may run between fork and exec, where a lock of the loader may be held."""


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies (Linux; elsewhere there is no such call).

    An orphan of a killed ``dvc`` would go on writing and overwrite what a later run has finished. The parent is the
    *thread* that started this process. A worker whose parent has died already ends here.
    """
    if sys.platform != "linux" or _LIBC is None:
        return
    known = multiprocessing.parent_process()
    parent = known.pid if known else os.getppid()
    if _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl(PR_SET_PDEATHSIG): {os.strerror(error)}")
    if os.getppid() != parent:
        # The parent died before the call: nobody would send the signal any more.
        os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def interruptible(saying: str) -> Iterator[None]:
    """End the process in order, and with a line, where Ctrl-C or SIGTERM ends the block: all that it holds is put away.

    The second SIGTERM ends it at once. What the process does otherwise at SIGTERM, such as ignore it, it goes on doing.

    Args:
        saying: The line, for standard error.

    Raises:
        SystemExit: With the status that shells know the signal by: 130 for Ctrl-C, 143 for SIGTERM.
    """
    signum = signal.SIGINT

    def receive(_: int, frame: FrameType | None) -> None:
        nonlocal signum
        signum = signal.SIGTERM
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # Whoever handles Ctrl-C in a way of its own just now, as asyncio does, ends its work by it.
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):
            # In the background of a shell Ctrl-C is ignored.
            raise KeyboardInterrupt
        interrupt(signal.SIGINT, frame)

    # Python lets the main thread alone set handlers. Of several processes that train together, one that waits within
    # TensorFlow for another, which is dead, would never come to it.
    if (
        threading.current_thread() is threading.main_thread()
        and os.environ.get("PIXMILL_STRATEGY") != "multi_worker"
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, receive)
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write(f"{saying}\n")
        sys.exit(128 + signum)
    finally:
        if signal.getsignal(signal.SIGTERM) is receive:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
