"""Find a browser and a driver that fits it, or the grid that a person named instead."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pixmill.browser.kind import CHROMIUM, Kind, kind_named, kind_of
from pixmill.browser.version import major, version_of
from pixmill.errors import BrowserError

__all__ = ["Browser", "Grid", "choose_browser", "find_browser", "installed_browsers", "is_chosen"]

_INSTALL = "pixmill browser --install"
_CHOICE = "set PIXMILL_BROWSER and PIXMILL_DRIVER to a browser and a driver that fit each other, or unset both"


@dataclass(frozen=True)
class Browser:
    """Name a browser of this machine and the driver that fits it.

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
    kind: Kind = CHROMIUM


@dataclass(frozen=True)
class Grid:
    """Name a Selenium Grid, or another remote driver, and the kind of browser that it is asked for.

    Args:
        url: Its address, such as ``http://127.0.0.1:4444``.
        kind: What kind of browser is opened there.
    """

    url: str
    kind: Kind = CHROMIUM


def choose_browser(*, environ: Mapping[str, str] = os.environ) -> Browser | Grid:
    """Return the grid that ``PIXMILL_WEBDRIVER_URL`` names, or else a browser of this machine.

    Args:
        environ: The environment to look into. On a grid, ``PIXMILL_BROWSER`` is the name of a kind.

    Raises:
        BrowserError: Nothing fits, or the address is none.
    """
    url = environ.get("PIXMILL_WEBDRIVER_URL")
    if not url:
        return find_browser(environ=environ)
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise BrowserError(
            f"PIXMILL_WEBDRIVER_URL: expected an address such as http://127.0.0.1:4444, received '{url}'",
            next="set it to the address of a Selenium Grid, or unset it for a browser of this machine",
        )
    named = kind_named(environ.get("PIXMILL_BROWSER") or "chrome")
    if named is None:
        raise BrowserError(
            "with PIXMILL_WEBDRIVER_URL, PIXMILL_BROWSER names a kind of browser, not a file of this machine",
            next="set PIXMILL_BROWSER to chrome, edge or firefox, or unset it",
        )
    return Grid(url, named[0])


def find_browser(*, environ: Mapping[str, str] = os.environ) -> Browser:
    """Find an installed browser and a driver that fits it, without the network.

    ``PIXMILL_BROWSER`` (``chrome``, ``chromium``, ``edge``, ``firefox`` or a path) and ``PIXMILL_DRIVER`` (a path)
    decide where they are set. Otherwise the first Chromium or Chrome with a driver of its major version wins, from
    ``PATH``, the system's usual places and what Selenium Manager has downloaded before. ChromeDriver itself drives a
    browser of another version without complaint, and then fails in ways that nobody understands.

    Args:
        environ: The environment to look into.

    Raises:
        BrowserError: There is no browser, no driver, or no two of them fit.
    """
    kind, _ = _wanted(environ)
    complaints: list[str] = []
    browsers = _answering(installed_browsers(environ), complaints)
    drivers = _answering(_installed_drivers(kind, environ), complaints)
    for binary, version in browsers.items():
        for driver, driver_version in drivers.items():
            if not kind.shares_versions or major(version) == major(driver_version):
                return Browser(binary, driver, version, driver_version, kind)
    lack = _lack(kind, browsers, drivers)
    raise BrowserError("; ".join([lack, *complaints]), next=_CHOICE if is_chosen(environ) else _INSTALL)


def is_chosen(environ: Mapping[str, str]) -> bool:
    """Tell whether a person named the browser or the driver, which nothing may then overrule."""
    return bool(environ.get("PIXMILL_BROWSER") or environ.get("PIXMILL_DRIVER"))


def installed_browsers(environ: Mapping[str, str]) -> list[Path]:
    """Return the browsers to try, the preferred first.

    Raises:
        BrowserError: ``PIXMILL_BROWSER`` is neither a kind of browser nor a file.
    """
    kind, programs = _wanted(environ)
    if not programs:
        return [Path(environ["PIXMILL_BROWSER"])]
    # What is off PATH is of any name of the kind; it comes last.
    return _programs(programs, kind.browser_places(environ), environ)


def _installed_drivers(kind: Kind, environ: Mapping[str, str]) -> list[Path]:
    if not (chosen := environ.get("PIXMILL_DRIVER")):
        return _programs([kind.driver_program], kind.driver_places(environ), environ)
    if not Path(chosen).is_file():
        raise BrowserError(f"PIXMILL_DRIVER names {chosen}, which is not a file", next=_CHOICE)
    return [Path(chosen)]


def _wanted(environ: Mapping[str, str]) -> tuple[Kind, tuple[str, ...]]:
    """Return the kind of browser that is wanted, and its programs; none where a file is."""
    chosen = environ.get("PIXMILL_BROWSER")
    if not chosen:
        return CHROMIUM, CHROMIUM.programs
    if named := kind_named(chosen):
        return named
    if not Path(chosen).is_file():
        raise BrowserError(f"PIXMILL_BROWSER names {chosen}, which is not a file", next=_CHOICE)
    return kind_of(Path(chosen)), ()


def _programs(names: Iterable[str], places: Iterable[Path], environ: Mapping[str, str]) -> list[Path]:
    # Every folder of PATH counts: an old driver in the first must not hide the one that fits in the next.
    folders = environ.get("PATH", "").split(os.pathsep)
    on_path = [Path(hit) for name in names for folder in folders if folder and (hit := shutil.which(name, path=folder))]
    found = [*on_path, *(place for place in places if place.is_file())]
    return list({path.parent.resolve() / path.name: path for path in reversed(found)}.values())[::-1]


def _answering(candidates: Iterable[Path], complaints: list[str]) -> dict[Path, str]:
    versions = {}
    for path in candidates:
        try:
            versions[path] = version_of(path)
        except BrowserError as error:
            complaints.append(error.message)
    return versions


def _lack(kind: Kind, browsers: Mapping[Path, str], drivers: Mapping[Path, str]) -> str:
    if not browsers:
        return f"no {kind.title} was found on this machine"
    binary, version = next(iter(browsers.items()))
    if not drivers:
        return f"no {kind.driver_title} was found for the browser {binary} (version {version})"
    driver, driver_version = next(iter(drivers.items()))
    return (
        f"the browser {binary} (version {version}) and the driver {driver} (version {driver_version}) do not fit: "
        "their major versions differ"
    )
