"""The inputs and outputs of results, from ``dvc.lock``, and commands that keep or restore results."""

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pixmill.core.errors import ParamsError
from pixmill.core.provenance.lock import FILE
from pixmill.core.repository.documents import MalformedError, read_stages, read_yaml
from pixmill.core.repository.dvc import cache_folder, is_cached
from pixmill.core.repository.git import git

Stages = dict[str, dict[str, Any]]
"""The stages of a ``dvc.lock`` by name."""


def workspace_stages(root: Path) -> Stages:
    """Return the stages of a project's ``dvc.lock``; see :func:`stages_of`."""
    path = root / "dvc.lock"
    return stages_of(path.read_text("utf-8", "surrogateescape") if path.exists() else None)


def stages_of(lock: str | None) -> Stages:
    """Parse a ``dvc.lock``; ``None`` (no file) gives no stages.

    Raises:
        ParamsError: The file is malformed, for example by conflict markers.
    """
    try:
        return read_stages((lock or "").encode("utf-8", "surrogateescape"))
    except MalformedError as fault:
        raise ParamsError(
            f"dvc.lock {fault}", next="git diff dvc.lock, resolve the conflict, then: dvc repro"
        ) from None


def hashes_of(stage: Mapping[str, Any], kind: str = "outs") -> dict[str, str | None]:
    """Return the MD5 of each output or dependency of a stage by path; ``None`` if DVC records none.

    Args:
        stage: The stage in ``dvc.lock``.
        kind: ``outs`` or ``deps``.
    """
    return {entry["path"]: entry.get("md5") for entry in stage.get(kind, ())}


def outputs_of(stages: Stages) -> dict[str, str | None]:
    """Return the MD5 of each output of all stages by path."""
    return {path: md5 for stage in stages.values() for path, md5 in hashes_of(stage).items()}


def first_outdated(stages: Stages) -> str | None:
    """Return the first stage that last ran on outdated outputs of earlier stages."""
    made = outputs_of(stages)
    for name, stage in stages.items():
        if any(made.get(path, md5) != md5 for path, md5 in hashes_of(stage, "deps").items()):
            return name
    return None


def find_changed_input(stages: Stages, read: Callable[[str], bytes | None]) -> str | None:
    """Return the first input that changed since the results were made; ``None`` if none did.

    Compares params, ``data.dvc`` and single files such as ``review.csv``, but not folders of code.

    Args:
        stages: The stages of ``dvc.lock``.
        read: Returns the content of a file by path; ``None`` if it is missing.

    Raises:
        MalformedError: ``params.yaml`` or ``data.dvc`` is malformed.
    """
    document = functools.cache(lambda file: read_yaml(read(file) or b"", file))
    data = functools.cache(lambda: read_stages(read("data.dvc") or b"", "data.dvc")[""].get("outs") or [{}])
    for stage in stages.values():
        for file, recorded in (stage.get("params") or {}).items():
            for name, value in recorded.items():
                if document(file).get(name) != value:
                    return f"the code of {name}" if file == FILE else f"{name} in {file}"
        for dep in stage.get("deps", []):
            path, md5 = dep["path"], str(dep.get("md5"))
            if path == "data":
                if str(data()[0].get("md5", md5)) != md5:
                    return "data.dvc"
            elif not path.startswith("artifacts/") and not md5.endswith(".dir"):
                content = read(path)
                if content is None or hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:  # as DVC does
                    return str(path)
    return None


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
