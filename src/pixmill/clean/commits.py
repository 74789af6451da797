"""All commits that somebody may come back to, under names that DVC knows."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pixmill.core.errors import DataError, LockedError
from pixmill.core.files import hold_lock
from pixmill.core.git import git, require_git

_TAGS = "refs/tags/pixmill-clean/"

_STASHES = (
    "refs/stash",
    "refs/exps/stash",
    "refs/exps/apply/stash",
    "refs/exps/celery/stash",
    "refs/exps/celery/failed",
)
"""Stashes of Git and of DVC (before ``dvc exp apply``, queued and failed experiments): all their entries count."""

_PAUSED = ("MERGE_HEAD", "MERGE_AUTOSTASH", "rebase-merge/autostash", "rebase-merge/orig-head")
"""What a merge or rebase that waits for a person has put aside."""

_VERSIONED = ("*.dvc", "*.dvcignore", "*dvc.lock", "*.yaml")
"""What decides which files of DVC's cache a commit needs; ``dvc.yaml`` may take paths from ``params.yaml``."""

_IMPORT = "^ +repo:"
"""The line of a ``.dvc`` file that names the repository where the files came from."""


@contextlib.contextmanager
def only_cleaning(root: Path) -> Iterator[None]:
    """During the block, let no other cleaning begin in this Git repository, whose tags are the same.

    Its worktrees, and projects in its folders, have a ``.pixmill/`` each: the lock is in the folder that they share.

    Args:
        root: The project's folder.

    Raises:
        LockedError: Another cleaning is in progress.
        DataError: There is no commit yet, the history is shallow, or Git cannot read it.
        PixmillError: Git is missing.
    """
    require_git()
    if git(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") is None:
        raise DataError(f"{root} has no commit that tells what is needed", next='git add -A && git commit -m "Start"')
    if _read(root, "rev-parse", "--is-shallow-repository") != ["false"]:
        advice = "git fetch --unshallow"
        raise DataError("the history is cut off (shallow): what earlier commits need is unknown", next=advice)
    lock = root / _text(root, "rev-parse", "--git-common-dir").rstrip("\n") / "pixmill-clean.lock"
    refusal = LockedError("another cleaning is in progress", next="wait for it or stop it, then: pixmill clean")
    with hold_lock(lock, refusal):
        yield


@contextlib.contextmanager
def all_named(root: Path) -> Iterator[None]:
    """During the block, give a tag ``pixmill-clean/<commit>`` to every commit that changed what DVC versions.

    ``dvc gc --all-tags`` then knows all that is reachable from branches, tags, remotes, experiments (also queued,
    failed and applied ones), stashes, other worktrees, a paused merge or rebase and refs of other tools; not what only
    the reflog has. The other commits need the same files, and DVC reads commits slowly. Tags that a killed process left
    go first.

    Args:
        root: The project's folder.

    Raises:
        DataError: Git cannot read the history.
    """
    _remove_tags(root)
    refs = {*_read(root, "for-each-ref", "--format=%(refname)", "refs/stash", "refs/exps")}
    # Only the last entry of a stash is a ref.
    stashed = [entry for stash in refs.intersection(_STASHES) for entry in _read(root, "rev-list", "-g", stash)]
    paused = [name for name in _PAUSED if git(root, "rev-parse", "--verify", "--quiet", name)]
    try:
        for commit in _read(root, "rev-list", "--all", *stashed, *paused, "--full-history", "--", *_VERSIONED):
            _read(root, "update-ref", f"{_TAGS}{commit}", commit)
        yield
    finally:
        _remove_tags(root)


def versions(root: Path, files: str) -> list[str]:
    """Return every text that some files have in a commit, within :func:`all_named`.

    Args:
        root: The project's folder.
        files: Their path in there, or another pathspec of Git.

    Raises:
        DataError: Git cannot read it.
    """
    # With its merges (-m), and without what Git leaves out as it makes no difference to the last commit.
    options = ("--full-history", "-m", "--raw", "--no-abbrev", "--format=", "--", files)
    changes = _read(root, "-c", "log.showRoot=true", "log", "--all", *options)
    blobs = {line.split()[3] for line in changes if line.startswith(":")}
    return [_text(root, "cat-file", "blob", blob) for blob in sorted(blobs) if blob.strip("0")]


def has_imports(root: Path) -> bool:
    """Tell whether a commit or the workspace has data that came by ``dvc import``, within :func:`all_named`.

    Raises:
        DataError: Git cannot read it.
    """
    if git(root, "grep", "--untracked", "--quiet", "-E", _IMPORT, "--", "*.dvc") is not None:
        return True
    return bool(_read(root, "log", "--all", "-m", "--full-history", "--format=%H", "-G", _IMPORT, "--", "*.dvc"))


def has_moved(root: Path) -> bool:
    """Tell whether a commit moved or removed a DVC project of this Git repository, within :func:`all_named`.

    Raises:
        DataError: Git cannot read it.
    """
    options = ("--no-renames", "--diff-filter=D", "--full-history", "--format=%H", "--", ":/*.dvc/config")
    return bool(_read(root, "log", "--all", *options))


def other_worktrees(root: Path) -> list[Path]:
    """Return the project's folder in each other worktree of its Git repository.

    Raises:
        DataError: Git cannot list them.
    """
    mark, prefix = "worktree ", _text(root, "rev-parse", "--show-prefix").rstrip("\n")
    lines = _read(root, "worktree", "list", "--porcelain")
    folders = [Path(line.removeprefix(mark), prefix) for line in lines if line.startswith(mark)]
    return [folder for folder in folders if folder.resolve() != root.resolve()]


def _remove_tags(root: Path) -> None:
    for line in _read(root, "for-each-ref", "--format=%(refname) %(objectname)", _TAGS):
        ref, _, commit = line.rpartition(" ")
        if ref == f"{_TAGS}{commit}":  # A person's tag has another name.
            _read(root, "update-ref", "-d", ref)


def _read(root: Path, *words: str) -> list[str]:
    """Return the lines that Git prints."""
    return _text(root, *words).splitlines()


def _text(root: Path, *words: str) -> str:
    text = git(root, *words)
    if text is None:
        raise DataError(f"nothing is deleted, since `git {' '.join(words)}` failed", next="git fsck")
    return text
