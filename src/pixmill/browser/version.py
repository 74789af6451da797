"""Ask a browser or a driver for its version."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from pixmill.errors import BrowserError

__all__ = ["major", "version_of"]

_VERSION = re.compile(r"\d+(?:\.\d+){1,3}")
_VERSION_SECONDS = 20.0
"""A browser answers ``--version`` in a tenth of a second; one that waits for a display or a snap never does."""


def version_of(executable: Path) -> str:
    """Return the full version of an executable, such as ``156.0.8078.79``.

    Raises:
        BrowserError: It cannot be run, or does not tell in time.
    """
    if executable.name in {"chrome.exe", "msedge.exe"}:
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


def major(version: str) -> int:
    """Return the first number of a version."""
    return _numbers(version)[0]


def _windows_version(executable: Path) -> str:
    # On Windows `chrome.exe --version` opens a window; a folder or a manifest beside it carries the version's name.
    names = (beside.name.removesuffix(".manifest") for beside in executable.parent.iterdir())
    versions = sorted((name for name in names if _VERSION.fullmatch(name)), key=_numbers)
    if not versions:
        raise BrowserError(f"{executable} does not tell its version")
    return versions[-1]


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]
