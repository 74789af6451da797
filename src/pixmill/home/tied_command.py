"""Run a command until this process's standard input is closed, and leave nothing of it behind.

``python -m pixmill.home.tied_command COMMAND …`` stands between the page and a command that starts processes of its
own, as ``mlflow ui`` does: whoever holds the other end of the pipe ends all of them by closing it, or by dying.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

_END_SECONDS = 2.0
"""How long the command may go on after SIGTERM."""


def run_tied(command: Sequence[str]) -> int:
    """Run a command, and return its exit status once it has ended; what it started is killed then.

    Args:
        command: The command; it reads nothing.
    """
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)  # noqa: S603 (the page's own words)
    threading.Thread(target=_end_with_input, args=[child], daemon=True).start()
    status = child.wait()
    with contextlib.suppress(ProcessLookupError):  # Nothing is left of it.
        os.killpg(child.pid, signal.SIGKILL)
    return status


def _end_with_input(child: subprocess.Popen[bytes]) -> None:
    # Nothing is ever written: it returns when the pipe is closed. (A file of Python's would be locked at exit.)
    os.read(0, 1)
    child.terminate()
    try:
        child.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


if __name__ == "__main__":
    sys.exit(run_tied(sys.argv[1:]))
