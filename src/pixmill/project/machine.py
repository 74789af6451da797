"""Checks of this machine, and what a check of ``pixmill doctor`` finds."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_GIB = 2**30
_COMFORTABLE_BYTES = 5 * _GIB
_MIN_BYTES = 300_000_000
"""Free space below which the disk check warns or fails; the bundled images need the minimum."""


class Status(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    """A run works without it, or with less."""
    BAD = "bad"
    """A run will fail."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Args:
        name: Subject of the check.
        status: Severity.
        message: Description of the result.
        next: Command or edit that fixes it; ``None`` if nothing is wrong.
    """

    name: str
    status: Status
    message: str
    next: str | None = None


def check_path(_: Path) -> Iterator[Finding]:
    """Check that DVC would run the current Python."""
    folder = Path(sys.executable).parent
    python = shutil.which("python")
    if python is not None and Path(python).parent.resolve() == folder.resolve():
        yield Finding("PATH", Status.OK, f"dvc runs {python}")
        return
    message = f"dvc would run {python or 'no python'}, not {sys.executable}"
    yield Finding("PATH", Status.WARNING, message, next=f'export PATH="{folder}:$PATH"')


def check_python(_: Path) -> Iterator[Finding]:
    """Name the interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python", Status.OK, f"{version}, {sys.executable}")


def check_account(_: Path) -> Iterator[Finding]:
    """Check that the user has a name and a home folder; this process has set them for itself."""
    from pixmill.core.process.account import ADDED

    if ADDED:
        message = (
            f"dvc fails without {' and '.join(ADDED)}, since the user has no entry in /etc/passwd"
        )
        advice = f"export {' '.join(f'{name}={value}' for name, value in ADDED.items())}"
        yield Finding("account", Status.BAD, message, next=advice)


def check_disk(root: Path) -> Iterator[Finding]:
    """Check the free space of the project's disk."""
    free = shutil.disk_usage(root).free
    status = Status.OK
    if free < _COMFORTABLE_BYTES:
        status = Status.WARNING
    if free < _MIN_BYTES:
        status = Status.BAD
    advice = None if status is Status.OK else "pixmill clean   # lists sizes and unneeded files"
    yield Finding("disk", status, f"{free / _GIB:.1f} GiB free at {root}", next=advice)


def check_browser(_: Path) -> Iterator[Finding]:
    """Find the browser and driver, or contact the remote driver."""
    from pixmill.fetch.browser import RemoteDriver, check_remote, choose_browser

    browser = choose_browser()
    if not isinstance(browser, RemoteDriver):
        yield Finding("browser", Status.OK, f"{browser.binary} {browser.version}")
        yield Finding("driver", Status.OK, f"{browser.driver} {browser.driver_version}")
        return
    check_remote(browser)
    yield Finding("browser", Status.OK, f"{browser.kind.title} by the remote driver {browser.url}")


def fix_browser(root: Path) -> Iterator[Finding]:
    """Install a browser and driver if none is found and no remote driver is set."""
    from pixmill.core.process.progress import announce
    from pixmill.fetch.browser import install_browser

    if not os.environ.get("PIXMILL_WEBDRIVER_URL"):
        install_browser(report=announce)
    yield from check_browser(root)


def needs_browser(root: Path) -> bool:
    """Return whether a search of the project reads pages in a browser."""
    from pixmill.core.errors import ParamsError
    from pixmill.core.params import load_params

    try:
        sources = load_params(root).sources()
    except ParamsError:  # another check reports it
        return False
    return bool({*sources} - {"folder", "urls", "keras", "openverse", "wikimedia"})


def check_proxy(_: Path) -> Iterator[Finding]:
    """Name a proxy that a scrape does not use."""
    from pixmill.fetch.guard import NO_PROXY_ADVICE, ignored_proxy

    if remark := ignored_proxy():
        yield Finding(
            "proxy", Status.WARNING, remark, next=f"if sites are unreachable: {NO_PROXY_ADVICE}"
        )


def check_compute(_: Path) -> Iterator[Finding]:
    """Count the processors that passes over images use."""
    from pixmill.images.compute import default_workers
    from pixmill.images.compute.cluster import cluster_address, processors

    address = cluster_address()
    where = "processors of this machine" if address is None else f"processors of {address}"
    yield Finding(
        "compute", Status.OK, f"{processors(address) if address else default_workers()} {where}"
    )
