"""Processes that die with their parent."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys

__all__ = ["die_with_parent"]

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
