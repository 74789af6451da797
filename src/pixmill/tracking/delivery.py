"""Upload a run to MLflow from its files; idempotent."""

from __future__ import annotations

import contextlib
import filecmp
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixmill.tracking.pending import RunData
from pixmill.tracking.store import experiment_name, model_ids, search_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient

WEIGHTS = "pixmill.weights"
"""Tag with the md5 of a run's weights file, by which evaluate finds the training."""

RESOLVED = "params.json"
"""File of a run with all params, defaults included."""

SWEEP = "pixmill.sweep"
"""Tag of a sweep's parent run, by which its trials find it."""

LINKED = "pixmill.linked"
"""Tag of a run created by an evaluation because its training is not in this MLflow."""

_BACKBONE = "artifacts/classifier/backbone.tflite"
"""Path of the backbone in a model ``classifier``."""

_BATCH = 100
"""MLflow accepts at most 100 parameters or tags per request."""


def deliver(client: MlflowClient, data: RunData, folder: Path, *, home: Path) -> None:
    """Upload a run to MLflow without duplicating existing data.

    Args:
        client: The store.
        data: The run's data.
        folder: The folder of the pending run.
        home: Root of the original repository.
    """
    run_id = _send_data(client, data, home, _origin_query(data))
    for child in data.children:
        child.parent, child.origin = run_id, data.origin
        query = f"tags.`mlflow.parentRunId` = '{run_id}' and attributes.run_name = '{child.name}'"
        _end(client, child, _send_data(client, child, home, query))
    try:
        if (folder / "artifacts").is_dir():
            client.log_artifacts(run_id, str(folder / "artifacts"))
        # MLflow writes this file last: a model without it was not saved completely.
        for description in sorted((folder / "models").glob("*/MLmodel")):
            _upload_model(client, run_id, description.parent)
    finally:
        _end(client, data, run_id)  # Even if the store cannot take files, the metrics are there.


def _origin_query(data: RunData) -> str:
    """Return a query for the existing run to add to: its training, its sweep, or the upload of a killed process."""
    if SWEEP in data.tags:
        return f"tags.`{SWEEP}` = '{data.tags[SWEEP]}'"
    itself = f" and attributes.start_time = {data.started}" if data.stage == "train" else ""
    return f"tags.`{WEIGHTS}` = '{data.weights}'{itself}"


def _create_run(client: MlflowClient, data: RunData, home: Path) -> str:
    parent = data.parent if data.stage == "train" else None
    experiment = client.get_run(parent).info.experiment_id if parent else _experiment_id(client, data, home)
    tags = {**data.origin, **data.tags, **({"mlflow.parentRunId": parent} if parent else {})}
    return str(client.create_run(experiment, data.started, tags, data.name).info.run_id)


def _send_data(client: MlflowClient, data: RunData, home: Path, query: str) -> str:
    """Find the newest run of a query, or create one; upload missing data and return its id."""
    from mlflow.entities import Metric, Param, RunTag

    runs = search_runs(client, query, max_results=1, order_by=["attributes.start_time DESC"])
    run_id = str(runs[0].info.run_id) if runs else _create_run(client, data, home)
    # Tags first, since queries find the run by them.
    _log(client, run_id, tags=[RunTag(*tag) for tag in data.tags.items()])
    recorded = client.get_run(run_id).data.params
    _log(client, run_id, params=[Param(*param) for param in data.params.items() if param[0] not in recorded])
    # MLflow drops duplicate points of the same time and step.
    _log(client, run_id, metrics=[Metric(*point) for point in data.points])
    return run_id


def _experiment_id(client: MlflowClient, data: RunData, home: Path) -> str:
    """Return the experiment for new runs, created if missing.

    Without a server, artifacts go to ``mlruns/`` in the original repository; MLflow's default, the current folder, may
    be temporary.
    """
    name = data.experiment or experiment_name(home)
    if experiment := client.get_experiment_by_name(name):
        return str(experiment.experiment_id)
    local = not client.tracking_uri.startswith(("http:", "https:", "databricks"))
    return str(client.create_experiment(name, (home.resolve() / "mlruns" / name).as_uri() if local else None))


def _upload_model(client: MlflowClient, run_id: str, folder: Path) -> None:
    """Log a model to a run like ``log_model``, without importing its framework.

    The fluent API would activate and end the run; this keeps its status.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    run = client.get_run(run_id)
    query = f"source_run_id = '{run_id}' AND name = '{folder.name}'"
    models = client.search_logged_models([run.info.experiment_id], filter_string=query, max_results=1) or [
        client.create_logged_model(
            run.info.experiment_id, name=folder.name, source_run_id=run_id, params=run.data.params
        )
    ]
    model = models[0]
    if model.status == "READY":
        return
    if model.model_id not in model_ids(run):
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    description = Model.load(str(folder))
    description.model_id = description.model_uuid = model.model_id
    description.run_id, description.artifact_path = run_id, model.artifact_location
    description.save(str(folder / "MLmodel"))
    client.log_model_artifacts(model.model_id, str(folder))
    _link_backbone(model.artifact_location)
    client.finalize_logged_model(model.model_id, "READY")


def _link_backbone(location: str) -> None:
    """Replace a local copy of the frozen backbone with a hard link to that of another model."""
    folder = Path(location.removeprefix("file://"))
    if not (backbone := folder / _BACKBONE).is_file():
        return
    for other in folder.parents[1].glob(f"*/artifacts/{_BACKBONE}"):
        if not other.samefile(backbone) and filecmp.cmp(other, backbone, shallow=False):
            with contextlib.suppress(OSError):  # file systems without hard links keep the copy
                temporary = backbone.with_suffix(".part")
                temporary.hardlink_to(other)
                temporary.replace(backbone)
            return


def _end(client: MlflowClient, data: RunData, run_id: str) -> None:
    """End the run, unless it is an evaluation that was added to the run of its training."""
    if data.stage != "evaluate" or LINKED in client.get_run(run_id).data.tags:
        client.set_terminated(run_id, status=data.status, end_time=data.ended)


def _log(client: MlflowClient, run_id: str, **items: Sequence[Any]) -> None:
    for kind, entries in items.items():
        for start in range(0, len(entries), _BATCH):
            client.log_batch(run_id, **{kind: entries[start : start + _BATCH]})
