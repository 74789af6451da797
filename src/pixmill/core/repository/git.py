"""What Git knows of a project."""

import os
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
            # A look that rewrites Git's index would make the person's own `git commit` fail meanwhile.
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "surrogateescape")


def changed_files(root: Path, *words: str) -> dict[str, str] | None:
    """Return the two letters of ``git status`` for each file that is not as the last commit has it, by its path.

    A new folder counts once, and is ``./`` where it is the project itself.

    Args:
        root: The project's folder, from which the paths go; the repository's may lie above it.
        words: Files and folders, or options of ``git status`` with ``--`` and these behind them.
    """
    above = git(root, "rev-parse", "--show-prefix")
    status = git(root, "status", "--porcelain", "-z", "--no-renames", *words)
    if above is None or status is None:
        return None
    entries = [(entry[:2], entry[3:].removeprefix(above.removesuffix("\n"))) for entry in status.split("\0") if entry]
    return {path or "./": letters for letters, path in entries}


def require_git() -> None:
    """Refuse to go on where the program is missing.

    Raises:
        PixmillError: Git is not on ``PATH``.
    """
    if shutil.which("git") is None:
        raise PixmillError("the program git is not on PATH", next="install Git, then repeat the command")
