"""How processes end: with their parent, and when a signal asks them to."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

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


def die_with_dvc() -> None:
    """Kill this process when the ``dvc`` that runs it as a stage has ended, whatever stands between the two.

    DVC runs a command by ``$SHELL -c``. Bash and zsh replace themselves by the command, which :func:`die_with_parent`
    then ties to ``dvc``. Dash, the ``/bin/sh`` of Debian and the shell wherever ``SHELL`` is not set, stays between and
    outlives ``dvc``, as does the launcher of Python in a virtual environment of Windows. What DVC starts is told the
    stage by ``DVC_STAGE``: the nearest ancestor that was told another, or none, is ``dvc``. A thread waits for its end.
    """
    stage = os.environ.get("DVC_STAGE")
    if stage is None:
        return
    import psutil  # here, since workers and browsers, which have a parent to watch and no dvc, need none of it

    def stage_of(process: psutil.Process) -> str | None:
        try:
            return process.environ().get("DVC_STAGE")
        except psutil.AccessDenied:
            return None  # Somebody else's: not a shell that was started for this stage.

    def watch(process: psutil.Process) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.wait()
        psutil.Process().kill()

    try:
        dvc = next((process for process in psutil.Process().parents() if stage_of(process) != stage), None)
    except psutil.NoSuchProcess:
        # It, or a shell before it, ended while it was being looked at.
        psutil.Process().kill()
        return
    if dvc is not None and (sys.platform != "linux" or dvc.pid != os.getppid()):
        threading.Thread(target=watch, args=[dvc], name="die-with-dvc", daemon=True).start()


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

    # Python lets the main thread alone set handlers.
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, receive)
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write(f"{saying}\n")
        sys.exit(128 + signum)
    finally:
        if signal.getsignal(signal.SIGTERM) is receive:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
