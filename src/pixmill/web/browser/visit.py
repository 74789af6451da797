"""Open a page in a browser session."""

import contextlib
import re
from urllib.parse import urlsplit

from selenium.common import NoSuchWindowException, TimeoutException, WebDriverException
from selenium.webdriver.remote.webdriver import WebDriver

from pixmill.core.errors import PixmillError

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
        driver: Driver from :func:`pixmill.web.browser.open_browser`, which dismisses alerts.
        url: URL of the page.

    Returns:
        The page's HTTP status; 0 if the browser does not report one.

    Raises:
        UnreachableError: The scheme is not http or https, or the request fails.
        LoadTimeoutError: The page does not finish loading.
        BrowserLostError: The browser crashed or hangs, for instance in an endless script of the page.
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
        if match := _NETWORK_ERROR.search(error.msg or ""):
            code = match["chromium"] or match["firefox"]
            meaning = (
                " (the host is unknown, does not respond, or is neither public nor in scrape.allow_hosts)"
                if code in _NO_TUNNEL
                else ""
            )
            raise UnreachableError(url, code + meaning) from None
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
