"""Supported kinds of browser."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BrowserKind:
    """Browsers that share a driver.

    Args:
        name: Selenium Manager's name.
        title: Name in messages.
    """

    name: str
    title: str


CHROMIUM = BrowserKind("chrome", "Chromium or Chrome")
FIREFOX = BrowserKind("firefox", "Firefox")

KINDS = {"chrome": CHROMIUM, "chromium": CHROMIUM, "firefox": FIREFOX}
"""Kinds by the values of ``PIXMILL_BROWSER``."""
