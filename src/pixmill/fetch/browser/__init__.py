"""A sandboxed browser: found or installed, and opened with one proxy as its only way out.

- ``finder``: find or install a browser and a driver with matching versions, or the remote driver
  from ``PIXMILL_WEBDRIVER_URL``
- ``session``, ``options``: a session with its driver process, profile, kind and sandbox settings
- ``visit``: open a page; detect a crashed or hanging browser
"""

from pixmill.fetch.browser.finder import (
    Browser,
    RemoteDriver,
    check_remote,
    choose_browser,
    find_browser,
    install_browser,
)
from pixmill.fetch.browser.session import Timings, open_browser
from pixmill.fetch.browser.visit import LoadTimeoutError, UnreachableError, close_popups, visit

__all__ = [
    "Browser",
    "LoadTimeoutError",
    "RemoteDriver",
    "Timings",
    "UnreachableError",
    "check_remote",
    "choose_browser",
    "close_popups",
    "find_browser",
    "install_browser",
    "open_browser",
    "visit",
]
