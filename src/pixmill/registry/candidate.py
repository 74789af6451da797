"""The commit or run that is to be promoted: its results, its run and its model, and whether these belong together."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from pixmill.compare.comparison import Revision
from pixmill.core.dvc import listing_md5
from pixmill.core.errors import PixmillError
from pixmill.core.git import git, git_bytes
from pixmill.core.words import first_of
from pixmill.core.workspace import Workspace
from pixmill.record.model_lookup import MODEL, list_models, newest_model, store_errors
from pixmill.record.run_lookup import MlflowRun
from pixmill.registry.model_versions import Registry
from pixmill.state.stage_inputs import hashes_of


@dataclass(frozen=True)
class Candidate:
    """What is to be promoted.

    Args:
        revision: Its results.
        run: The run that trained its model.
        model_id: The id of the model ``classifier`` of that run.
        lock: The SHA-256 of its ``dvc.lock``; ``None`` if its run has none.
    """

    revision: Revision
    run: MlflowRun
    model_id: str
    lock: str | None


def name_of(workspace: Workspace, given: str | None) -> str:
    """Return how ``compare`` names what a person gave: HEAD by default; the id of a run may stand alone.

    Args:
        workspace: The project's workspace.
        given: A commit, branch, tag or experiment, ``runs:/ID``, ``ID``, or a model in MLflow.

    Raises:
        PixmillError: It is the workspace, which no commit holds.
    """
    if given == "workspace":
        raise PixmillError("the workspace is no commit, so nobody could make its model again", next="pixmill promote")
    if given and re.fullmatch("[0-9a-f]{32}", given) and git(workspace.root, "cat-file", "-e", given) is None:
        return f"runs:/{given}"
    return given or "HEAD"


def check_clean(workspace: Workspace) -> None:
    """Refuse a working tree that differs from its commit: its ``params.yaml`` has the limits, too.

    Raises:
        PixmillError: Files that Git tracks were changed.
    """
    status = git(workspace.root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=no", "--", ".")
    changed = [entry[3:] for entry in (status or "").split("\0") if entry]
    if changed:
        raise PixmillError(
            f"the working tree differs from its commit in {first_of(changed, 4)}, so no commit holds what is promoted",
            next="git commit -a (or git stash), then the same command",
        )


def find_candidate(registry: Registry, workspace: Workspace, name: str, revision: Revision) -> Candidate:
    """Return what is to be promoted.

    Args:
        registry: Where it goes.
        workspace: The project's workspace.
        name: As :func:`name_of` returns it.
        revision: Its results, as ``compare`` reads them.

    Raises:
        PixmillError: Its results are not those of its commit, or MLflow does not hold its run or its model.
    """
    in_mlflow = name.startswith(("runs:/", "models:/"))
    reasons = _of_run(revision) if in_mlflow else _of_commit(workspace, revision)
    if (reason := next(reasons, None)) is not None:
        raise reason
    run = revision.run
    if run is None:
        told = next((line for line in revision.missing if line.startswith("No MLflow run")), None)
        if told:
            raise PixmillError(told)
        raise PixmillError(
            f"MLflow at {registry.store} has no run with the weights of {revision.title}", next=_send(workspace)
        )
    with store_errors(f"runs:/{run.id}", registry.store):
        model = newest_model(list_models(registry.client, registry.client.get_run(run.id)), MODEL)
    if model is None:
        raise PixmillError(f"the run {run.name} in MLflow has no model '{MODEL}'", next=_send(workspace))
    lock = revision.read("dvc.lock")
    return Candidate(revision, run, model.model_id, None if lock is None else hashlib.sha256(lock).hexdigest())


def _send(workspace: Workspace) -> str:
    """Return what brings a run to MLflow."""
    waiting = workspace.root / ".pixmill" / "record"
    if waiting.is_dir() and any(path.is_dir() for path in waiting.iterdir()):
        return "pixmill sync, then the same command"
    return "dvc repro -f train evaluate, then the same command; or set MLFLOW_TRACKING_URI to the store that has it"


def _of_run(revision: Revision) -> Iterator[PixmillError]:
    tags = revision.run.tags if revision.run else {}
    if tags.get("pixmill.dirty") == "true" or revision.commit is None:
        experiment = tags.get("DVC_EXP_NAME")
        yield PixmillError(
            f"{revision.title} was trained on changes that its commit does not hold",
            next=f"pixmill promote {experiment}"
            if experiment
            else "commit them with their results: pixmill promote HEAD",
        )


def _of_commit(workspace: Workspace, revision: Revision) -> Iterator[PixmillError]:
    again = "dvc repro, commit its results, then the same command"
    if not revision.lock:
        yield PixmillError(f"{revision.title} has no dvc.lock, so no results", next=again)
    if revision.outdated:
        yield PixmillError(revision.outdated.partition("; to update them")[0], next=again)
    recorded = {
        path: md5
        for stage in revision.lock.values()
        for path, md5 in hashes_of(stage, "deps").items()
        if md5 and md5.endswith(".dir") and path != "data" and not path.startswith("artifacts/")
    }
    for path, md5 in sorted(recorded.items()):
        if _folder_md5(workspace, str(revision.commit), path) not in (None, md5):
            yield PixmillError(
                f"The results of {revision.title} are of an earlier run: the code in {path} has changed since",
                next=again,
            )


def _folder_md5(workspace: Workspace, commit: str, folder: str) -> str | None:
    """Return the digest by which DVC knows a folder of a commit; ``None`` if it has no such folder."""
    packed = git_bytes(workspace.root, "archive", "--format=tar", commit, "--", folder)
    if packed is None:
        return None
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        files = [(member.name, archive.extractfile(member)) for member in archive.getmembers()]
        digests = {
            name.removeprefix(f"{folder}/"): hashlib.md5(file.read(), usedforsecurity=False).hexdigest()  # as DVC does
            for name, file in files
            if file is not None
        }
    return listing_md5(digests)
