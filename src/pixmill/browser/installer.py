"""Install a browser with its driver where none is found."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pixmill.browser.finder import Browser, find_browser, installed_browsers, is_chosen
from pixmill.errors import BrowserError

__all__ = ["install_browser"]

_APT = ["apt-get", "install", "--yes", "chromium", "chromium-driver"]
_APT_SECONDS = 900.0


def install_browser(*, report: Callable[[str], None], environ: Mapping[str, str] = os.environ) -> Browser:
    """Return a browser with a driver that fits it, and install them where they are not found.

    The system's packages come first (as root on Debian and its kin), then Selenium Manager, which downloads Chrome for
    Testing, or only the driver for a browser that is there.

    Args:
        report: Told one line before each step that takes long or reaches out to the network.
        environ: The environment to look into; a browser that a person chose there is never replaced.

    Raises:
        BrowserError: Nothing fits and nothing could be installed.
    """
    try:
        return find_browser(environ=environ)
    except BrowserError:
        if is_chosen(environ):
            raise
    failures = []
    for step in (_with_apt, _with_selenium_manager):
        failure = step(report, environ)
        try:
            return find_browser(environ=environ)
        except BrowserError as error:
            failures.append(failure or error.message)
    raise BrowserError(f"no browser could be installed: {'; '.join(failures)}", next=_by_hand(environ))


def _with_apt(report: Callable[[str], None], environ: Mapping[str, str]) -> str | None:
    """Install with ``apt-get``; return why it could not, if so."""
    if not _is_debian(environ):
        return "no apt-get on this system"
    if os.geteuid() != 0:
        return "apt-get needs root"
    report(f"Installing a browser: {' '.join(_APT)}")
    for command in (["apt-get", "update"], _APT):
        try:
            done = subprocess.run(  # noqa: S603
                command,
                env={**environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_APT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"{' '.join(command)} did not end within {_APT_SECONDS:g} s"
    # The lists of packages may be fresh enough even where the update failed, so the installation alone decides.
    return None if done.returncode == 0 else f"apt-get said: {_last_line(done.stderr or done.stdout)}"


def _with_selenium_manager(report: Callable[[str], None], environ: Mapping[str, str]) -> str | None:
    """Download with Selenium Manager; return why it could not, if so."""
    from selenium.common import WebDriverException
    from selenium.webdriver.common.selenium_manager import SeleniumManager

    report("Downloading a browser with Selenium Manager (Chrome for Testing and ChromeDriver, by Google)")
    options = ["--browser", "chrome", "--avoid-stats", "--skip-driver-in-path"]
    if cache := environ.get("SE_CACHE_PATH"):
        options += ["--cache-path", cache]
    own = [["--browser-path", str(path)] for path in installed_browsers(environ)[:1]]
    failure = None
    for wanted in [*own, ["--skip-browser-in-path"]]:
        try:
            paths = SeleniumManager().binary_paths([*options, *wanted])
        except WebDriverException as error:
            failure = f"Selenium Manager said: {_reason(error.msg or '')}"
            continue
        if Path(paths.get("driver_path") or "/nowhere").is_file():
            return None
        failure = "Selenium Manager found no driver that fits"
    return failure


def _reason(message: str) -> str:
    # The exception carries the whole command line and the printed answer; only the answer's message tells anything.
    told = re.search(r"""'message': (['"])(.+?)\1""", message)
    return told[2] if told else _last_line(message)


def _by_hand(environ: Mapping[str, str]) -> str:
    if _is_debian(environ):
        return "sudo apt-get install chromium chromium-driver"
    if sys.platform == "darwin":
        return "brew install --cask google-chrome chromedriver"
    return (
        "install Chrome or Chromium with the ChromeDriver of its version, "
        "or set PIXMILL_BROWSER and PIXMILL_DRIVER to where they are"
    )


def _is_debian(environ: Mapping[str, str]) -> bool:
    return sys.platform == "linux" and shutil.which("apt-get", path=environ.get("PATH", "")) is not None


def _last_line(text: str) -> str:
    return (text.strip() or "nothing").splitlines()[-1]
