"""Open a page: the one way in which a browser is sent anywhere."""

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

_ALERTS = 10

_NETWORK_ERROR = re.compile(r"net::(?P<chromium>ERR_\w+)|about:neterror\?e=(?P<firefox>\w+)")

_NO_TUNNEL = {"ERR_TUNNEL_CONNECTION_FAILED", "proxyConnectFailure"}
"""What browsers call a host with TLS that the proxy does not lead to: they do not tell what the proxy says of it."""


class UnreachableError(PixmillError):
    """Why there is no page at a URL.

    Args:
        url: What was to be opened.
        reason: The browser's name for the error (``ERR_CONNECTION_RESET``), explained where need be, or the proxy's own
            words.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} cannot be opened: {reason}")
        self.reason = reason


class LoadTimeoutError(PixmillError):
    """Say that a page does not finish to load; what has arrived of it may be looked at."""


def visit(driver: WebDriver, url: str) -> int:
    """Open a page in the window of a session, and close every other window; return the page's HTTP status.

    Where the browser does not tell, the status is 0.

    Args:
        driver: A driver of :func:`pixmill.web.browser.open_browser`; it dismisses alerts by itself.
        url: The page's address.

    Raises:
        UnreachableError: The URL is not one of http or https, or there is no answer to it.
        LoadTimeoutError: The page does not finish to load.
        BrowserLostError: The browser crashed or hangs; a page that never lets go of it counts as a hang.
    """
    # A driver would open file:, view-source: and chrome: as well.
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
    # An alert that opens while a script runs takes its answer away.
    answers = (driver.execute_script(_ARRIVAL) for _ in range(_ALERTS))
    match next(filter(None, answers), [0, "it shows alert after alert"]):
        case [_, str(refusal)] if refusal:
            raise UnreachableError(url, refusal)
        case [int(status), _]:
            return status
        case _:  # The page changed what the words of a script mean.
            return 0


def close_popups(driver: WebDriver) -> None:
    """Close every window but the session's own, and return to that."""
    windows = driver.window_handles
    try:
        own = driver.current_window_handle
    except NoSuchWindowException:  # A popup that was looked at closed itself.
        own = windows[0]
        driver.switch_to.window(own)
    for window in windows:
        if window != own:
            with contextlib.suppress(NoSuchWindowException):
                driver.switch_to.window(window)
                driver.close()
    if len(windows) > 1:
        driver.switch_to.window(own)
