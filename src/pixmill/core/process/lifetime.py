"""End a process with its parent, and cleanly on signals."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

_PR_SET_PDEATHSIG = 1
"""Option from ``linux/prctl.h``: the signal that a process receives when its parent dies."""

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
"""Loaded at import, since between fork and exec the loader's lock may be held."""


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent thread dies (Linux only).

    An orphan of a killed ``dvc`` would overwrite the results of a later run. If the parent is
    already dead, the process ends at once.
    """
    if sys.platform != "linux" or _LIBC is None:
        return
    known = multiprocessing.parent_process()
    parent = known.pid if known else os.getppid()
    if _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl(PR_SET_PDEATHSIG): {os.strerror(error)}")
    if os.getppid() != parent:
        # The parent died before the call, so the kernel would not send the signal.
        os.kill(os.getpid(), signal.SIGKILL)


PARENT = "PIXMILL_PARENT"
"""Variable with the process that a command ends with, also if that is killed."""

_LOOK_SECONDS = 1.0


def end_with_parent() -> None:
    """Stop this process by SIGTERM when the one that :data:`PARENT` names has ended."""
    parent = os.environ.get(PARENT)
    if parent is None:
        return

    def watch() -> None:
        while str(os.getppid()) == parent:
            time.sleep(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def die_with_dvc() -> None:
    """Kill this process when the ``dvc`` that runs it as a stage ends.

    DVC runs commands by ``$SHELL -c``. Bash and zsh replace themselves with the command, so
    :func:`die_with_parent` suffices. Dash (Debian's ``/bin/sh``) and the Python launcher of virtual
    environments on Windows stay in between and outlive ``dvc``. DVC sets ``DVC_STAGE`` for its
    children, so the nearest ancestor with another value is ``dvc``; a thread waits for it to end.
    """
    stage = os.environ.get("DVC_STAGE")
    if stage is None:
        return
    import psutil  # slow to import, and not needed by workers and browsers

    def stage_of(process: psutil.Process) -> str | None:
        try:
            return process.environ().get("DVC_STAGE")
        except psutil.AccessDenied:
            return None  # Another user's process, so not a shell of this stage.

    def watch(process: psutil.Process) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.wait()
        psutil.Process().kill()

    try:
        dvc = next(
            (process for process in psutil.Process().parents() if stage_of(process) != stage), None
        )
    except psutil.NoSuchProcess:
        # An ancestor ended during the search.
        psutil.Process().kill()
        return
    if dvc is not None and (sys.platform != "linux" or dvc.pid != os.getppid()):
        threading.Thread(target=watch, args=[dvc], name="die-with-dvc", daemon=True).start()


@contextlib.contextmanager
def interruptible(message: str) -> Iterator[None]:
    """Exit cleanly and print a message if Ctrl-C or SIGTERM interrupts the block.

    A second SIGTERM ends the process at once. A handler of SIGTERM that is already installed stays.

    Args:
        message: Line for standard error.

    Raises:
        SystemExit: Status 130 for Ctrl-C, 143 for SIGTERM.
    """
    signum = signal.SIGINT

    def receive(_: int, frame: FrameType | None) -> None:
        nonlocal signum
        signum = signal.SIGTERM
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # Now, since `timeout` sends a second one at once; not by sys.stderr, which may be in use.
        os.write(2, f"{message}\n".encode())
        # Use the current handler of Ctrl-C, such as that of asyncio.
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):
            # Shells ignore Ctrl-C for background jobs.
            raise KeyboardInterrupt
        interrupt(signal.SIGINT, frame)

    # Only the main thread can set handlers.
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, receive)
    try:
        yield
    except KeyboardInterrupt:
        if signum == signal.SIGINT:
            sys.stderr.write(f"{message}\n")
        sys.exit(128 + signum)
    finally:
        if signal.getsignal(signal.SIGTERM) is receive:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
