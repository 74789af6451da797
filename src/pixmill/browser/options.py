"""What a driver is told about the browser that it starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.browser.authority import key_fingerprints
from pixmill.browser.cage import CHROMIUM_PREFERENCES, chromium_switches, firefox_preferences
from pixmill.browser.kind import EDGE, FIREFOX, Kind

if TYPE_CHECKING:
    from selenium.webdriver.common.options import ArgOptions

__all__ = ["browser_options"]

_SWITCHES = (
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-dev-shm-usage",  # Containers give /dev/shm 64 MB, and pages that need more crash.
    "--password-store=basic",
    "--use-mock-keychain",
    "--disable-features=OptimizationHints",
    "--mute-audio",
    "--window-size=1280,960",
)


def browser_options(
    kind: Kind, *, binary: Path | None, profile: Path | None, proxy: str, authority: Path | None, headless: bool
) -> ArgOptions:
    """Return the options of a session: caged, with a profile of its own, and otherwise an ordinary browser.

    Args:
        kind: What kind of browser it is.
        binary: The browser's executable; ``None`` on a grid, which has its own.
        profile: The profile's folder, not there yet; ``None`` on a grid.
        proxy: The address of the proxy that everything goes through.
        authority: A certificate authority, as a PEM file, that is believed beside the browser's own.
        headless: Whether no window is shown.
    """
    if kind == FIREFOX:
        options = _firefox_options(binary, profile, proxy, authority, headless)
    else:
        options = _chromium_options(kind, binary, profile, proxy, authority, headless)
    options.unhandled_prompt_behavior = "dismiss"
    return options


def _chromium_options(
    kind: Kind, binary: Path | None, profile: Path | None, proxy: str, authority: Path | None, headless: bool
) -> ArgOptions:
    from selenium.webdriver.chrome.options import Options as ChromeOptions
    from selenium.webdriver.edge.options import Options as EdgeOptions

    options = EdgeOptions() if kind == EDGE else ChromeOptions()
    arguments = [*_SWITCHES, *chromium_switches(proxy)]
    if headless:
        arguments.append("--headless=new")
    if authority is not None:
        arguments.append(f"--ignore-certificate-errors-spki-list={','.join(key_fingerprints(authority))}")
    if binary is not None:
        options.binary_location = str(binary)
        arguments.append("--remote-debugging-pipe")  # The browser ends with its driver; with a port it outlives it.
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            arguments.append("--no-sandbox")  # Chromium refuses to start as root with its sandbox.
    if profile is not None:
        arguments.append(f"--user-data-dir={profile}")
    for argument in arguments:
        options.add_argument(argument)
    options.add_experimental_option("prefs", dict(CHROMIUM_PREFERENCES))
    # The headers of pages, which may ask for a pause, stand nowhere but in the driver's record of the network.
    options.set_capability(f"{'ms' if kind == EDGE else 'goog'}:loggingPrefs", {"performance": "ALL"})
    # The driver lets every page open windows; an ordinary browser does not.
    options.add_experimental_option("excludeSwitches", ["disable-popup-blocking"])
    return options


def _firefox_options(
    binary: Path | None, profile: Path | None, proxy: str, authority: Path | None, headless: bool
) -> ArgOptions:
    from selenium.webdriver.firefox.options import Options

    options = Options()
    if binary is not None:
        options.binary_location = str(binary)
    if headless:
        options.add_argument("-headless")
    options.add_argument("--width=1280")
    options.add_argument("--height=960")
    downloads = os.devnull
    if profile is not None:
        profile.mkdir(parents=True)
        downloads = str(profile / "downloads")
        for word in ("-profile", str(profile)):
            options.add_argument(word)
    for name, value in firefox_preferences(proxy, downloads).items():
        options.set_preference(name, value)
    # Firefox has no switch for one authority's key. An authority is given to test worlds and intranets only.
    options.accept_insecure_certs = authority is not None
    return options
