"""A browser with its driver: found or installed, and opened with one proxy as its only way out.

- ``finder``: which browser and driver there are, whether they fit, and how to install them
- ``kind`` and ``remote``: the kinds of browser, and the remote driver that the environment names
- ``session``, ``driver`` and ``options``: one session with one proxy as the only way out, and nothing left behind it
- ``visit``: how a page is opened
- ``watch``: what tells a lost browser from a bad page
"""

from pixmill.web.browser.finder import Browser, choose_browser, find_browser, install_browser
from pixmill.web.browser.remote import RemoteDriver, check_remote
from pixmill.web.browser.session import Timings, open_browser
from pixmill.web.browser.visit import LoadTimeoutError, UnreachableError, close_popups, visit

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
