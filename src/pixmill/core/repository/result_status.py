"""Commands that keep or restore results."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pixmill.core.errors import ParamsError
from pixmill.core.repository.dvc import cache_folder, is_cached
from pixmill.core.repository.git import git
from pixmill.core.repository.stage_inputs import outputs_of, stages_of, workspace_stages

RESULTS = ("dvc.lock", "metrics", "plots")
"""The results that are in Git."""


def is_committed(root: Path, *paths: str) -> bool:
    """Return whether files and folders equal the last commit."""
    return git(root, "status", "--porcelain", "--", *paths) == ""


def advice(root: Path, paths: Sequence[str], *, undo: bool = True) -> str:
    """Return how to commit the results, and how to restore those of the last commit if that loses nothing.

    ``dvc checkout`` removes an output whose committed version is not in DVC's cache, as in a fresh clone.

    Args:
        root: The project's folder.
        paths: Paths to commit or restore.
        undo: Whether the files equalled the last commit before the run, so that Git can restore them.
    """
    keep = f"To keep them: git add {' '.join(paths)} && git commit"
    committed = outputs_of(stages_of(git(root, "show", "HEAD:./dvc.lock")))
    tracked = (git(root, "ls-tree", "-r", "-t", "-z", "--name-only", "HEAD") or "").split("\0")
    if undo and are_cached(root, {path: md5 for path, md5 in committed.items() if path not in tracked}):
        return f"{keep}\nTo go back to the last commit: git checkout {' '.join(paths)} && dvc checkout dvc.yaml"
    return keep


def is_restorable(root: Path, path: str) -> bool:
    """Return whether ``dvc checkout`` can restore an output of the last run.

    Args:
        root: The project's folder.
        path: Path of the output, such as ``artifacts/train``.
    """
    try:
        made = outputs_of(workspace_stages(root))
    except ParamsError:
        return False
    return path in made and are_cached(root, {path: made[path]})


def are_cached(root: Path, outputs: Mapping[str, str | None]) -> bool:
    """Return whether the local DVC cache contains all outputs.

    Args:
        root: The project's folder.
        outputs: MD5 by path; ``None`` if not recorded.
    """
    cache = cache_folder(root)
    return cache is not None and all(is_cached(cache, md5 or "") for md5 in outputs.values())
