"""The commit, the DVC hashes and the experiment that a run stands on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pixmill.git import git

__all__ = ["code_tags", "data_hashes", "data_tags", "pictures_in"]

_WRITTEN_BY_RUNS = (":!dvc.lock", ":!metrics", ":!plots")
"""What the pipeline itself rewrites in Git: a change there does not make the code another."""

_AFTER_TRAINING = {"train", "evaluate"}
"""Stages of ``dvc.lock`` whose outputs are of an earlier training."""


def code_tags(root: Path) -> dict[str, str]:
    """Return what names the code of a run.

    Args:
        root: The project's folder.

    Returns:
        ``mlflow.source.git.commit`` and ``pixmill.commit`` (HEAD), ``pixmill.dirty`` (``true`` where anything but the
        pipeline's own results differs from it; absent where Git cannot tell), and ``DVC_EXP_NAME`` within an
        experiment, whose HEAD is its baseline's. Empty outside Git.
    """
    tags = {}
    head = git(root, "rev-parse", "HEAD")
    if head is not None:
        changes = git(root, "status", "--porcelain", "--", ".", *_WRITTEN_BY_RUNS)
        tags["mlflow.source.git.commit"] = tags["pixmill.commit"] = head.strip()
        if changes is not None:
            tags["pixmill.dirty"] = "true" if changes else "false"
    if experiment := os.environ.get("DVC_EXP_NAME"):
        tags["DVC_EXP_NAME"] = experiment
    return tags


def data_hashes(root: Path) -> dict[str, str]:
    """Return DVC's hash of all that a training stands on, by path.

    That is ``data`` from ``data.dvc``, and the artifacts of the stages before train from ``dvc.lock``, which DVC
    completes stage by stage. Empty where DVC has recorded nothing yet.

    Args:
        root: The project's folder.
    """
    stages = (_yaml(root / "dvc.lock").get("stages") or {}).items()
    outputs = [out for name, stage in stages if name not in _AFTER_TRAINING for out in stage.get("outs", ())]
    outputs += _yaml(root / "data.dvc").get("outs", ())
    return dict(sorted(_hashes(outputs)))


def data_tags(root: Path) -> dict[str, str]:
    """Return :func:`data_hashes` as tags ``pixmill.dvc.<path>``."""
    return {f"pixmill.dvc.{path}": digest for path, digest in data_hashes(root).items()}


def pictures_in(folder: Path) -> int | None:
    """Return how many pictures a packed part holds, or ``None`` where nothing says so.

    Args:
        folder: The part, such as ``artifacts/split/train``; its header lies beside it.
    """
    try:
        return int(json.loads(folder.with_suffix(".json").read_text(encoding="utf-8"))["shape"][0])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def _hashes(outputs: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for output in outputs:
        path, digest = output["path"], output.get("md5")
        if digest and (path == "data" or path.startswith("artifacts/")):
            yield path, digest


def _yaml(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
