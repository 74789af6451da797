"""Driver process and browser profile of one session, both removed at its end."""

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

from pixmill.core.errors import BrowserError
from pixmill.core.process.lifetime import die_with_parent
from pixmill.core.process.progress import is_same_process
from pixmill.web.browser.finder import Browser

_MAX_STARTS = 10
_POLL_SECONDS = 0.02
_LISTENING = re.compile(rb"(?:started successfully on port |Listening on 127\.0\.0\.1:)\d+\D")
"""Output of ChromeDriver and msedgedriver, and of geckodriver, once they listen."""

_PORT_TAKEN = re.compile(rb"IPv[46] port not available|\(os error (?:48|98|10048)\)")
"""Their output if another program has taken the port."""

_PROFILE = re.compile(r"profile-(?P<pid>\d+)-(?P<started>[\d.]+)-\w+")
"""Folder of a profile, named after the process of its session."""


@contextlib.contextmanager
def running_driver(browser: Browser, log: Path, *, seconds: float = 30.0) -> Iterator[tuple[str, Callable[[], None]]]:
    """Run a driver, and kill it with all its child processes at the end.

    On Linux the driver dies with the *thread* that started it (``PR_SET_PDEATHSIG``), so this thread must outlive the
    session.

    Args:
        browser: The browser and its driver.
        log: File for the driver's output.
        seconds: Start-up timeout; default 30.

    Yields:
        The driver's URL, and a function that kills the driver and its child processes.

    Raises:
        BrowserError: The driver does not start.
    """
    with contextlib.ExitStack() as stack:
        try:
            # Collects the temporary files that a killed browser leaves behind.
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pixmill-", ignore_cleanup_errors=True))
            for _ in range(_MAX_STARTS):
                port = _free_port()
                process = _start(browser, Path(folder), log, port)
                stack.enter_context(process)
                stack.callback(_kill, process)
                is_listening = _wait_until_listening(browser, process, log, seconds)
                if is_listening or not _PORT_TAKEN.search(log.read_bytes()):
                    break
        except OSError as error:
            raise _not_started(browser, str(error.strerror)) from None
        if not is_listening:
            lines = log.read_text(errors="replace").splitlines() or ["it printed nothing"]
            raise _not_started(browser, f"exit code {process.returncode}: {lines[-1]}")
        yield f"http://127.0.0.1:{port}", partial(_kill, process)


def _free_port() -> int:
    """Return a free loopback port.

    ``--port=0`` does not work with ChromeDriver if IPv6 is disabled: it prints 0 and listens on another port.
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


def _wait_until_listening(browser: Browser, process: subprocess.Popen[bytes], log: Path, seconds: float) -> bool:
    """Wait until the driver listens; return False if it exits instead."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if _LISTENING.search(log.read_bytes()):
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
    # The driver leads a process group that contains all its children. macOS raises PermissionError for a group of
    # zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def own_profile(home: Path) -> Iterator[Path]:
    """Yield the path of a new profile, and remove it at the end; remove those of dead sessions first.

    Args:
        home: Folder of all profiles; created if missing.
    """
    home.mkdir(parents=True, exist_ok=True)
    for folder in home.glob("profile-*"):
        if not (match := _PROFILE.fullmatch(folder.name)) or not is_same_process(int(match[1]), float(match[2])):
            _remove_dead(folder)
    prefix = f"profile-{os.getpid()}-{psutil.Process().create_time()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=home, ignore_cleanup_errors=True) as name:
        yield Path(name) / "data"


def _remove_dead(profile: Path) -> None:
    """Remove the profile of a dead session, and kill its browser; Firefox outlives its driver."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(str(profile / "data") in word for word in process.cmdline()):
                process.kill()
    shutil.rmtree(profile, ignore_errors=True)
