"""The inputs and outputs of results, from ``dvc.lock``."""

import functools
import hashlib
from collections.abc import Callable, Mapping
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


def data_md5(content: bytes) -> str | None:
    """Return the MD5 of ``data/`` by a ``data.dvc``; ``None`` if it records none.

    Raises:
        MalformedError: DVC would not write such a file.
    """
    return hashes_of(read_stages(content, "data.dvc")[""]).get("data")


def outputs_of(stages: Stages) -> dict[str, str | None]:
    """Return the MD5 of each output of all stages by path."""
    return {path: md5 for stage in stages.values() for path, md5 in hashes_of(stage).items()}


def evaluates_trained(stages: Stages) -> bool:
    """Return whether the last evaluation is of the model that was trained last."""
    trained = hashes_of(stages.get("train", {})).get("artifacts/train")
    evaluated = hashes_of(stages.get("evaluate", {}), "deps").get("artifacts/train")
    return trained is not None and trained == evaluated


def first_outdated(stages: Stages) -> str | None:
    """Return the first stage that last ran on outdated outputs of earlier stages."""
    made = outputs_of(stages)
    for name, stage in stages.items():
        if any(made.get(path, md5) != md5 for path, md5 in hashes_of(stage, "deps").items()):
            return name
    return None


def find_changed_input(stages: Stages, read: Callable[[str], bytes | None]) -> str | None:
    """Return the first input that changed since the results were made; ``None`` if none did.

    Compares params, ``data.dvc`` and single files such as ``decisions.csv``, but not folders of
    code.

    Args:
        stages: The stages of ``dvc.lock``.
        read: Returns the content of a file by path; ``None`` if it is missing.

    Raises:
        MalformedError: ``params.yaml`` or ``data.dvc`` is malformed.
    """
    document = functools.cache(lambda file: read_yaml(read(file) or b"", file))
    for stage in stages.values():
        for file, recorded in (stage.get("params") or {}).items():
            for name, value in recorded.items():
                if document(file).get(name) != value:
                    return f"the code of {name}" if file == FILE else f"{name} in {file}"
        for dep in stage.get("deps", []):
            if changed := _changed_file(dep["path"], str(dep.get("md5")), read):
                return changed
    return None


def _changed_file(path: str, md5: str, read: Callable[[str], bytes | None]) -> str | None:
    """Return the file in Git that shows that a dependency changed; ``None`` if none does."""
    if path == "data":
        return None if data_md5(read("data.dvc") or b"") in (None, md5) else "data.dvc"
    if path.startswith("artifacts/") or md5.endswith(".dir"):
        return None
    content = read(path)
    # As DVC does.
    now = None if content is None else hashlib.md5(content, usedforsecurity=False).hexdigest()
    return None if now == md5 else path


RESULTS = ("dvc.lock", "metrics", "plots")
"""The results that are in Git."""


def is_committed(root: Path, *paths: str) -> bool:
    """Return whether files and folders equal the last commit."""
    return git(root, "status", "--porcelain", "--", *paths) == ""


def are_cached(root: Path, outputs: Mapping[str, str | None]) -> bool:
    """Return whether the local DVC cache contains all outputs.

    Args:
        root: The project's folder.
        outputs: MD5 by path; ``None`` if not recorded.
    """
    cache = cache_folder(root)
    return cache is not None and all(is_cached(cache, md5 or "") for md5 in outputs.values())
