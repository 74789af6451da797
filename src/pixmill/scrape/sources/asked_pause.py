"""Read from a browser's own record for how long a site asks to be left alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

__all__ = ["asked_pause", "read_pause"]

_LONGEST = 60


def asked_pause(driver: WebDriver) -> str | None:
    """Return the ``Retry-After`` that the last page came with, as written (RFC 9110, section 10.2.3).

    Scripts do not see a page's headers. Chromium's driver keeps a record of them where a session was opened with
    ``goog:loggingPrefs``; for other browsers the answer is ``None``.

    Args:
        driver: The browser's driver.

    Raises:
        BrowserLost: The browser crashed or hangs.
    """
    from selenium.common import WebDriverException

    try:
        entries = driver.execute("getLog", {"type": "performance"})["value"]
    except (KeyError, WebDriverException):  # No such command, or no such record.
        return None
    return read_pause(json.loads(entry["message"])["message"] for entry in entries)


def read_pause(events: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the ``Retry-After`` of the last document among the events of a browser's network."""
    asked = None
    for event in events:
        parameters = event.get("params", {})
        if event.get("method") == "Network.responseReceived" and parameters.get("type") == "Document":
            headers = parameters["response"]["headers"]
            asked = next((value for name, value in headers.items() if name.lower() == "retry-after"), None)
    return asked[:_LONGEST] if asked is not None else None
