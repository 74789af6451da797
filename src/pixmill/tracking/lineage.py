"""Provenance of a run: commit, DVC hashes and experiment."""

import getpass
import os
from pathlib import Path
from urllib.parse import quote

from pixmill import __version__
from pixmill.core.errors import DataError
from pixmill.core.process.progress import announce
from pixmill.core.repository.documents import MalformedError
from pixmill.core.repository.git import GitError, git, git_line
from pixmill.core.repository.stage_inputs import data_md5, hashes_of, workspace_stages

_WRITTEN_BY_RUNS = (":!dvc.lock", ":!metrics", ":!plots")
"""Results in Git; changes of these do not make the code dirty."""

_AFTER_TRAINING = {"train", "evaluate"}
"""Stages in ``dvc.lock`` whose outputs are those of the previous training."""

VERSION = "pixmill.version"

PROJECT = "pixmill.project"
"""Tag with :func:`project_id`."""


def source_tags(stage: str) -> dict[str, str]:
    """Return user and source file under MLflow's tag names."""
    name = f"stages/{stage}.py"
    return {
        "mlflow.source.name": name,
        "mlflow.source.type": "LOCAL",
        "mlflow.user": getpass.getuser(),
    }


def code_tags(root: Path) -> dict[str, str]:
    """Return tags that identify the code of a run.

    Args:
        root: The project's folder.

    Returns:
        ``pixmill.version``; ``mlflow.source.git.commit`` and ``pixmill.commit`` (HEAD),
        ``pixmill.dirty`` (``true`` if any file except results differs from it; absent if unknown),
        ``pixmill.project``, and ``DVC_EXP_NAME`` within an experiment, whose HEAD is its
        baseline's. Without those that Git does not tell.
    """
    tags = {VERSION: __version__}
    try:
        if head := git(root, "rev-parse", "HEAD"):
            tags["mlflow.source.git.commit"] = tags["pixmill.commit"] = head.strip()
            if project := project_id(root):
                tags[PROJECT] = project
            changes = git(root, "status", "--porcelain", "--", ".", *_WRITTEN_BY_RUNS)
            if changes is not None:
                tags["pixmill.dirty"] = "true" if changes else "false"
    except GitError as error:
        announce(f"warning: the record of the run will lack facts of Git. {error}")
    if experiment := os.environ.get("DVC_EXP_NAME"):
        tags["DVC_EXP_NAME"] = experiment
    return tags


def project_id(root: Path) -> str | None:
    """Return an id that all clones and branches share: the first commit, and the folder.

    Projects with the same name may share an MLflow server, and several projects may share a
    repository.

    Args:
        root: The project's folder.

    Returns:
        For example ``1a2b…:apps/garments/``, with the folder percent-encoded; ``None`` outside Git,
        before the first commit, and in a shallow clone.
    """
    if git_line(root, "rev-parse", "--is-shallow-repository") != "false":
        return None
    # Follow first parents only: merging another history adds another first commit.
    first = git(root, "rev-list", "--first-parent", "--max-parents=0", "HEAD")
    folder = git(root, "rev-parse", "--show-prefix")
    return f"{first.strip()}:{quote(folder.strip())}" if first and folder is not None else None


def data_hashes(root: Path) -> dict[str, str]:
    """Return DVC's hashes of a training's inputs, by path.

    These are ``data`` from ``data.dvc``, and the artifacts of earlier stages from ``dvc.lock``.
    Entries without a hash, as with remotes that keep versions, are left out.

    Args:
        root: The project's folder.

    Raises:
        DataError: ``data.dvc`` is malformed.
        ParamsError: ``dvc.lock`` is malformed.
    """
    hashes = {
        path: md5
        for name, stage in workspace_stages(root).items()
        if name not in _AFTER_TRAINING
        for path, md5 in hashes_of(stage).items()
        if md5 and path.startswith("artifacts/")
    }
    if (record := root / "data.dvc").exists():
        try:
            data = data_md5(record.read_bytes())
        except MalformedError as fault:
            raise DataError(f"data.dvc {fault}", next="git diff data.dvc") from None
        if data is not None:
            hashes["data"] = data
    return dict(sorted(hashes.items()))


def data_tags(root: Path) -> dict[str, str]:
    """Return :func:`data_hashes` as tags ``pixmill.dvc.<path>``."""
    return {f"pixmill.dvc.{path}": digest for path, digest in data_hashes(root).items()}
