"""Keep what a browser shows when a search fails: the page's HTML, its address and a picture of it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

__all__ = ["save_evidence"]

_CHARACTERS = 4_000_000
_PICTURE_BYTES = 8_000_000

_PAGE = "return document.documentElement?.outerHTML.slice(0, arguments[0]).toWellFormed() ?? '';"


def save_evidence(driver: WebDriver, folder: Path) -> Path:
    """Save ``page.html``, ``address.txt`` and ``page.png`` of what a browser shows.

    Where a browser can no longer tell one of them, ``missing.txt`` says so: to keep the evidence of a failure must not
    become another one.

    Args:
        driver: The browser's driver.
        folder: Where to; what an earlier failure left there is replaced.

    Returns:
        The folder.

    Raises:
        BrowserLost: The browser crashed or hangs.
    """
    from selenium.common import WebDriverException

    folder.mkdir(parents=True, exist_ok=True)
    missing = []
    for name, take in (("address.txt", _address), ("page.html", _page), ("page.png", _picture)):
        (folder / name).unlink(missing_ok=True)
        try:
            (folder / name).write_bytes(take(driver))
        except (WebDriverException, _TooLargeError) as error:
            missing.append(f"{name}: {str(error).splitlines()[0] if str(error) else type(error).__name__}\n")
    (folder / "missing.txt").unlink(missing_ok=True)
    if missing:
        (folder / "missing.txt").write_text("".join(missing), encoding="utf-8")
    return folder


class _TooLargeError(Exception):
    pass


def _address(driver: WebDriver) -> bytes:
    return f"{driver.current_url}\n".encode()


def _page(driver: WebDriver) -> bytes:
    html: str = driver.execute_script(_PAGE, _CHARACTERS)
    return html.encode("utf-8", "replace")


def _picture(driver: WebDriver) -> bytes:
    picture = base64.b64decode(driver.get_screenshot_as_base64())
    if len(picture) > _PICTURE_BYTES:
        raise _TooLargeError(f"larger than {_PICTURE_BYTES} bytes")
    return picture
