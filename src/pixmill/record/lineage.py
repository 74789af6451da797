"""The commit, the DVC hashes, the experiment and the process that a run stands on."""

from __future__ import annotations

import getpass
import json
import os
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import yaml

from pixmill.core.git import git

__all__ = [
    "HOST",
    "code_tags",
    "data_hashes",
    "data_tags",
    "host",
    "image_count",
    "is_alive",
    "process_tags",
    "source_tags",
]

_WRITTEN_BY_RUNS = (":!dvc.lock", ":!metrics", ":!plots")
"""What the pipeline itself rewrites in Git: a change there does not make the code another."""

_AFTER_TRAINING = {"train", "evaluate"}
"""Stages of ``dvc.lock`` whose outputs are of an earlier training."""

HOST, _PID, _STARTED = "pixmill.host", "pixmill.pid", "pixmill.started"

_SAME_START = 2.0
"""Seconds by which two readings of one process' start may differ when the clock is set."""


def source_tags(stage: str) -> dict[str, str]:
    """Return who runs which file, as MLflow names it."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = "unknown"  # a container's user may have no name; MLflow calls it so then
    return {"mlflow.source.name": f"stages/{stage}.py", "mlflow.source.type": "LOCAL", "mlflow.user": user}


def process_tags() -> dict[str, str]:
    """Return what names this process among all that ever ran: the host, the process id and when it began."""
    return {HOST: host(), _PID: str(os.getpid()), _STARTED: f"{psutil.Process().create_time():.2f}"}


def is_alive(tags: Mapping[str, str]) -> bool:
    """Tell whether the process of this host that has these tags lives.

    Args:
        tags: Among them those of :func:`process_tags`.
    """
    try:
        # Another process may have been given the number of a dead one.
        started = psutil.Process(int(tags[_PID])).create_time()
    except psutil.NoSuchProcess:
        return False
    return bool(abs(started - float(tags[_STARTED])) <= _SAME_START)


def host() -> str:
    """Return a name of this host: many are called ``localhost``, but few have the same network address as well."""
    return f"{socket.gethostname()}-{uuid.getnode():012x}"


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
    stages = _yaml(root / "dvc.lock").get("stages") or {}
    outputs = [out for name, stage in stages.items() if name not in _AFTER_TRAINING for out in stage.get("outs", ())]
    outputs += _yaml(root / "data.dvc").get("outs", ())
    hashes = {output["path"]: output["md5"] for output in outputs if output.get("md5")}
    return {path: hashes[path] for path in sorted(hashes) if path == "data" or path.startswith("artifacts/")}


def data_tags(root: Path) -> dict[str, str]:
    """Return :func:`data_hashes` as tags ``pixmill.dvc.<path>``."""
    return {f"pixmill.dvc.{path}": digest for path, digest in data_hashes(root).items()}


def image_count(part: Path) -> int | None:
    """Return how many images a packed part holds, by the header beside it; ``None`` where there is none.

    Args:
        part: Such as ``artifacts/split/train``.
    """
    header = part.with_suffix(".json")
    return int(json.loads(header.read_text(encoding="utf-8"))["shape"][0]) if header.exists() else None


def _yaml(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.exists() else {}
