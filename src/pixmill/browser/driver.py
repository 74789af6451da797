"""The driver's process: started for one session, and ended with everything that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import TYPE_CHECKING

from pixmill.browser.finder import Browser
from pixmill.browser.kind import EDGE, FIREFOX
from pixmill.errors import BrowserError
from pixmill.process import die_with_parent

if TYPE_CHECKING:
    from selenium.webdriver.common.service import Service

__all__ = ["Driver", "running_driver"]

_LEAVE_SECONDS = 5.0

_STARTS = 4
"""Selenium tells the driver to take a port that was free a moment ago. Where another program came first, it ends."""


class Driver:
    """Hold a driver's process.

    Args:
        service: Selenium's service, started.
        browser: What it drives.
    """

    def __init__(self, service: Service, browser: Browser) -> None:
        self._service = service
        self._shuts_down_when_asked = browser.kind != FIREFOX
        self._process: subprocess.Popen[bytes] = service.process

    @property
    def url(self) -> str:
        """Where the driver takes commands."""
        return str(self._service.service_url)

    def leave(self) -> None:
        """Ask the driver to end; it clears its temporary folders away, which one that is killed does not.

        Raises:
            OSError: It does not answer; then :meth:`kill` it.
            HTTPException: Likewise.
            TimeoutExpired: It does not end; likewise.
        """
        if self._shuts_down_when_asked:
            address = ("localhost", self._service.port)
            with contextlib.closing(HTTPConnection(*address, timeout=_LEAVE_SECONDS)) as connection:
                connection.request("GET", "/shutdown")
                connection.getresponse().read()
        else:
            self._process.terminate()
        self._process.wait(_LEAVE_SECONDS)

    def kill(self) -> None:
        """End the driver and all that it started, without asking."""
        if os.name != "posix":
            self._process.kill()
            return
        # The driver leads a group of its own, and everything it started is in it. macOS forbids to signal a group that
        # has nothing but the dead in it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


@contextlib.contextmanager
def running_driver(browser: Browser) -> Iterator[Driver]:
    """Start a driver, and leave no process of it behind.

    On Linux it dies with the *thread* that started it (``PR_SET_PDEATHSIG``), which must therefore outlive the session.

    Raises:
        BrowserError: It does not start.
    """
    service = _started(browser)
    with service.process:
        driver = Driver(service, browser)
        try:
            yield driver
        finally:
            driver.kill()


def _started(browser: Browser) -> Service:
    from selenium.common import WebDriverException

    apart = {"start_new_session": True} if os.name == "posix" else {}
    bound = {"preexec_fn": die_with_parent} if sys.platform == "linux" else {}
    for start in range(1, _STARTS + 1):
        service = _service(browser, {**apart, **bound})
        # Set afterwards, since SE_CHROMEDRIVER overrules the constructor's argument.
        service.path = str(browser.driver)
        service.process = None
        try:
            service.start()
            break
        except (OSError, WebDriverException) as error:
            # One that could not be executed has no process. Of one that hung Selenium asks its end, and waits for it in
            # vain where it does not heed SIGTERM: that took long enough.
            code = None
            if service.process is not None:
                Driver(service, browser).kill()
                code = service.process.wait()
            if start == _STARTS or code is None or code <= 0:
                raise BrowserError(
                    f"the driver {browser.driver} did not start: {error}",
                    next=f"see why with: {browser.driver} --port=0",
                ) from None
    return service


def _service(browser: Browser, popen: dict[str, object]) -> Service:
    from selenium.webdriver.chrome.service import Service as ChromeService
    from selenium.webdriver.edge.service import Service as EdgeService
    from selenium.webdriver.firefox.service import Service as FirefoxService

    if browser.kind == FIREFOX:
        return FirefoxService(popen_kw=popen)
    return EdgeService(popen_kw=popen) if browser.kind == EDGE else ChromeService(popen_kw=popen)
