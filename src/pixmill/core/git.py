"""What Git knows of a project."""

import shutil
import subprocess
from pathlib import Path

from pixmill.core.errors import PixmillError

_SECONDS = 60
"""A hook or a lock that never lets go costs no more."""


def git(root: Path, *words: str) -> str | None:
    """Return what Git says, or ``None`` where there is no Git, no repository or no such thing in it.

    Args:
        root: The project's folder.
        words: The command, such as ``rev-parse HEAD``. Names of files need be no UTF-8: what is none is escaped.
    """
    try:
        done = subprocess.run(  # noqa: S603 (no part of the command comes from outside)
            ["git", *words],  # noqa: S607 (whichever Git the person uses)
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "surrogateescape")


def require_git() -> None:
    """Refuse to go on where the program is missing.

    Raises:
        PixmillError: Git is not on ``PATH``.
    """
    if shutil.which("git") is None:
        raise PixmillError("the program git is not on PATH", next="install Git, then repeat the command")
