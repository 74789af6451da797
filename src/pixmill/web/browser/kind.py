"""The kinds of browser that there are drivers for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BrowserKind:
    """The browsers that one driver drives.

    Args:
        name: What Selenium Manager calls the browser.
        title: What people call the browser.
    """

    name: str
    title: str


CHROMIUM = BrowserKind("chrome", "Chromium or Chrome")
FIREFOX = BrowserKind("firefox", "Firefox")

KINDS = {"chrome": CHROMIUM, "chromium": CHROMIUM, "firefox": FIREFOX}
"""The kinds by the names that ``PIXMILL_BROWSER`` may have."""
