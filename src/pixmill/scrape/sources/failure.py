"""Failures of searches and the pages saved with them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pixmill.core.errors import ScrapeError
from pixmill.core.files.writing import fresh_folder
from pixmill.core.words import printable

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

Failure = Literal[
    "blocked",
    "captcha",
    "consent",
    "endless",
    "layout_changed",
    "no_results",
    "robots",
    "stalled",
    "timeout",
    "too_few",
    "unreachable",
]
"""Kinds of failures.

``blocked``: block or rate limit; ``captcha``: CAPTCHA; ``consent``: consent dialog without a known button;
``endless``: the page did not end in time; ``layout_changed``: the selectors match nothing; ``no_results``: the site has
no results; ``robots``: disallowed by ``robots.txt``; ``stalled``: the page stopped before its end; ``timeout``: the
page did not load in time; ``too_few``: fewer candidates than ``scrape.expect_at_least``; ``unreachable``: no network or
no such host.
"""

_MAX_MESSAGE_CHARACTERS = 8192
"""Length to which messages are cut; long enough for any requested URL."""

_MAX_HTML_CHARACTERS = 4_000_000

_HTML = "return document.documentElement?.outerHTML.slice(0, arguments[0]).toWellFormed() ?? '';"


class SearchError(ScrapeError):
    """A search failed or stopped early.

    Args:
        failure: Kind of the failure.
        message: Description with the URL. It may quote the site: control characters are escaped, and long text is cut.
        advice: Next step for the user; printed once per kind of failure.
        evidence: Folder with the saved page and its screenshot, for messages.
    """

    def __init__(
        self, failure: Failure, message: str, *, advice: str | None = None, evidence: str | None = None
    ) -> None:
        super().__init__(printable(message[:_MAX_MESSAGE_CHARACTERS]))
        self.failure: Failure = failure
        self.advice = advice
        self.evidence = evidence


def save_evidence(driver: WebDriver, folder: Path) -> Path:
    """Save the current page as ``page.html``, ``address.txt`` and ``page.png``.

    If the browser fails to return one of them, ``missing.txt`` has the error.

    Args:
        driver: Driver of the browser.
        folder: Target folder; existing files are removed.

    Returns:
        The folder.

    Raises:
        BrowserLostError: The browser crashed or hangs.
    """
    from selenium.common import WebDriverException

    fresh_folder(folder)
    try:
        (folder / "address.txt").write_text(f"{driver.current_url}\n", encoding="utf-8")
        html = driver.execute_script(_HTML, _MAX_HTML_CHARACTERS)
        (folder / "page.html").write_text(html, encoding="utf-8", errors="replace")
        (folder / "page.png").write_bytes(base64.b64decode(driver.get_screenshot_as_base64()))
    except WebDriverException as error:
        (folder / "missing.txt").write_text(f"{error}\n", encoding="utf-8")
    return folder
