"""Training runs in MLflow: their facts, and the files that were logged with them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from pixmill.core.errors import PixmillError
from pixmill.core.workspace import Workspace
from pixmill.record.delivery import LINKED, WEIGHTS
from pixmill.record.model_lookup import MODEL, list_models, newest_model, open_store, store_errors
from pixmill.record.store import database_file, search_runs, tracking_uri, view_hint

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PREDICTIONS = "predictions/predictions.parquet"
"""Where a run has what evaluate predicted."""

_UI = "http://127.0.0.1:5000"
"""The address of ``mlflow ui``."""

_LISTED = 100
"""Runs that are listed unless told otherwise."""


@dataclass(frozen=True)
class MlflowRun:
    """A run, as MLflow knows it.

    Args:
        id: The run's id.
        name: Its name.
        url: Its page, on the tracking server or in ``mlflow ui``.
        seconds: Duration of the training; ``None`` if it has not finished, or was recorded elsewhere.
        megabytes: Size of its model ``classifier``; ``None`` if it has none, or its files cannot be read from here.
        tags: Its tags.
        command: What serves its page on this machine; ``None`` if a server does.
    """

    id: str
    name: str
    url: str
    seconds: float | None
    megabytes: float | None
    tags: Mapping[str, str]
    command: str | None = None


class RunReader:
    """A reader of the runs of a workspace's MLflow.

    Args:
        workspace: Its database is the default store.

    Raises:
        PixmillError: By each method: MLflow does not respond within seconds, or there is no database yet.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._store = tracking_uri(workspace)
        self._file = database_file(self._store)
        self._failure: PixmillError | None = None

    @cached_property
    def _client(self) -> MlflowClient:
        """The client of MLflow; a server that does not respond is asked once."""
        if self._failure is None:
            try:
                return open_store(self._store)
            except PixmillError as error:
                self._failure = error
        raise self._failure

    def get(self, run_id: str) -> MlflowRun:
        """Return a run by its id.

        Raises:
            PixmillError: There is none.
        """
        with store_errors(f"runs:/{run_id}", self._store):
            return self._facts(self._client.get_run(run_id))

    def newest(self, weights: str) -> MlflowRun | None:
        """Return the newest run of the training that produced some weights; ``None`` if there is none.

        Its duration is the longest of all runs with these weights, since those that reused a finished training took
        less.

        Args:
            weights: The md5 of ``artifacts/train/model.weights.h5``.
        """
        if self._file and not self._file.exists():
            return None
        with store_errors("runs", self._store):
            found = self._search(f"tags.`{WEIGHTS}` = '{weights}'", _LISTED)
            longest = max(filter(None, map(_seconds, found)), default=None)
            return replace(self._facts(found[0]), seconds=longest) if found else None

    def list_evaluated(self, limit: int = _LISTED) -> list[MlflowRun]:
        """Return the finished trainings of all experiments that have predictions, newest first, without folds.

        Args:
            limit: How many at most.
        """
        with store_errors("runs", self._store):
            # Folds have neither; evaluate logs its metrics together with its predictions.
            query = f"attributes.status = 'FINISHED' and tags.`{WEIGHTS}` != '' and metrics.test_n > 0"
            return [self._facts(run) for run in self._search(query, limit) if LINKED not in run.data.tags]

    def read(self, run_id: str, path: str) -> bytes | None:
        """Return a file that was logged with a run; ``None`` if it has none of this path.

        Args:
            run_id: The run's id.
            path: The file's path, such as ``predictions/predictions.parquet``.
        """
        with store_errors(f"runs:/{run_id}", self._store):
            return self._download(self._client.get_run(run_id).info.artifact_uri, path)

    def _search(self, query: str, limit: int) -> list[Run]:
        return search_runs(self._client, query, max_results=limit, order_by=["attributes.start_time DESC"])

    def _facts(self, run: Run) -> MlflowRun:
        info = run.info
        hint = view_hint(self._store)
        served = hint.startswith("http")
        server = hint.rstrip("/") if served else _UI
        return MlflowRun(
            id=info.run_id,
            name=info.run_name or info.run_id[:8],
            url=f"{server}/#/experiments/{info.experiment_id}/runs/{info.run_id}",
            seconds=_seconds(run),
            megabytes=self._megabytes(run),
            tags=dict(run.data.tags),
            command=None if served else hint,
        )

    def _location(self, run: Run) -> str | None:
        """Return where the files of the run's newest model ``classifier`` are; ``None`` if it has none."""
        model = newest_model(list_models(self._client, run), MODEL)
        return None if model is None else str(model.artifact_location)

    def _megabytes(self, run: Run) -> float | None:
        location = self._location(run)
        if location is None:
            return None
        try:
            description = yaml.safe_load(self._download(location, "MLmodel") or b"") or {}
        except Exception:  # noqa: BLE001 (backends raise what they like)
            return None  # The files may be where this machine has no access; the rest is known all the same.
        size = description.get("model_size_bytes")
        return None if size is None else int(size) / 1e6

    def _download(self, location: str, path: str) -> bytes | None:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        repository = get_artifact_repository(location, tracking_uri=self._store)
        if not any(file.path == path for file in repository.list_artifacts(path.rpartition("/")[0] or None)):
            return None
        with tempfile.TemporaryDirectory() as folder:
            return Path(repository.download_artifacts(path, folder)).read_bytes()


def _seconds(run: Run) -> float | None:
    """Return how long a training took; ``None`` for a run that has none of its own, or has not finished."""
    info = run.info
    finished = info.status == "FINISHED" and info.end_time and LINKED not in run.data.tags
    return (info.end_time - info.start_time) / 1000 if finished else None
