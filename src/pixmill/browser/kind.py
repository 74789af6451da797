"""The kinds of browsers: what their executables are called, and where they lie."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CHROMIUM", "EDGE", "FIREFOX", "Kind", "kind_named", "kind_of"]


@dataclass(frozen=True)
class Kind:
    """Describe the browsers that one driver drives.

    Args:
        title: What people call the browser.
        driver_title: What people call the driver.
        programs: Names of the browser's executables on ``PATH``, the preferred first.
        driver_program: Name of the driver's executable.
        applications: Executables inside macOS' folders of applications.
        installed: Executables inside Windows' folders of programs.
        downloaded: Executables inside Selenium Manager's folder of a version.
        shares_versions: Whether browser and driver must be of one major version.
    """

    title: str
    driver_title: str
    programs: tuple[str, ...]
    driver_program: str
    applications: tuple[str, ...]
    installed: tuple[str, ...]
    downloaded: tuple[str, ...]
    shares_versions: bool = True

    def browser_places(self, environ: Mapping[str, str]) -> list[Path]:
        """Return where browsers of this kind may lie off ``PATH``; nothing need be there."""
        usual: list[Path] = []  # On Linux every browser is on PATH.
        if sys.platform == "darwin":
            roots = [Path("/Applications"), _home(environ) / "Applications"]
            usual = [root / application for root in roots for application in self.applications]
        elif sys.platform == "win32":
            names = ("ProgramFiles", "ProgramFiles(x86)", "LocalAppData")
            roots = [Path(environ[name]) for name in names if name in environ]
            usual = [root / program for root in roots for program in self.installed]
        return usual + _cached(environ, self.downloaded)

    def driver_places(self, environ: Mapping[str, str]) -> list[Path]:
        """Return where drivers of this kind lie off ``PATH``."""
        name = self.driver_program
        return _cached(environ, (f"{name}/*/*/{name}", f"{name}/*/*/{name}.exe"))


CHROMIUM = Kind(
    title="Chromium or Chrome",
    driver_title="ChromeDriver",
    programs=("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
    driver_program="chromedriver",
    applications=("Google Chrome.app/Contents/MacOS/Google Chrome", "Chromium.app/Contents/MacOS/Chromium"),
    installed=("Google/Chrome/Application/chrome.exe", "Chromium/Application/chrome.exe"),
    downloaded=(
        "chrome/*/*/chrome",
        "chrome/*/*/chrome.exe",
        "chrome/*/*/*.app/Contents/MacOS/Google Chrome for Testing",
    ),
)

EDGE = Kind(
    title="Edge",
    driver_title="msedgedriver",
    programs=("microsoft-edge", "microsoft-edge-stable", "msedge"),
    driver_program="msedgedriver",
    applications=("Microsoft Edge.app/Contents/MacOS/Microsoft Edge",),
    installed=("Microsoft/Edge/Application/msedge.exe",),
    downloaded=(),
)

FIREFOX = Kind(
    title="Firefox",
    driver_title="geckodriver",
    programs=("firefox", "firefox-esr"),
    driver_program="geckodriver",
    applications=("Firefox.app/Contents/MacOS/firefox",),
    installed=("Mozilla Firefox/firefox.exe",),
    downloaded=("firefox/*/*/firefox", "firefox/*/*/firefox.exe", "firefox/*/*/*.app/Contents/MacOS/firefox"),
    shares_versions=False,  # geckodriver counts its own versions; each drives many of Firefox.
)

_NAMED = {
    "chrome": (CHROMIUM, ("google-chrome", "google-chrome-stable", "chrome")),
    "chromium": (CHROMIUM, ("chromium", "chromium-browser")),
    "edge": (EDGE, EDGE.programs),
    "firefox": (FIREFOX, FIREFOX.programs),
}


def kind_named(name: str) -> tuple[Kind, tuple[str, ...]] | None:
    """Return the kind that a person means by a name, and the programs that it then is; ``None`` for no such name."""
    return _NAMED.get(name.lower())


def kind_of(executable: Path) -> Kind:
    """Return the kind of an executable, told by its name; Chromium where the name tells nothing."""
    name = executable.name.lower()
    return FIREFOX if "firefox" in name or "gecko" in name else EDGE if "edge" in name else CHROMIUM


def _cached(environ: Mapping[str, str], patterns: Iterable[str]) -> list[Path]:
    # Selenium Manager keeps <cache>/<program>/<system>/<version>/. Asked itself, it needs the network again after an
    # hour to tell which version belongs to which (https://www.selenium.dev/documentation/selenium_manager/#caching).
    cache = Path(environ.get("SE_CACHE_PATH") or _home(environ) / ".cache" / "selenium")
    return [path for pattern in patterns for path in sorted(cache.glob(pattern), reverse=True)]


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
