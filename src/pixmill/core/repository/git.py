"""Run Git."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from pixmill.core.errors import PixmillError

FIRST_COMMIT = 'git add -A && git commit -m "First results"'
"""Command of the first commit."""

_TIMEOUT_SECONDS, _CHANGE_TIMEOUT_SECONDS = 60, 600
"""Timeouts of queries and of changes, in case of a hanging hook or lock; hooks may run checks."""


class GitError(PixmillError):
    """A repository that Git cannot read, or a command of Git that failed or did not end."""


def git(root: Path, *words: str) -> str | None:
    """Return the output of a Git query; ``None`` if there is no such thing, no Git, or no repository.

    Args:
        root: The project's folder.
        words: The command, such as ``rev-parse HEAD``. Bytes of the output that are not UTF-8 become surrogates.

    Raises:
        GitError: Git cannot read the repository, or does not end.
    """
    # Refreshing the index would make a concurrent `git commit` of the user fail.
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = _run(root, words, env=environment, stderr=subprocess.PIPE, timeout=_TIMEOUT_SECONDS)
    except OSError:
        return None
    if done.returncode:
        # In a repository that Git can read, its status is always known.
        _check_readable(root, done if words[0] == "status" else None)
        return None
    return done.stdout.decode("utf-8", "surrogateescape")


def change(root: Path, *words: str) -> None:
    """Run a Git command that writes.

    Args:
        root: The project's folder.
        words: The command, such as ``add data.dvc``.

    Raises:
        GitError: It failed; the message is Git's, or that of a hook.
    """
    try:
        done = _run(root, words, stderr=subprocess.STDOUT, timeout=_CHANGE_TIMEOUT_SECONDS)
    except (OSError, ValueError) as error:  # ValueError: a null byte
        raise GitError(f"git {words[0]} failed: {error}", next="git status") from None
    if done.returncode:
        folder = git(root, "rev-parse", "--absolute-git-dir")
        advice = "git status"
        if locks := sorted(Path(folder.strip()).glob("*.lock")) if folder else []:
            names = " ".join(quote(str(lock)) for lock in locks)
            advice = f"if no other Git command runs: rm {names}, then repeat the command"
        said = done.stdout.decode("utf-8", "replace").strip()
        raise GitError(f"git {words[0]} failed: {said or f'exit code {done.returncode}'}", next=advice)


def _run(root: Path, words: Sequence[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603 (no untrusted input)
            ["git", *words],  # noqa: S607 (the user's Git)
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            **options,
        )
    except subprocess.TimeoutExpired as error:
        message = f"git {words[0]} did not end within {error.timeout:.0f} seconds"
        raise GitError(message, next="end other Git commands of this repository, then repeat the command") from None


def _check_readable(root: Path, failed: subprocess.CompletedProcess[bytes] | None = None) -> None:
    """Raise an error if there is a repository that Git cannot read.

    Args:
        root: The project's folder.
        failed: A command that fails only then; default: try one.
    """
    place = next((each / ".git" for each in (root, *root.resolve().parents) if (each / ".git").exists()), None)
    if place is None:
        return
    tried = failed or _run(root, ["rev-parse", "--git-dir"], stderr=subprocess.PIPE, timeout=_TIMEOUT_SECONDS)
    if tried.returncode == 0:
        return
    lines = [line.strip() for line in tried.stderr.decode("utf-8", "replace").splitlines()]
    said, advice = " ".join(lines), f"mend that until this works: git -C {quote(str(place.parent))} status"
    if place.is_file():
        advice = f"if the main repository was moved, there: git worktree repair {quote(str(place.parent))}"
    if trust := [line for line in lines if line.startswith("git config") and "safe.directory" in line]:
        # The repository belongs to another user.
        said, advice = lines[0], trust[0]
    raise GitError(f"Git cannot read {place}: {said}", next=advice)


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
