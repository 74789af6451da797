"""The commit or run that is to be promoted: its results, its run and its model, and whether these belong together."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from pixmill.compare.comparison import Revision
from pixmill.compare.git_revisions import GitRevision
from pixmill.compare.revisions import WEIGHTS_FILE
from pixmill.compare.trees import DvcStore, Tree
from pixmill.core.dvc import folder_md5, listing_md5
from pixmill.core.errors import PixmillError
from pixmill.core.git import changed_files, git
from pixmill.core.words import first_of, printable
from pixmill.core.workspace import Workspace
from pixmill.record.delivery import WEIGHTS
from pixmill.record.model_lookup import COMMIT, MODEL, list_models, newest_model, resolve, store_errors
from pixmill.record.run_lookup import MlflowRun, RunReader
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

    People train, then commit. So a run whose commit does not hold what it was trained on stands for the commit that
    holds its results, and a version in the registry for the commit that it was promoted from.

    Args:
        workspace: The project's workspace.
        given: A commit, branch, tag or experiment, ``runs:/ID``, ``ID``, or a model in MLflow.

    Raises:
        PixmillError: It is the workspace, or a run whose results no commit holds, or there is none.
    """
    root = workspace.root
    if given == "workspace":
        raise PixmillError("the workspace is no commit, so nobody could make its model again", next="pixmill promote")
    name = given or "HEAD"
    if re.fullmatch("[0-9a-f]{32}", name) and git(root, "cat-file", "-e", name) is None:
        name = f"runs:/{name}"
    if not name.startswith(("runs:/", "models:/")):
        return name
    if match := re.fullmatch(r"runs:/([^/]+)(?:/[^/]+)?/?", name):
        run: str | None = match[1]
    else:
        found = resolve(name, workspace)
        if found.version and found.commit and git(root, "cat-file", "-e", f"{found.commit}^{{commit}}") is not None:
            return found.commit
        run = found.run
    if run is None:
        raise PixmillError(f"{name} belongs to no run in MLflow, so its results are unknown", next="pixmill models")
    tags = RunReader(workspace).get(run).tags
    if tags.get("pixmill.dirty") != "true" and tags.get(COMMIT):
        return name
    if (commit := _commit_with(workspace, tags.get(WEIGHTS))) is not None:
        return commit
    experiment = tags.get("DVC_EXP_NAME")
    raise PixmillError(
        f"{name} was trained on changes that no commit in this clone's cache holds",
        next=f"pixmill promote {quote(printable(experiment))}" if experiment else "commit them with their results",
    )


def _commit_with(workspace: Workspace, weights: str | None) -> str | None:
    """Return the newest of the last hundred commits with these weights in DVC's cache, by their MD5."""
    commits = (git(workspace.root, "log", "--all", "-100", "--format=%H", "--", "dvc.lock") or "").split()
    store = DvcStore(workspace.root, fetch=False)
    for commit in commits if weights else ():
        if Tree(store, GitRevision(commit, commit, commit, commit)).md5(WEIGHTS_FILE) == weights:
            return commit
    return None


def check_clean(workspace: Workspace) -> None:
    """Refuse a working tree that differs from its commit: its ``params.yaml`` has the limits, too.

    Raises:
        PixmillError: Files that Git tracks were changed, or Git cannot tell.
    """
    changed = changed_files(workspace.root, "--untracked-files=no", "--", ".")
    if changed is None:
        raise PixmillError("Git cannot tell whether the working tree is as committed", next="git status")
    if changed:
        named = first_of([*map(printable, changed)], 4)
        raise PixmillError(
            f"the working tree differs from its commit in {named}, so no commit holds what is promoted",
            next="git stash; or dvc repro, if its results are not there yet, and git commit -a",
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
    if not name.startswith(("runs:/", "models:/")):
        _check_results(workspace, revision)
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


def _check_results(workspace: Workspace, revision: Revision) -> None:
    """Refuse results that are not those of their commit: of its params, its data and its code."""
    again = "dvc repro, commit its results, then the same command"
    if not revision.lock:
        raise PixmillError(f"{revision.title} has no dvc.lock, so no results", next=again)
    if revision.outdated:
        raise PixmillError(revision.outdated.partition("; to update them")[0], next=again)
    recorded = {
        path: md5
        for stage in revision.lock.values()
        for path, md5 in hashes_of(stage, "deps").items()
        if md5 and md5.endswith(".dir") and path != "data" and not path.startswith("artifacts/")
    }
    for path, md5 in sorted(recorded.items()):
        if not _holds(workspace.root, str(revision.commit), path, md5):
            raise PixmillError(
                f"the results of {revision.title} are of an earlier run: the code in {path} has changed since",
                next=f"{again}; files in {path} that Git ignores must not be among them",
            )


def _holds(root: Path, commit: str, folder: str, md5: str) -> bool:
    """Tell whether a commit has a folder with the digest by which DVC knows it, or a file by which DVC versions it."""
    entries = (git(root, "ls-tree", "-r", "-z", commit, "--", f"./{folder}") or "").split("\0")
    blobs = {path: about.split()[2] for about, _, path in (entry.partition("\t") for entry in entries if entry)}
    if not blobs:
        return git(root, "cat-file", "-e", f"{commit}:./{folder}.dvc") is not None
    digests = {path.removeprefix(f"{folder}/"): _blob_md5(root, blob) for path, blob in blobs.items()}
    if listing_md5(digests) == md5:
        return True
    # DVC also counts files that Git does not track, which only the checked out commit has.
    is_head = (git(root, "rev-parse", "HEAD") or "").strip() == commit
    return is_head and (root / folder).is_dir() and folder_md5(root / folder) == md5


def _blob_md5(root: Path, blob: str) -> str:
    """Return the MD5 by which DVC knows a file in Git."""
    content = (git(root, "cat-file", "blob", blob) or "").encode("utf-8", "surrogateescape")
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
