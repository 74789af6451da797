"""What Git knows of a project."""

import subprocess
from pathlib import Path

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
