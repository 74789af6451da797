"""Why a search failed, in one word for tables and a sentence for people, and what the browser showed then."""

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
"""What a search fails of.

``blocked``: the site refuses programs, or asks for a pause; ``captcha``: it asks for a proof of being human;
``consent``: it asks for a consent that could not be given; ``endless``: the page goes on without an end;
``layout_changed``: the page holds nothing that the selectors find; ``no_results``: the site says that there are none;
``robots``: its ``robots.txt`` asks programs to stay away; ``stalled``: the page stopped before its end; ``timeout``: it
did not load in time; ``too_few``: fewer candidates than ``scrape.expect_at_least``; ``unreachable``: there is no
network, or no such host.
"""

_LONGEST = 8192
"""Characters of a message: room for an address of any length that is asked for, and what came of it."""


_CHARACTERS = 4_000_000
"""Of a page's HTML that is saved."""

_HTML = "return document.documentElement?.outerHTML.slice(0, arguments[0]).toWellFormed() ?? '';"


class SearchError(ScrapeError):
    """Why a search did not answer as it should.

    Args:
        failure: The word for tables.
        message: What happened, with the URL. It may quote the site: characters that would not show, or could lead a
            terminal astray, are escaped, and what is endless is cut.
        advice: What the user can do, printed once for many searches that fail alike.
        evidence: The folder with the saved page and its screenshot, for messages.
    """

    def __init__(
        self, failure: Failure, message: str, *, advice: str | None = None, evidence: str | None = None
    ) -> None:
        super().__init__(printable(message[:_LONGEST]))
        self.failure: Failure = failure
        self.advice = advice
        self.evidence = evidence


def save_evidence(driver: WebDriver, folder: Path) -> Path:
    """Save ``page.html``, ``address.txt`` and ``page.png`` of what a browser shows.

    Where a browser can no longer tell one of them, ``missing.txt`` says why: to keep the evidence of a failure must not
    become another one.

    Args:
        driver: The browser's driver.
        folder: Where to; what an earlier failure left there is replaced.

    Returns:
        The folder.

    Raises:
        BrowserLostError: The browser crashed or hangs.
    """
    from selenium.common import WebDriverException

    fresh_folder(folder)
    try:
        (folder / "address.txt").write_text(f"{driver.current_url}\n", encoding="utf-8")
        html = driver.execute_script(_HTML, _CHARACTERS)
        (folder / "page.html").write_text(html, encoding="utf-8", errors="replace")
        (folder / "page.png").write_bytes(base64.b64decode(driver.get_screenshot_as_base64()))
    except WebDriverException as error:
        (folder / "missing.txt").write_text(f"{error}\n", encoding="utf-8")
    return folder
