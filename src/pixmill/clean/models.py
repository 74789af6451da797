"""Models in MLflow of trainings that nothing needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixmill.core.errors import DataError
from pixmill.core.git import git
from pixmill.core.workspace import Workspace
from pixmill.record.delivery import WEIGHTS
from pixmill.record.model_lookup import open_store, store_errors
from pixmill.record.pending import RunData, pending_folders
from pixmill.record.store import database_file, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_OURS = ("classifier", "keras")
"""The models that a training logs."""


@dataclass(frozen=True)
class RecordedModel:
    """A model in MLflow.

    Args:
        id: Its id.
        run: The id of its training.
        folder: Where its files are.
    """

    id: str
    run: str
    folder: Path


def owns_store(workspace: Workspace) -> bool:
    """Tell whether MLflow is a database in the project's folder: others hold other people's runs, too."""
    file = database_file(tracking_uri(workspace))
    return file is not None and file.resolve().is_relative_to(workspace.home.resolve())


def unneeded_models(workspace: Workspace, weights: Set[str], trainings: Set[str]) -> list[RecordedModel]:
    """Return the models of trainings with other weights, unless a version is registered, or the run waits or runs.

    Models that Pixmill did not log, files that are not in the project's folder, and trainings at commits that its Git
    does not know, since they are another project's or another clone's, are never among them.

    Args:
        workspace: The project's workspace; its MLflow must be as :func:`owns_store` says.
        weights: The md5 of ``model.weights.h5`` of every training that is needed.
        trainings: The md5 of ``artifacts/train``, where that of the weights is not known.

    Raises:
        PixmillError: MLflow cannot be read, or a pending run is damaged.
    """
    from mlflow.entities import ViewType

    uri = tracking_uri(workspace)
    if not (database_file(uri) or Path()).exists():
        return []
    try:
        pending = [RunData.load(folder) for folder in pending_folders(workspace.scratch("record"))]
    except (OSError, ValueError) as error:
        raise DataError(f"it is not known what a pending run needs: {error}", next="pixmill sync") from error
    with store_errors("runs", uri):
        client = open_store(uri)
        experiments = [each.experiment_id for each in client.search_experiments(max_results=50_000)]
        runs = {
            run.info.run_id: run
            for run in _all(client.search_runs, experiments, run_view_type=ViewType.ALL)
            if WEIGHTS in run.data.tags
        }
        kept = set(weights) | {data.weights for data in pending}
        kept |= {run.data.tags[WEIGHTS] for run in runs.values() if _evaluated(run) & trainings}
        needed = _registered(client) | {data.run_id for data in pending}
        needed |= {name for name, run in runs.items() if run.info.status == "RUNNING" or run.data.tags[WEIGHTS] in kept}
        return [
            RecordedModel(model.model_id, model.source_run_id, _path(model.artifact_location))
            for model in _all(client.search_logged_models, experiments)
            if model.name in _OURS
            and model.source_run_id in runs
            and _is_in(workspace.home, model.artifact_location)
            and not {model.source_run_id, model.model_id} & needed
            and _is_known(workspace.root, runs[model.source_run_id].data.tags.get("pixmill.commit"))
        ]


def delete_model(workspace: Workspace, model: RecordedModel) -> None:
    """Delete a model's files, then the model, as MLflow does; its run stays, with params, metrics and other files.

    Raises:
        PixmillError: MLflow refuses.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    uri = tracking_uri(workspace)
    with store_errors(f"models:/{model.id}", uri):
        # In this order a killed process leaves a model that the next one finds again.
        get_artifact_repository(model.folder.as_uri()).delete_artifacts()
        open_store(uri).delete_logged_model(model.id)


def _is_known(root: Path, commit: str | None) -> bool:
    return commit is not None and git(root, "cat-file", "-e", f"{commit}^{{commit}}") is not None


def _evaluated(run: Run) -> set[str]:
    """Return the md5s in the ``dvc.lock`` that was logged when the training was evaluated, if it is on this machine."""
    path = _path(run.info.artifact_uri) / "dvc.lock"
    return set(re.findall(r"[0-9a-f]{32}\.dir", path.read_text("utf-8"))) if path.exists() else set()


def _path(location: str) -> Path:
    from mlflow.utils.file_utils import local_file_uri_to_path

    return Path(local_file_uri_to_path(location))


def _is_in(home: Path, location: str) -> bool:
    """Tell whether files are in a folder; those of servers (``mlflow-artifacts:/…``, ``s3://…``) are in none."""
    path = _path(location)
    return path.is_absolute() and path.resolve().is_relative_to(home.resolve())


def _registered(client: MlflowClient) -> set[str]:
    """Return the ids of models and runs that versions in the registry come from."""
    found = set()
    for version in _all(client.search_model_versions):
        # The database tells the model's id by the source alone.
        found |= {version.model_id, version.run_id, *re.findall(r"(?:m-)?[0-9a-f]{32}", version.source or "")}
    return {each for each in found if each}


def _all(search: Callable[..., Any], *words: Any, **options: Any) -> Iterator[Any]:
    """Yield what a search finds, from all pages."""
    token = None
    while True:
        page = search(*words, **options, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
