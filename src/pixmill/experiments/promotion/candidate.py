"""Find the commit to promote, with its results, run and model, and check that they belong together."""

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
    """A model to promote.

    Args:
        revision: Results of its commit.
        run: Run that trained it.
        model_id: Id of the model ``classifier`` of that run.
    """

    revision: Revision
    run: MlflowRun
    model_id: str


def name_of(workspace: Workspace, given: str | None) -> str:
    """Return the name of the commit to promote: of a version, the commit that it was promoted from.

    Args:
        workspace: Workspace of the project.
        given: Commit, branch, tag or experiment, or a version in the registry; default: HEAD.

    Raises:
        PixmillError: The commit is not in this clone.
    """
    name = given or "HEAD"
    if name.startswith("models:/"):
        found = resolve(name, workspace)
        if found.version and found.commit and git(workspace.root, "cat-file", "-e", f"{found.commit}^{{commit}}") == "":
            return found.commit
        if found.commit:
            raise PixmillError(
                f"{name} was promoted from {printable(found.commit)}, which is not a commit of this clone",
                next="git fetch --all, then the same command",
            )
    if name == "workspace" or name.startswith(("models:/", "runs:/")):
        raise PixmillError(
            f"{name} is not a commit of this clone, so its model could not be made again",
            next="commit its results, then: pixmill promote",
        )
    return name


def check_clean(workspace: Workspace) -> None:
    """Check that the working tree, whose ``params.yaml`` has the limits, equals its commit.

    Raises:
        PixmillError: Files that Git tracks were changed, or ``git status`` failed.
    """
    changed = changed_files(workspace.root, "--untracked-files=no", "--", ".")
    if changed is None:
        raise PixmillError("Git cannot compare the working tree with its commit", next="git status")
    if changed:
        named = first_of([*map(printable, changed)], 4)
        raise PixmillError(
            f"the working tree differs from its commit in {named}, so no commit has the promoted state",
            next="git stash; or dvc repro, if its results are not there yet, and git commit -a",
        )


def find_candidate(registry: Registry, workspace: Workspace, revision: Revision) -> Candidate:
    """Return the model to promote.

    Args:
        registry: Registry of the model.
        workspace: Workspace of the project.
        revision: Results of the commit.

    Raises:
        PixmillError: The results are older than the commit's inputs, or MLflow lacks the run or the model.
    """
    again = "dvc repro, commit its results, then the same command"
    if not revision.lock:
        raise PixmillError(f"{revision.title} has no dvc.lock, so no results", next=again)
    if revision.outdated:
        raise PixmillError(revision.outdated.partition("; to update them")[0], next=again)
    run = revision.run
    if run is None:
        raise PixmillError(
            f"MLflow at {registry.store} has no run with the weights of {revision.title}",
            next=_upload_command(workspace),
        )
    with store_errors(f"runs:/{run.id}", registry.store):
        model = newest_model(list_models(registry.client, registry.client.get_run(run.id)), MODEL)
    if model is None:
        raise PixmillError(f"the run {run.name} in MLflow has no model '{MODEL}'", next=_upload_command(workspace))
    return Candidate(revision, run, model.model_id)


def _upload_command(workspace: Workspace) -> str:
    """Return the command that sends a run to MLflow."""
    waiting = workspace.root / ".pixmill" / "record"
    if waiting.is_dir() and any(path.is_dir() for path in waiting.iterdir()):
        return "pixmill sync, then the same command"
    return "dvc repro -f train evaluate, then the same command; or set MLFLOW_TRACKING_URI to the store that has it"
