"""How much memory a process holds, how much it may hold, and what it keeps of it."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["REFUSED_BY_KERNEL", "keep_freed_memory", "leave_no_core", "limit_own_memory", "resident_memory"]

REFUSED_BY_KERNEL = sys.platform == "linux"
"""Whether the kernel refuses what is above :func:`limit_own_memory`.

``RLIMIT_DATA`` covers all private writable memory since Linux 4.7. ``RLIMIT_AS`` would also count what is only reserved
or mapped from files: each thread's arena, each library. macOS accepts both and enforces neither; Windows has none.
"""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""From ``malloc.h``: free bytes at the end of the heap that are kept; the least size that is mapped by itself, of which
32 MB is the most that glibc takes."""


def limit_own_memory(more: int) -> None:
    """Let this process take so many more bytes than it holds now; what is above is refused (Linux; else no effect).

    Args:
        more: Bytes of private writable memory.
    """
    if sys.platform != "linux":
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    # Nobody has more than the largest number that the kernel takes.
    allowed = min(_own_data() + more, sys.maxsize)
    if hard != resource.RLIM_INFINITY:
        allowed = min(allowed, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))


def keep_freed_memory() -> None:
    """Let this process keep what one row has freed for the next, up to 64 MB (with glibc; else no effect).

    By default glibc maps each block of some 100 KB anew, or gives the end of its heap back at every other row, and the
    kernel clears the pages again: 600 faults a picture of 640 x 480, which take as long as looking at it.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)


def _own_data() -> int:
    """Return what the kernel compares with ``RLIMIT_DATA``, in bytes."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as lines:  # noqa: PTH123 (pathlib reads it whole)
        for line in lines:
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no line VmData")


def leave_no_core() -> None:
    """Let this process crash without a copy of its memory on the disk (not on Windows, which writes none)."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def resident_memory(pid: int) -> int:
    """Return the bytes of memory that a process holds; 0 where it is gone."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
