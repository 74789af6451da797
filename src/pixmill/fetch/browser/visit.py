"""Open a page in a session; tell a crashed or hanging browser from a misbehaving page."""

import contextlib
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from selenium.common import (
    InvalidSessionIdException,
    NoSuchWindowException,
    TimeoutException,
    UnexpectedAlertPresentException,
    WebDriverException,
)
from selenium.webdriver.remote.webdriver import WebDriver
from urllib3.exceptions import HTTPError

from pixmill.core.errors import BrowserLostError, PixmillError

_ARRIVAL = """
const entry = performance.getEntriesByType("navigation")[0];
const status = entry && entry.responseStatus || 0;
const line = document.contentType === "text/plain" && document.body ? document.body.textContent.trim() : "";
if (line.startsWith("pixmill: ")) return [status, line.slice(9, 300)];
if (location.protocol !== "chrome-error:" || status) return [status, ""];
const code = /ERR_\\w+/.exec(document.documentElement.textContent);
return [status, code ? code[0] : "the browser shows an error page"];
"""

_MAX_ALERTS = 10

_NETWORK_ERROR = re.compile(r"net::(?P<chromium>ERR_\w+)|about:neterror\?e=(?P<firefox>\w+)")

_NO_TUNNEL = {"ERR_TUNNEL_CONNECTION_FAILED", "proxyConnectFailure"}
"""Error codes of an https host that the proxy refuses; browsers hide the proxy's reason."""

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
"""Messages of drivers whose browser or page process is gone, and of their gateways."""

_NO_ANSWER = "receiving message from renderer"
"""ChromeDriver's message if the page's process is busy or waits for the network."""

_NAVIGATIONS = frozenset({"get", "refresh", "goBack", "goForward", "clickElement"})
"""Commands that wait for the network."""

_NAVIGATED = "aborted by navigation"
_MAX_ATTEMPTS = 30
_RETRY_SECONDS = 0.1


class UnreachableError(PixmillError):
    """Raised when a URL cannot be opened.

    Args:
        url: The URL.
        reason: The browser's error code, such as ``ERR_CONNECTION_RESET``, or the proxy's message.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} cannot be opened: {reason}")
        self.reason = reason


class LoadTimeoutError(PixmillError):
    """Raised when a page does not finish loading; the part that has arrived can be read."""


def visit(driver: WebDriver, url: str) -> int:
    """Open a page in the session's window, and close all other windows.

    Args:
        driver: Driver from :func:`pixmill.fetch.browser.open_browser`, which dismisses alerts.
        url: URL of the page.

    Returns:
        The page's HTTP status; 0 if the browser does not report one.

    Raises:
        UnreachableError: The scheme is not http or https, or the request fails.
        LoadTimeoutError: The page does not finish loading.
        BrowserLostError: The browser crashed or hangs, for instance in an endless script of the
            page.
    """
    # The driver would also open file:, view-source: and chrome: URLs.
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise UnreachableError(url, "only http and https URLs are opened")
    close_popups(driver)
    try:
        driver.get(url)
    except TimeoutException:
        close_popups(driver)
        raise LoadTimeoutError(f"{url} did not load in time") from None
    except WebDriverException as error:
        if reason := _network_error(error):
            raise UnreachableError(url, reason) from None
        raise
    close_popups(driver)
    # A script returns nothing if an alert opens while it runs.
    answers = (driver.execute_script(_ARRIVAL) for _ in range(_MAX_ALERTS))
    match next(filter(None, answers), [0, "the page keeps opening alerts"]):
        case [_, str(refusal)] if refusal:
            raise UnreachableError(url, refusal)
        case [int(status), _]:
            return status
        case _:  # the page has overridden built-ins that the script uses
            return 0


def _network_error(error: WebDriverException) -> str | None:
    """Return the browser's error code with its meaning; ``None`` for other errors."""
    match = _NETWORK_ERROR.search(error.msg or "")
    if match is None:
        return None
    code = match["chromium"] or match["firefox"]
    if code not in _NO_TUNNEL:
        return code
    cause = "the host is unknown, does not respond, or is neither public nor in scrape.allow_hosts"
    return f"{code} ({cause})"


def close_popups(driver: WebDriver) -> None:
    """Close all windows except the session's own, and switch to it."""
    windows = driver.window_handles
    try:
        own = driver.current_window_handle
    except NoSuchWindowException:  # the current popup has closed itself
        own = windows[0]
        driver.switch_to.window(own)
    for window in windows:
        if window != own:
            with contextlib.suppress(NoSuchWindowException):
                driver.switch_to.window(window)
                driver.close()
    if len(windows) > 1:
        driver.switch_to.window(own)


class Watch:
    """Make a driver's commands raise ``BrowserLostError`` once the browser is lost.

    A browser is lost if

    - the driver reports that the browser or the page's process is gone,
    - a script or endless alerts keep the page's process busy, or
    - the driver is gone or hangs: no answer comes within the client's timeout, which exceeds the
      driver's own timeouts for pages and scripts.

    A page that loads too slowly or a script that takes too long raises Selenium's
    ``TimeoutException`` as usual. A lost driver is killed, and all later commands fail at once.

    Args:
        driver: The driver; its ``execute``, which all commands use, is replaced.
        kill: Kills the driver and the browser.
        seconds: Timeout for a page's answer after its load has been aborted.

    Attributes:
        lost: Whether the browser is lost.
    """

    def __init__(self, driver: WebDriver, kill: Callable[[], None], seconds: float) -> None:
        self.lost = False
        self._place = "its first page"
        self._kill = kill
        self._seconds = seconds
        self._client = driver.command_executor.client_config
        self._execute = driver.execute
        driver.execute = self.execute

    def execute(self, command: Any, params: dict[str, Any] | None = None) -> Any:
        """Send a command; repeat it if an alert or a navigation interrupts it.

        Raises:
            BrowserLostError: The browser crashed or does not answer.
        """
        if self.lost:
            raise self._error()
        if command == "get" and params:
            self._place = params["url"]
        for _ in range(_MAX_ATTEMPTS):
            try:
                return self._execute(command, params)
            except UnexpectedAlertPresentException:
                continue  # dismissed by now; there may be another
            except (HTTPError, WebDriverException) as error:
                if not self._can_retry(command, error):
                    break
        self.lost = True
        self._kill()
        raise self._error()

    def _can_retry(self, command: Any, error: HTTPError | WebDriverException) -> bool:
        """Return True if a failed command can be repeated, False if the browser is lost.

        Raises:
            WebDriverException: The page or the caller caused the error.
        """
        if isinstance(error, TimeoutException):
            is_navigation = command in _NAVIGATIONS
            if not (is_navigation or _mentions(error, _NO_ANSWER)):
                raise error
            is_alive = self._answers()
            if is_alive and is_navigation:
                raise error
            return (
                is_alive  # the command waited for the rest of the page, whose load is now aborted
            )
        if not isinstance(error, WebDriverException) or isinstance(
            error, InvalidSessionIdException
        ):
            return False
        if _mentions(error, _NAVIGATED):
            time.sleep(_RETRY_SECONDS)
            return True
        if not _mentions(error, *_CRASHES):
            raise error
        return False

    def _answers(self) -> bool:
        """Return whether the page's process answers after the page's load has been aborted."""
        usual = self._client.timeout
        self._client.timeout = self._seconds
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
