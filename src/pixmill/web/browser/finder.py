"""Find a browser and a driver that fits it, install them, or use the remote driver that the environment names."""

import contextlib
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from selenium.common import WebDriverException
from selenium.webdriver.common.selenium_manager import SeleniumManager

from pixmill.core.errors import BrowserError
from pixmill.web.browser.kind import CHROMIUM, FIREFOX, KINDS, BrowserKind
from pixmill.web.browser.remote import RemoteDriver, choose_remote

_INSTALL = "pixmill browser --install"
_CHOICE = "set PIXMILL_BROWSER and PIXMILL_DRIVER to a matching browser and driver, or unset both"
_MISFIT = "remove the older one from PATH, or set PIXMILL_BROWSER and PIXMILL_DRIVER to a pair of the same version"
_APT = ["apt-get", "install", "--yes", "chromium", "chromium-driver"]
_APT_SECONDS = 900.0
_VERSION = re.compile(r"\d+(?:\.\d+){1,3}")
_VERSION_SECONDS = 20.0
"""A browser answers ``--version`` in a tenth of a second; one that waits for a display or a snap never does."""


@dataclass(frozen=True)
class Browser:
    """A browser of this machine and the driver that fits it.

    Args:
        binary: The browser's executable.
        driver: The driver's executable.
        version: The browser's full version, such as ``156.0.8078.79``.
        driver_version: The driver's full version; its major number equals the browser's, Firefox' excepted.
        kind: What kind of browser it is.
    """

    binary: Path
    driver: Path
    version: str
    driver_version: str
    kind: BrowserKind = CHROMIUM


def choose_browser(*, environ: Mapping[str, str] = os.environ) -> Browser | RemoteDriver:
    """Return the remote driver that ``PIXMILL_WEBDRIVER_URL`` names, or else a browser of this machine.

    Args:
        environ: The environment.

    Raises:
        BrowserError: Nothing fits, or the address of the driver is none.
    """
    return choose_remote(environ) or find_browser(environ=environ)


def find_browser(*, environ: Mapping[str, str] = os.environ) -> Browser:
    """Find an installed browser and a driver that fits it, without the network.

    ``PIXMILL_BROWSER`` (``chrome``, ``chromium``, ``firefox`` or a path) and ``PIXMILL_DRIVER`` (a path)
    decide where they are set. What they leave open Selenium Manager answers: from this process's ``PATH``, the system's
    usual places and what it has downloaded before. ChromeDriver itself drives a browser of another version without
    complaint, and then fails in ways that nobody understands, hence versions are compared here.

    Args:
        environ: The environment.

    Raises:
        BrowserError: There is no browser, no driver, or they do not fit each other.
    """
    kind, binary = _choose_browser(environ)
    driver = _choose_file("PIXMILL_DRIVER", environ)
    step = _CHOICE if _is_chosen(environ) else _INSTALL
    if binary is None or driver is None:
        with contextlib.suppress(BrowserError):  # What is missing is named below.
            located = _ask_manager(kind, binary, "--offline")
            binary, driver = binary or located[0], driver or located[1]
    if binary is None:
        raise BrowserError(f"no {kind.title} was found on this machine", next=step)
    version = _version_of(binary)
    if driver is None:
        raise BrowserError(f"no driver was found for the browser {binary} (version {version})", next=step)
    driver_version = _version_of(driver)
    if not _fit(kind, version, driver_version):
        raise BrowserError(
            f"the browser {binary} (version {version}) and the driver {driver} (version {driver_version}) do not fit: "
            "their major versions differ",
            next=_CHOICE if _is_chosen(environ) else _MISFIT,
        )
    return Browser(binary, driver, version, driver_version, kind)


def _fit(kind: BrowserKind, version: str, driver_version: str) -> bool:
    # geckodriver counts its own versions; each drives many of Firefox.
    return kind == FIREFOX or version.split(".")[0] == driver_version.split(".")[0]


def install_browser(*, report: Callable[[str], None], environ: Mapping[str, str] = os.environ) -> Browser:
    """Return a browser with a driver that fits it, and install them where they are not found.

    Selenium Manager downloads Chrome for Testing, or only the driver for a browser that is there; where that does not
    help, the system's packages do (as root on Debian and its kin).

    Args:
        report: Told one line before each step that takes long or reaches out to the network.
        environ: The environment, whose choice is never replaced.

    Raises:
        BrowserError: Nothing fits and nothing could be installed.
    """
    try:
        return find_browser(environ=environ)
    except BrowserError:
        if _is_chosen(environ):
            raise
    failures: list[str] = []
    for install in (_download, _install_packages):
        try:
            install(report)
            return find_browser(environ=environ)
        except BrowserError as error:
            failures.append(error.message)
    by_hand = f"sudo {' '.join(_APT)}" if shutil.which("apt-get") else _CHOICE
    raise BrowserError(f"no browser could be installed: {'; '.join(failures)}", next=by_hand)


