"""How to keep the results in the workspace, and where nothing is lost by it, how to go back to earlier ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pixmill.core.dvc import cache_folder, is_cached
from pixmill.core.errors import ParamsError
from pixmill.core.git import git
from pixmill.state.stage_inputs import Stages, hashes_of, stages_of, workspace_stages

RESULTS = ("dvc.lock", "metrics", "plots")
"""What Git has of a run's results."""


_MADE = ("artifacts/", "plots/")
"""How the paths begin of what a stage writes and a later one reads."""


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
    lines = [f"To keep them: git add {' '.join(paths)} && git commit"]
    if undo and (back := undo_command(root, paths)) is not None:
        lines.append(f"To go back to the last commit: {back}")
    return "\n".join(lines)


def undo_command(root: Path, paths: Sequence[str] = RESULTS) -> str | None:
    """Return the command that goes back to the results of the last commit; ``None`` where that could lose something.

    Args:
        root: The project's folder.
        paths: What Git is to restore.
    """
    return f"git checkout {' '.join(paths)} && dvc checkout dvc.yaml" if _is_restorable(root) else None


def has_equal_inputs(root: Path) -> bool:
    """Tell whether the results and the committed ones were made from the same images, params and code.

    Where they differ all the same, another processor or library version rounds differently.

    Args:
        root: The project's folder.
    """
    committed = _committed_stages(root)
    return bool(committed) and _inputs(committed) == _inputs(workspace_stages(root))


def is_restorable(root: Path, path: str) -> bool:
    """Tell whether ``dvc checkout`` brings an output of the last run back: ``dvc.lock`` names it, and the cache has it.

    Args:
        root: The project's folder.
        path: Of the output, such as ``artifacts/train``.
    """
    try:
        md5 = next(
            (hashes[path] for stage in workspace_stages(root).values() if path in (hashes := hashes_of(stage))), None
        )
    except ParamsError:
        return False
    return md5 is not None and (cache := cache_folder(root)) is not None and is_cached(cache, md5)


def way_back(root: Path, stage: str) -> str | None:
    """Return the command that brings back the outputs of a stage that are gone; ``None`` where it cannot be done.

    DVC removes them before it runs the stage, which may then stop at once, as at a param that is refused.

    Args:
        root: The project's folder.
        stage: The stage's name.
    """
    outputs, committed = (hashes_of(lock.get(stage, {})) for lock in (workspace_stages(root), _committed_stages(root)))
    gone = {path: md5 or "" for path, md5 in outputs.items() if not (root / path).exists()}
    tracked = _committed_paths(root)
    cache = cache_folder(root) if gone else None
    cached = [path for path, md5 in gone.items() if path not in tracked and cache and is_cached(cache, md5)]
    in_git = [path for path, md5 in gone.items() if path in tracked and committed.get(path) == md5]
    if not cached:
        return None
    return " && ".join([f"dvc checkout {' '.join(cached)}", *([f"git checkout {' '.join(in_git)}"] if in_git else [])])


def _committed_stages(root: Path) -> Stages:
    return stages_of(git(root, "show", "HEAD:./dvc.lock"))


def _is_restorable(root: Path) -> bool:
    """Tell whether all outputs of the last commit are in Git or in DVC's cache on this machine."""
    outputs = [out for stage in _committed_stages(root).values() for out in hashes_of(stage).items()]
    tracked, cache = _committed_paths(root), cache_folder(root)
    return cache is not None and all(path in tracked or is_cached(cache, md5 or "") for path, md5 in outputs)


def _committed_paths(root: Path) -> set[str]:
    return set((git(root, "ls-tree", "-r", "-t", "-z", "--name-only", "HEAD") or "").split("\0"))


def _inputs(stages: Stages) -> dict[str, Any]:
    """Return all that the stages follow from: code, local images, and params."""
    return {
        name: (
            {path: md5 for path, md5 in hashes_of(stage, "deps").items() if not path.startswith(_MADE)},
            stage.get("params"),
        )
        for name, stage in stages.items()
    }
