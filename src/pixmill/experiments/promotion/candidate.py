"""The commit that is to be promoted: its results, its run and its model, and whether these belong together."""

from __future__ import annotations

from dataclasses import dataclass

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.repository.git import changed_files, git
from pixmill.core.words import first_of, printable
from pixmill.experiments.compare.comparison import Revision
from pixmill.tracking.model_lookup import MODEL, list_models, newest_model, resolve, store_errors
from pixmill.tracking.model_versions import Registry
from pixmill.tracking.run_lookup import MlflowRun


@dataclass(frozen=True)
class Candidate:
    """What is to be promoted.

    Args:
        revision: Its results.
        run: The run that trained its model.
        model_id: The id of the model ``classifier`` of that run.
    """

    revision: Revision
    run: MlflowRun
    model_id: str


def name_of(workspace: Workspace, given: str | None) -> str:
    """Return how ``compare`` names what a person gave: HEAD by default, a version by the commit it was promoted from.

    Args:
        workspace: The project's workspace.
        given: A commit, branch, tag or experiment, or a version in the registry.

    Raises:
        PixmillError: It is no commit of this clone.
    """
    name = given or "HEAD"
    if name.startswith("models:/"):
        found = resolve(name, workspace)
        if found.version and found.commit and git(workspace.root, "cat-file", "-e", f"{found.commit}^{{commit}}") == "":
            return found.commit
        if found.commit:
            raise PixmillError(
                f"{name} was promoted from {printable(found.commit)}, which is no commit of this clone",
                next="git fetch --all, then the same command",
            )
    if name == "workspace" or name.startswith(("models:/", "runs:/")):
        raise PixmillError(
            f"{name} is no commit of this clone, so nobody could make its model again",
            next="commit its results, then: pixmill promote",
        )
    return name


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


def find_candidate(registry: Registry, workspace: Workspace, revision: Revision) -> Candidate:
    """Return what is to be promoted.

    Args:
        registry: Where it goes.
        workspace: The project's workspace.
        revision: Its results, as ``compare`` reads them.

    Raises:
        PixmillError: Its results are not those of its commit, or MLflow does not hold its run or its model.
    """
    again = "dvc repro, commit its results, then the same command"
    if not revision.lock:
        raise PixmillError(f"{revision.title} has no dvc.lock, so no results", next=again)
    if revision.outdated:
        raise PixmillError(revision.outdated.partition("; to update them")[0], next=again)
    run = revision.run
    if run is None:
        raise PixmillError(
            f"MLflow at {registry.store} has no run with the weights of {revision.title}", next=_send(workspace)
        )
    with store_errors(f"runs:/{run.id}", registry.store):
        model = newest_model(list_models(registry.client, registry.client.get_run(run.id)), MODEL)
    if model is None:
        raise PixmillError(f"the run {run.name} in MLflow has no model '{MODEL}'", next=_send(workspace))
    return Candidate(revision, run, model.model_id)


def _send(workspace: Workspace) -> str:
    """Return what brings a run to MLflow."""
    waiting = workspace.root / ".pixmill" / "record"
    if waiting.is_dir() and any(path.is_dir() for path in waiting.iterdir()):
        return "pixmill sync, then the same command"
    return "dvc repro -f train evaluate, then the same command; or set MLFLOW_TRACKING_URI to the store that has it"