def _is_chosen(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("PIXMILL_BROWSER") or environ.get("PIXMILL_DRIVER"))


def _choose_browser(environ: Mapping[str, str]) -> tuple[BrowserKind, Path | None]:
    chosen = (environ.get("PIXMILL_BROWSER") or "chrome").lower()
    if chosen == "chromium":  # Selenium Manager knows it as a Chrome only.
        binary = shutil.which("chromium") or shutil.which("chromium-browser")
        return CHROMIUM, Path(binary) if binary else None
    if chosen in KINDS:
        return KINDS[chosen], None
    path = _choose_file("PIXMILL_BROWSER", environ)
    name = path.name.lower() if path else ""
    return FIREFOX if "firefox" in name else CHROMIUM, path


def _choose_file(variable: str, environ: Mapping[str, str]) -> Path | None:
    if not (chosen := environ.get(variable)):
        return None
    if not Path(chosen).is_file():
        known = ": expected chrome, chromium, firefox or a path" if variable == "PIXMILL_BROWSER" else ""
        raise BrowserError(f"{variable} names {chosen}, which is not a file{known}", next=_CHOICE)
    return Path(chosen)


def _ask_manager(kind: BrowserKind, binary: Path | None, *options: str) -> tuple[Path | None, Path | None]:
    """Return the browser and the driver that Selenium Manager knows.

    Raises:
        BrowserError: It knows none, or cannot download them.
    """
    # It warns of each thing that it does not find; what matters of that is in our own message.
    logging.getLogger("selenium.webdriver.common.selenium_manager").setLevel(logging.ERROR)
    own = ["--browser-path", str(binary)] if binary else []
    try:
        paths = SeleniumManager().binary_paths(["--browser", kind.name, "--avoid-stats", *own, *options])
    except WebDriverException as error:
        # The exception carries the whole command line and the printed answer; only the answer's message tells anything.
        message = re.search(r"""'message': (['"])(.+?)\1""", error.msg or "")
        raise BrowserError(
            f"Selenium Manager failed: {message[2] if message else _last_line(error.msg or '')}"
        ) from None
    browser, driver = (Path(paths.get(name) or "/nowhere") for name in ("browser_path", "driver_path"))
    return browser if browser.is_file() else None, driver if driver.is_file() else None


def _download(report: Callable[[str], None]) -> None:
    report("Downloading a browser with Selenium Manager (Chrome for Testing and ChromeDriver, by Google)")
    _ask_manager(CHROMIUM, None, "--skip-driver-in-path")


def _install_packages(report: Callable[[str], None]) -> None:
    if sys.platform != "linux" or not shutil.which("apt-get"):
        raise BrowserError("no apt-get on this system")
    if os.geteuid() != 0:
        raise BrowserError("apt-get needs root")
    report(f"Installing a browser: {' '.join(_APT)}")
    for command in (["apt-get", "update"], _APT):
        done = _run(command, _APT_SECONDS)
    # The lists of packages may be fresh enough even where the update failed, so the installation alone decides.
    if done.returncode != 0:
        raise BrowserError(f"apt-get failed: {_last_line(done.stderr or done.stdout)}")


def _version_of(executable: Path) -> str:
    answer = _run([str(executable), "--version"], _VERSION_SECONDS)
    version = _VERSION.search(answer.stdout)
    if answer.returncode != 0 or version is None:
        output = _last_line(answer.stderr.strip() or answer.stdout)
        raise BrowserError(
            f"{executable} --version returned {answer.returncode}: {output}", next=f"{_INSTALL}; or {_CHOICE}"
        )
    return version[0]


def _run(command: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603
            command,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BrowserError(f"{' '.join(command)} timed out after {seconds:g} s", next=_CHOICE) from None
    except OSError as error:
        raise BrowserError(f"{' '.join(command)} cannot be run: {error.strerror}", next=_CHOICE) from None


def _last_line(text: str) -> str:
    return (text.strip() or "nothing").splitlines()[-1]
