"""Run Git."""

import os
import shutil
import subprocess
from pathlib import Path

from pixmill.core.errors import PixmillError

FIRST_COMMIT = 'git add -A && git commit -m "First results"'
"""Command of the first commit."""

_TIMEOUT_SECONDS = 60
"""Timeout, in case of a hanging hook or lock."""


def git(root: Path, *words: str) -> str | None:
    """Return the output of a Git command; ``None`` if it fails, or without Git or a repository.

    Args:
        root: The project's folder.
        words: The command, such as ``rev-parse HEAD``. Bytes of the output that are not UTF-8 become surrogates.
    """
    try:
        done = subprocess.run(  # noqa: S603 (no untrusted input)
            ["git", *words],  # noqa: S607 (the user's Git)
            cwd=root,
            # Refreshing the index would make a concurrent `git commit` of the user fail.
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "surrogateescape")


def changed_files(root: Path, *words: str) -> dict[str, str] | None:
    """Return the two-letter code of ``git status`` for each changed file by path; ``None`` without a repository.

    A new folder is one entry; if it is the project itself, its path is ``./``.

    Args:
        root: The project's folder, which paths are relative to; it may be below the repository's root.
        words: Paths, or options of ``git status`` followed by ``--`` and paths.
    """
    above = git(root, "rev-parse", "--show-prefix")
    status = git(root, "status", "--porcelain", "-z", "--no-renames", *words)
    if above is None or status is None:
        return None
    entries = [(entry[:2], entry[3:].removeprefix(above.removesuffix("\n"))) for entry in status.split("\0") if entry]
    return {path or "./": letters for letters, path in entries}


def require_git() -> None:
    """Raise an error if Git is not installed.

    Raises:
        PixmillError: Git is not on ``PATH``.
    """
    if shutil.which("git") is None:
        raise PixmillError("the program git is not on PATH", next="install Git, then repeat the command")
