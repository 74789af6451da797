"""Real browsers: a plain one for local pages, and Pixmill's, confined to a network."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixmill.fetch import Network
from pixmill.fetch.browser import find_browser, open_browser
from pixmill.fetch.proxy import Proxy

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

__all__ = ["open_chrome", "open_confined", "show"]

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
)


@contextlib.contextmanager
def open_chrome(*flags: str) -> Iterator["WebDriver"]:
    """Open a browser of 1280 x 900 pixels, with further flags, that keeps the log of pages."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    os.environ["SE_OFFLINE"] = "true"
    options = webdriver.ChromeOptions()
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*_FLAGS, *flags):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def show(driver: "WebDriver", page: Path, width: int) -> "WebDriver":
    """Open a page, which must log nothing, in a window of this width (phones: below 640 pixels)."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 640}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.get("about:blank")
    driver.get(page.as_uri())
    assert driver.get_log("browser") == []
    return driver


@contextlib.contextmanager
def open_confined(network: Network, profile: Path, **options: Any) -> Iterator["WebDriver"]:
    """Open a browser that is confined to a network; options are those of `open_browser`."""
    with (
        Proxy(network) as proxy,
        open_browser(
            find_browser(), proxy=proxy.url, profile=profile, authority=network.authority, **options
        ) as driver,
    ):
        yield driver
