"""A browser with its driver: found or installed, and opened in a cage that it cannot leave.

- ``finder``, ``kind`` and ``version``: which browser and driver there are, and whether they fit
- ``installer``: a browser where there is none
- ``session``, ``driver``, ``profile`` and ``options``: one session, and nothing left behind it
- ``cage`` and ``authority``: one proxy as the only way out
- ``visit``: how a page is opened
- ``loss``: what tells a lost browser from a bad page
"""

from pixmill.browser.finder import Browser, Grid, choose_browser, find_browser
from pixmill.browser.installer import install_browser
from pixmill.browser.session import open_browser
from pixmill.browser.visit import LoadTimeout, Unreachable, Visit, close_popups, visit

__all__ = [
    "Browser",
    "Grid",
    "LoadTimeout",
    "Unreachable",
    "Visit",
    "choose_browser",
    "close_popups",
    "find_browser",
    "install_browser",
    "open_browser",
    "visit",
]
