"""Tell a browser that crashed or hangs from a page that misbehaves."""

import time
from collections.abc import Callable
from typing import Any

from selenium.common import (
    InvalidSessionIdException,
    TimeoutException,
    UnexpectedAlertPresentException,
    WebDriverException,
)
from selenium.webdriver.remote.webdriver import WebDriver
from urllib3.exceptions import HTTPError

from pixmill.core.errors import BrowserLostError

_CRASHES = (
    "tab crashed",
    "disconnected",
    "chrome not reachable",
    "session deleted",
    "target frame detached",
    "failed to decode response from marionette",
    "tried to run command without establishing a connection",
    "unable to execute request for an existing session",
    "bad gateway",
    "gateway time",
    "service unavailable",
    "service temporarily unavailable",
)
"""What drivers say of a browser, or a page's process, that is gone; and what stands before a remote one."""

_NO_ANSWER = "receiving message from renderer"
"""What ChromeDriver says when the page's process does not answer in time, be it busy or waiting for the network."""

_NAVIGATIONS = frozenset({"get", "refresh", "goBack", "goForward", "clickElement"})
"""The commands that wait for the network."""

_NAVIGATED = "aborted by navigation"

_REPEATS = 30
_REPEAT_SECONDS = 0.1


class Watch:
    """Have every command of a driver, and of its elements, raise ``BrowserLostError`` once the browser is lost.

    - The browser or the process of the page is gone: the driver says so.
    - A script, or alerts without end, keep the page's process busy for ever.
    - The driver is gone, or the browser or the driver hangs: no answer comes within the client's time limit, which
      lies above the driver's own limits for pages and scripts.

    A page that loads for too long, or a script that takes too long, is the page's fault and stays what it is,
    Selenium's ``TimeoutException``. After a loss each command fails at once, and the driver has been killed.

    Args:
        driver: The driver to watch; from then on its ``execute``, which every command goes through, is the watch's.
        kill: Ends the driver and the browser without asking either.
        seconds: How long a page whose load has been given up is waited for.

    Attributes:
        lost: Whether the browser is lost.
    """

    def __init__(self, driver: WebDriver, kill: Callable[[], None], seconds: float) -> None:
        self.lost = False
        self._place = "its first page"
        self._kill, self._seconds = kill, seconds
        self._client = driver.command_executor.client_config
        self._execute = driver.execute
        driver.execute = self.execute

    def execute(self, command: Any, params: dict[str, Any] | None = None) -> Any:
        """Send a command, as ``WebDriver.execute`` does; one that an alert or a navigation cuts off is sent again.

        Raises:
            BrowserLostError: The browser crashed or does not answer.
        """
        if self.lost:
            raise self._error()
        if command == "get" and params:
            self._place = params["url"]
        for _ in range(_REPEATS):
            try:
                return self._execute(command, params)
            except UnexpectedAlertPresentException:
                continue  # It was there before the command, and has been dismissed; there may be another one.
            except (HTTPError, WebDriverException) as error:
                if not self._survives(command, error):
                    break
        self.lost = True
        self._kill()
        raise self._error()

    def _survives(self, command: Any, error: HTTPError | WebDriverException) -> bool:
        """Tell whether a command that failed is to be sent again; else the browser is lost.

        Raises:
            WebDriverException: Neither: the error is the page's, or the caller's.
        """
        if isinstance(error, TimeoutException):
            is_navigation = command in _NAVIGATIONS
            if not (is_navigation or _mentions(error, _NO_ANSWER)):
                raise error
            is_alive = self._answers()
            if is_alive and is_navigation:
                raise error
            return is_alive  # What it waited for was the rest of the page, which it has now given up.
        if not isinstance(error, WebDriverException) or isinstance(error, InvalidSessionIdException):
            return False
        if _mentions(error, _NAVIGATED):
            time.sleep(_REPEAT_SECONDS)
            return True
        if not _mentions(error, *_CRASHES):
            raise error
        return False

    def _answers(self) -> bool:
        """Tell whether the page's process does anything, once the load of the page has been given up."""
        usual, self._client.timeout = self._client.timeout, self._seconds
        try:
            self._execute("w3cExecuteScript", {"script": "return 1", "args": []})
        except UnexpectedAlertPresentException:
            pass
        except (TimeoutException, HTTPError):
            return False
        finally:
            self._client.timeout = usual
        return True

    def _error(self) -> BrowserLostError:
        return BrowserLostError(
            f"the browser crashed or hangs at {self._place}",
            next="run the same command again; if it recurs: pixmill doctor",
        )


def _mentions(error: WebDriverException, *messages: str) -> bool:
    return any(message in (error.msg or "").lower() for message in messages)
