"""How to keep the results in the workspace, and where nothing is lost by it, how to go back to earlier ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pixmill.core.errors import ParamsError
from pixmill.core.repository.dvc import cache_folder, is_cached
from pixmill.core.repository.git import git
from pixmill.core.repository.stage_inputs import outputs_of, stages_of, workspace_stages

RESULTS = ("dvc.lock", "metrics", "plots")
"""What Git has of a run's results."""


def is_committed(root: Path, *paths: str) -> bool:
    """Tell whether these files and folders are as the last commit has them."""
    return git(root, "status", "--porcelain", "--", *paths) == ""


def advice(root: Path, paths: Sequence[str], *, undo: bool = True) -> str:
    """Return how to keep the results, and how to go back to those of the last commit where that loses nothing.

    ``dvc checkout`` removes an output whose committed version is not in DVC's cache, as in a fresh clone.

    Args:
        root: The project's folder.
        paths: What a commit must carry, or Git restore.
        undo: Whether the files were as committed before the run, so that Git can restore them.
    """
    keep = f"To keep them: git add {' '.join(paths)} && git commit"
    committed = outputs_of(stages_of(git(root, "show", "HEAD:./dvc.lock")))
    tracked = (git(root, "ls-tree", "-r", "-t", "-z", "--name-only", "HEAD") or "").split("\0")
    if undo and are_cached(root, {path: md5 for path, md5 in committed.items() if path not in tracked}):
        return f"{keep}\nTo go back to the last commit: git checkout {' '.join(paths)} && dvc checkout dvc.yaml"
    return keep


def is_restorable(root: Path, path: str) -> bool:
    """Tell whether ``dvc checkout`` brings an output of the last run back: ``dvc.lock`` names it, and the cache has it.

    Args:
        root: The project's folder.
        path: Of the output, such as ``artifacts/train``.
    """
    try:
        made = outputs_of(workspace_stages(root))
    except ParamsError:
        return False
    return path in made and are_cached(root, {path: made[path]})


def are_cached(root: Path, outputs: Mapping[str, str | None]) -> bool:
    """Tell whether DVC's cache on this machine holds outputs.

    Args:
        root: The project's folder.
        outputs: Their MD5 by path; ``None`` where it is not recorded.
    """
    cache = cache_folder(root)
    return cache is not None and all(is_cached(cache, md5 or "") for md5 in outputs.values())
