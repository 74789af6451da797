"""Training runs in MLflow and their files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from pixmill.core.files.workspace import Workspace
from pixmill.tracking.delivery import LINKED, WEIGHTS
from pixmill.tracking.lineage import PROJECT
from pixmill.tracking.model_lookup import MODEL, list_models, newest_model, open_store, store_errors
from pixmill.tracking.relocation import require_unmoved
from pixmill.tracking.store import (
    database_file,
    experiment_ids,
    search_runs,
    tracking_uri,
    view_hint,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PREDICTIONS = "predictions/predictions.parquet"
"""File of a run with the predictions of evaluate."""

_UI = "http://127.0.0.1:5000"
"""URL of ``mlflow ui``."""

_MAX_RUNS = 100
"""Maximum number of runs with the same weights to read."""

_NEWEST = ["attributes.start_time DESC"]


@dataclass(frozen=True)
class MlflowRun:
    """A run in MLflow.

    Args:
        id: The run's id.
        name: Its name.
        url: URL of its page, on the tracking server or in ``mlflow ui``.
        seconds: Duration of the training; ``None`` if it has not finished, or was recorded
            elsewhere.
        megabytes: Size of its model ``classifier``; ``None`` if missing, not readable from here, or
            not requested.
        tags: Its tags.
        files: Location of its files.
        started: Start of the training in seconds since 1970.
        command: Command that serves its page locally; ``None`` if a server does.
    """

    id: str
    name: str
    url: str
    seconds: float | None
    megabytes: float | None
    tags: Mapping[str, str]
    files: str = ""
    started: float = 0.0
    command: str | None = None


class RunReader:
    """Reads runs from MLflow.

    Args:
        workspace: Workspace whose database is the default store.

    Raises:
        PixmillError: From each method: MLflow does not respond within seconds, or there is no
            database yet.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._store = tracking_uri(workspace)
        self._file = database_file(self._store)

    @cached_property
    def _client(self) -> MlflowClient:
        return open_store(self._store)

    def get(self, run_id: str) -> MlflowRun:
        """Return a run by its id.

        Raises:
            PixmillError: The run does not exist.
        """
        with store_errors(f"runs:/{run_id}", self._store):
            run = self._client.get_run(run_id)
            return replace(self._facts(run), megabytes=self._megabytes(run))

    def newest(self, weights: str) -> MlflowRun | None:
        """Return the newest run of the training that produced some weights.

        ``None`` if there is none.

        Its duration is the longest of all runs with these weights, since reusing a finished
        training takes less time.

        Args:
            weights: MD5 of ``artifacts/train/model.weights.h5``.
        """
        if self._file and not self._file.exists():
            return None
        with store_errors("runs", self._store):
            query = f"tags.`{WEIGHTS}` = '{weights}'"
            found = search_runs(self._client, query, max_results=_MAX_RUNS, order_by=_NEWEST)
            longest = max(filter(None, map(_seconds, found)), default=None)
            if not found:
                return None
            return replace(
                self._facts(found[0]), seconds=longest, megabytes=self._megabytes(found[0])
            )

    def list_evaluated(
        self, limit: int, *, project: str | None, experiment: str
    ) -> list[MlflowRun]:
        """Return finished trainings with predictions, newest first, without folds and sizes.

        Args:
            limit: Maximum number of runs.
            project: Include runs with this tag ``pixmill.project``, in any experiment.
            experiment: Include runs of this experiment without that tag, which earlier versions and
                shallow clones record; without ``project``, all runs of the experiment.
        """
        # Folds have no weights; evaluate logs metrics and predictions together.
        query = f"attributes.status = 'FINISHED' and tags.`{WEIGHTS}` != '' and metrics.test_n > 0"
        with store_errors("", self._store):
            named = self._client.get_experiment_by_name(experiment)
            own = named.experiment_id if named else None

            def is_wanted(run: Run) -> bool:
                made_by = run.data.tags.get(PROJECT)
                if project and made_by:
                    return bool(made_by == project)
                return bool(run.info.experiment_id == own)

            places = [own] if own else []
            if project:
                places = experiment_ids(self._client)
            return [
                self._facts(run)
                for run in islice(filter(is_wanted, self._each(places, query)), limit)
            ]

    def megabytes(self, run: MlflowRun) -> float | None:
        """Return the size of a run's model; see :class:`MlflowRun`."""
        with store_errors(f"runs:/{run.id}", self._store):
            return self._megabytes(self._client.get_run(run.id))

    def read(self, run: MlflowRun, path: str) -> bytes | None:
        """Return a file of a run; ``None`` if it does not exist.

        Args:
            run: The run.
            path: Path of the file, such as ``predictions/predictions.parquet``.
        """
        with store_errors(f"runs:/{run.id}", self._store):
            # The database has the addresses of files, which a move made wrong.
            require_unmoved(self._workspace)
            return self._download(run.files, path)

    def _each(self, experiments: list[str], query: str) -> Iterator[Run]:
        """Yield the trainings in experiments that match a query, newest first."""
        token: str | None = None
        while experiments:
            page = self._client.search_runs(experiments, query, order_by=_NEWEST, page_token=token)
            yield from (run for run in page if LINKED not in run.data.tags)
            token = page.token
            if not token:
                return

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
            megabytes=None,
            tags=dict(run.data.tags),
            files=info.artifact_uri,
            started=info.start_time / 1000,
            command=None if served else hint,
        )

    def _megabytes(self, run: Run) -> float | None:
        model = newest_model(list_models(self._client, run), MODEL)
        if model is None:
            return None
        try:
            description = (
                yaml.safe_load(self._download(str(model.artifact_location), "MLmodel") or b"") or {}
            )
        except Exception:  # noqa: BLE001 (backends raise any type)
            return None  # the files may not be accessible from this machine
        size = description.get("model_size_bytes")
        return None if size is None else int(size) / 1e6

    def _download(self, location: str, path: str) -> bytes | None:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        repository = get_artifact_repository(location, tracking_uri=self._store)
        if not any(
            file.path == path for file in repository.list_artifacts(path.rpartition("/")[0] or None)
        ):
            return None
        with tempfile.TemporaryDirectory() as folder:
            return Path(repository.download_artifacts(path, folder)).read_bytes()


def _seconds(run: Run) -> float | None:
    """Return the duration of a training.

    ``None`` if it has not finished or was recorded elsewhere.
    """
    info = run.info
    finished = info.status == "FINISHED" and info.end_time and LINKED not in run.data.tags
    return (info.end_time - info.start_time) / 1000 if finished else None
