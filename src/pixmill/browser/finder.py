"""Find a browser and a driver of the same major version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pixmill.errors import BrowserError

_BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_DRIVER_NAMES = ("chromedriver",)

_VERSION = re.compile(r"\d+(?:\.\d+){2,3}")
_VERSION_SECONDS = 20.0
"""A browser answers ``--version`` in a tenth of a second; one that waits for a display or a snap never does."""

_INSTALL = "pixmill browser --install"
_CHOICE = "set PIXMILL_BROWSER and PIXMILL_DRIVER to a browser and a driver of one major version, or unset both"


@dataclass(frozen=True)
class Browser:
    """Name a browser and the driver that fits it.

    Args:
        binary: The browser's executable.
        driver: The driver's executable.
        version: The browser's full version, such as ``156.0.8078.79``.
        driver_version: The driver's full version; its major number equals the browser's.
    """

    binary: Path
    driver: Path
    version: str
    driver_version: str


def find_browser(*, environ: Mapping[str, str] = os.environ) -> Browser:
    """Find an installed browser and a driver that fits it, without the network.

    ``PIXMILL_BROWSER`` and ``PIXMILL_DRIVER`` decide where they are set. Otherwise the first pair of one major version
    wins, from ``PATH``, the system's usual places and what Selenium Manager has downloaded before. ChromeDriver itself
    drives a browser of another version without complaint, and then fails in ways that nobody understands.

    Args:
        environ: The environment to look into.

    Raises:
        BrowserError: There is no browser, no driver, or no two of them fit.
    """
    complaints: list[str] = []
    browsers = _answering(installed_browsers(environ), complaints)
    drivers = _answering(_candidates("PIXMILL_DRIVER", _DRIVER_NAMES, _driver_places(environ), environ), complaints)
    for binary, version in browsers.items():
        for driver, driver_version in drivers.items():
            if _major(version) == _major(driver_version):
                return Browser(binary, driver, version, driver_version)
    raise BrowserError(
        "; ".join([_lack(browsers, drivers), *complaints]), next=_CHOICE if is_chosen(environ) else _INSTALL
    )


def is_chosen(environ: Mapping[str, str]) -> bool:
    """Tell whether a person named the browser or the driver, which nothing may then overrule."""
    return bool(environ.get("PIXMILL_BROWSER") or environ.get("PIXMILL_DRIVER"))


def installed_browsers(environ: Mapping[str, str]) -> list[Path]:
    """Return the browsers to try, the preferred first."""
    return _candidates("PIXMILL_BROWSER", _BROWSER_NAMES, _browser_places(environ), environ)


def _candidates(variable: str, names: Iterable[str], places: Iterable[Path], environ: Mapping[str, str]) -> list[Path]:
    if chosen := environ.get(variable):
        if not Path(chosen).is_file():
            raise BrowserError(f"{variable} names {chosen}, which is not a file", next=_CHOICE)
        return [Path(chosen)]
    # Every folder of PATH counts: an old driver in the first must not hide the one that fits in the next.
    folders = environ.get("PATH", "").split(os.pathsep)
    on_path = [Path(hit) for name in names for folder in folders if folder and (hit := shutil.which(name, path=folder))]
    found = [*on_path, *(place for place in places if place.is_file())]
    return list({path.parent.resolve() / path.name: path for path in reversed(found)}.values())[::-1]


def _browser_places(environ: Mapping[str, str]) -> list[Path]:
    usual: list[Path] = []  # On Linux every browser is on PATH.
    if sys.platform == "darwin":
        inside = ("Google Chrome.app/Contents/MacOS/Google Chrome", "Chromium.app/Contents/MacOS/Chromium")
        usual = [Path(root, app) for root in ("/Applications", _home(environ) / "Applications") for app in inside]
    elif sys.platform == "win32":
        inside = ("Google/Chrome/Application/chrome.exe", "Chromium/Application/chrome.exe")
        roots = [environ[name] for name in ("ProgramFiles", "ProgramFiles(x86)", "LocalAppData") if name in environ]
        usual = [Path(root, program) for root in roots for program in inside]
    executables = ("chrome", "chrome.exe", "*.app/Contents/MacOS/Google Chrome for Testing")
    return usual + [path for name in executables for path in _downloaded(environ, f"chrome/*/*/{name}")]


def _driver_places(environ: Mapping[str, str]) -> list[Path]:
    executables = ("chromedriver", "chromedriver.exe")
    return [path for name in executables for path in _downloaded(environ, f"chromedriver/*/*/{name}")]


def _downloaded(environ: Mapping[str, str], pattern: str) -> list[Path]:
    # Selenium Manager keeps <cache>/<program>/<system>/<version>/. Asked itself, it needs the network again after an
    # hour to tell which version belongs to which (https://www.selenium.dev/documentation/selenium_manager/#caching).
    cache = Path(environ.get("SE_CACHE_PATH") or _home(environ) / ".cache" / "selenium")
    return sorted(cache.glob(pattern), reverse=True)


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())


def _answering(candidates: Iterable[Path], complaints: list[str]) -> dict[Path, str]:
    versions = {}
    for path in candidates:
        try:
            versions[path] = _version(path)
        except BrowserError as error:
            complaints.append(error.message)
    return versions


def _version(executable: Path) -> str:
    if executable.name == "chrome.exe":
        return _windows_version(executable)
    try:
        answer = subprocess.run(  # noqa: S603
            [executable, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BrowserError(f"{executable} --version did not answer within {_VERSION_SECONDS:g} s") from None
    except OSError as error:
        raise BrowserError(f"{executable} cannot be run: {error.strerror}") from None
    found = _VERSION.search(answer.stdout)
    if answer.returncode != 0 or found is None:
        said = (answer.stderr.strip() or answer.stdout.strip() or "nothing").splitlines()[-1]
        raise BrowserError(f"{executable} --version ended with {answer.returncode} and said: {said}")
    return found[0]


def _windows_version(executable: Path) -> str:
    # On Windows `chrome.exe --version` opens a window; a folder or a manifest beside it carries the version's name.
    names = (beside.name.removesuffix(".manifest") for beside in executable.parent.iterdir())
    versions = sorted((name for name in names if _VERSION.fullmatch(name)), key=_numbers)
    if not versions:
        raise BrowserError(f"{executable} does not tell its version")
    return versions[-1]


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def _major(version: str) -> int:
    return _numbers(version)[0]


def _lack(browsers: Mapping[Path, str], drivers: Mapping[Path, str]) -> str:
    if not browsers:
        return "no Chromium or Chrome was found on this machine"
    binary, version = next(iter(browsers.items()))
    if not drivers:
        return f"no ChromeDriver was found for the browser {binary} (version {version})"
    driver, driver_version = next(iter(drivers.items()))
    return (
        f"the browser {binary} (version {version}) and the driver {driver} (version {driver_version}) do not fit: "
        "their major versions differ"
    )
