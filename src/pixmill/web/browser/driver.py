"""The driver's process and the browser's profile: made for one session, and nothing left of either."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from pixmill.core.errors import BrowserError
from pixmill.core.process.lifetime import die_with_parent
from pixmill.web.browser.finder import Browser

_STARTS = 10
_POLL_SECONDS = 0.02
_LISTENS = re.compile(rb"(?:started successfully on port |Listening on 127\.0\.0\.1:)\d+\D")
"""What ChromeDriver and msedgedriver, and geckodriver, print once they listen."""

_PORT_TAKEN = re.compile(rb"IPv[46] port not available|\(os error (?:48|98|10048)\)")
"""What they print before they exit, where another program took the port first."""


@contextlib.contextmanager
def running_driver(browser: Browser, log: Path, *, seconds: float = 30.0) -> Iterator[tuple[str, Callable[[], None]]]:
    """Start a driver, and leave no process of it behind.

    On Linux it dies with the *thread* that started it (``PR_SET_PDEATHSIG``), which must therefore outlive the session.

    Args:
        browser: The browser with its driver.
        log: The file for what the driver prints.
        seconds: How long it is waited for.

    Yields:
        Its address, and a function that ends it and all that it started, without asking.

    Raises:
        BrowserError: It does not start.
    """
    with contextlib.ExitStack() as stack:
        try:
            # A browser that is killed leaves its temporary files behind, so it has a folder of its own for them.
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pixmill-", ignore_cleanup_errors=True))
            for _ in range(_STARTS):
                port = _free_port()
                process = _start(browser, Path(folder), log, port)
                stack.enter_context(process)
                stack.callback(_kill, process)
                listens = _listens(browser, process, log, seconds)
                if listens or not _PORT_TAKEN.search(log.read_bytes()):
                    break
        except OSError as error:
            raise _not_started(browser, str(error.strerror)) from None
        if not listens:
            lines = log.read_text(errors="replace").splitlines() or ["it printed nothing"]
            raise _not_started(browser, f"exit code {process.returncode}: {lines[-1]}")
        yield f"http://127.0.0.1:{port}", partial(_kill, process)


def _free_port() -> int:
    """Return a port of loopback that is free now.

    With ``--port=0`` ChromeDriver looks for one on ``::1``; where IPv6 is off, it prints 0 and listens on another.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _start(browser: Browser, folder: Path, log: Path, port: int) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603
            [str(browser.driver), f"--port={port}"],
            env=os.environ | {"TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=os.name == "posix",
            preexec_fn=die_with_parent if sys.platform == "linux" else None,
        )


def _listens(browser: Browser, process: subprocess.Popen[bytes], log: Path, seconds: float) -> bool:
    """Wait until the driver listens; return False where it exits instead."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if _LISTENS.search(log.read_bytes()):
            return True
        if process.poll() is not None:
            return False
        time.sleep(_POLL_SECONDS)
    raise _not_started(browser, f"it did not listen within {seconds:g} s")


def _not_started(browser: Browser, reason: str) -> BrowserError:
    return BrowserError(
        f"the driver {browser.driver} did not start: {reason}", next=f"find the cause with: {browser.driver} --port=0"
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    if os.name != "posix":
        process.kill()
        return
    # The driver leads a group of its own, and everything it started is in it. macOS forbids to signal a group that
    # has nothing but the dead in it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def own_profile(home: Path) -> Iterator[Path]:
    """Yield a path for a fresh profile below a folder, and remove it in the end with those of dead sessions.

    Args:
        home: The folder of all profiles; made if absent.
    """
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / "profiles.lock"):
        _sweep(home)
        folder = Path(tempfile.mkdtemp(prefix="profile-", dir=home))
        held = FileLock(folder / "lock")
        held.acquire()
    try:
        yield folder / "data"
    finally:
        # Not while another session sweeps: it would look for the lock of a folder that is gone.
        with FileLock(home / "profiles.lock"):
            held.release()
            # A process that is just dying may still write here; what it leaves goes with the next sweep.
            shutil.rmtree(folder, ignore_errors=True)


def _sweep(home: Path) -> None:
    for folder in home.glob("profile-*"):
        try:
            # The system drops a lock with its holder, however that dies, so a lock that is free marks the dead.
            with FileLock(folder / "lock", blocking=False):
                pass
        except Timeout:
            continue
        _end_users_of(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _end_users_of(folder: Path) -> None:
    """End the browsers that a dead session left with its profile: Firefox outlives its driver."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(str(folder / "data") in word for word in process.cmdline()):
                process.kill()
