"""Run Git."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote

from pixmill.core.errors import PixmillError

FIRST_COMMIT = 'git add -A && git commit -m "First results"'
"""Command of the first commit."""

_TIMEOUT_SECONDS = 60
"""Timeout of queries, in case of a hanging lock."""

_CHANGE_TIMEOUT_SECONDS = 600
"""Timeout of changes; hooks may run checks."""


class GitError(PixmillError):
    """A repository that Git cannot read, or a command of Git that failed or did not end."""


def git(root: Path, *words: str) -> str | None:
    """Return the output of a Git query; ``None`` if there is no such thing, no Git, or no repository.

    Args:
        root: The project's folder.
        words: The command, such as ``rev-parse HEAD``. Bytes of the output that are not UTF-8
            become surrogates.

    Raises:
        GitError: Git cannot read the repository, or does not end.
    """
    try:
        done = _run(root, words, _TIMEOUT_SECONDS)
    except OSError:
        return None
    if done.returncode:
        # In a repository that Git can read, its status is always known.
        _check_readable(root, done if words[0] == "status" else None)
        return None
    return done.stdout.decode("utf-8", "surrogateescape")


def git_line(root: Path, *words: str) -> str:
    """Return the output of a Git query without its line end; empty if there is none, as for :func:`git`."""
    return (git(root, *words) or "").strip()


def change(root: Path, *words: str) -> None:
    """Run a Git command that writes.

    Args:
        root: The project's folder.
        words: The command, such as ``add data.dvc``.

    Raises:
        GitError: It failed; the message is Git's, or that of a hook.
    """
    try:
        done = _run(root, words, _CHANGE_TIMEOUT_SECONDS)
    except (OSError, ValueError) as error:  # ValueError: a null byte
        raise GitError(f"git {words[0]} failed: {error}", next="git status") from None
    if done.returncode:
        _check_readable(root)
        said = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
        advice = "git status"
        lock = re.search(r"Unable to create '(.+\.lock)': File exists", said)
        if lock and Path(lock[1]).exists():
            advice = f"end other Git commands, or if there are none: rm {quote(lock[1])}"
        raise GitError(
            f"git {words[0]} failed: {said or f'exit code {done.returncode}'}", next=advice
        )


def ignore_pattern(path: str) -> str:
    """Return the pattern of Git that matches a path only, seen from where the pattern stands."""
    return re.sub(r"([\\*?\[ ])", r"\\\1", f"/{path}")


def leave_out(root: Path, paths: Iterable[Path]) -> None:
    """Let Git leave what a command writes out of commits, in this clone; ``git add -f`` takes it.

    It leaves alone what lies elsewhere, files that Git tracks, and folders with such files.

    Args:
        root: The project's folder.
        paths: Files and folders, which may be missing.
    """
    # Where Git cannot read the repository, or not write, nobody commits.
    with contextlib.suppress(GitError, OSError):
        _exclude(root, paths)


def _exclude(root: Path, paths: Iterable[Path]) -> None:
    top = Path(git_line(root, "rev-parse", "--show-toplevel"))
    file = root / git_line(root, "rev-parse", "--git-path", "info/exclude")
    for path in map(Path.resolve, paths):
        is_inside = top in path.parents and not git(
            root, "--literal-pathspecs", "ls-files", "--", str(path)
        )
        if is_inside and git(root, "check-ignore", "-q", "--", str(path)) is None:
            file.parent.mkdir(exist_ok=True)
            with file.open("a", encoding="utf-8", errors="surrogateescape") as patterns:
                patterns.write(f"\n{ignore_pattern(path.relative_to(top).as_posix())}\n")


def _run(root: Path, words: Sequence[str], timeout: float) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603 (no untrusted input)
            ["git", *words],  # noqa: S607 (the user's Git)
            cwd=root,
            # Refreshing the index would make a concurrent `git commit` of the user fail. Messages
            # are matched in English, by LANGUAGE: LC_ALL would change how hooks read file names,
            # too.
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0", "LANGUAGE": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        message = f"git {words[0]} did not end within {timeout:.0f} seconds"
        raise GitError(
            message, next="end other Git commands of this repository, then repeat the command"
        ) from None


def _check_readable(root: Path, failed: subprocess.CompletedProcess[bytes] | None = None) -> None:
    """Raise an error if there is a repository that Git cannot read.

    Args:
        root: The project's folder.
        failed: A command that fails only then; default: try one.
    """
    top = next((each for each in (root, *root.resolve().parents) if (each / ".git").exists()), None)
    if top is None:
        return
    tried = failed or _run(root, ["rev-parse", "--git-dir"], _TIMEOUT_SECONDS)
    if tried.returncode == 0:
        return
    said = tried.stderr.decode("utf-8", "replace").strip()
    first = said.partition("\n")[0]
    advice = f"mend that until this works: git -C {quote(str(top))} status"
    if "safe.directory" in said:  # It belongs to another user, and the last line trusts it.
        advice = said.rpartition("\n")[2].strip()
    raise GitError(f"Git cannot read the repository {top}: {first}", next=advice)


def changed_files(root: Path, *words: str) -> dict[str, str] | None:
    """Return the two-letter code of ``git status`` for each changed file by path; ``None`` without a repository.

    A new folder is one entry; if it is the project itself, its path is ``./``.

    Args:
        root: The project's folder, which paths are relative to; it may be below the repository's
            root.
        words: Paths, or options of ``git status`` followed by ``--`` and paths.
    """
    above = git(root, "rev-parse", "--show-prefix")
    status = git(root, "status", "--porcelain", "-z", "--no-renames", *words)
    if above is None or status is None:
        return None
    entries = [
        (entry[:2], entry[3:].removeprefix(above.removesuffix("\n")))
        for entry in status.split("\0")
        if entry
    ]
    return {path or "./": letters for letters, path in entries}


def require_git() -> None:
    """Raise an error if Git is not installed.

    Raises:
        PixmillError: Git is not on ``PATH``.
    """
    if shutil.which("git") is None:
        raise PixmillError(
            "the program git is not on PATH", next="install Git, then repeat the command"
        )
