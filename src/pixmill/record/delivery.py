"""Upload a run to MLflow from its files; idempotent."""

from __future__ import annotations

import contextlib
import filecmp
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixmill.learn.litert import BACKBONE
from pixmill.record.lineage import HOST, VERSION, host, is_alive
from pixmill.record.pending import RunData
from pixmill.record.store import experiment_name, model_ids, search_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient

WEIGHTS = "pixmill.weights"
"""Tag with the md5 of a run's weights file, by which evaluate finds the training."""

RESOLVED = "params.json"
"""Where a run has all its params, with the defaults of the version that made it."""

SWEEP = "pixmill.sweep"
"""Tag of the parent run of a sweep, by which its trials find it again."""

LINKED = "pixmill.linked"
"""Tag of a run created by an evaluation because its training is not in this MLflow."""

_BACKBONE = f"artifacts/classifier/{BACKBONE}"
"""Where a model ``classifier`` has its backbone."""

_BATCH = 100
"""MLflow accepts at most 100 parameters or tags per request."""


def deliver(client: MlflowClient, data: RunData, folder: Path, *, home: Path) -> None:
    """Upload a run to MLflow; what MLflow has already is not duplicated.

    The run is that of ``data.run_id``, else the newest of any experiment with the same tag ``pixmill.weights``, else a
    new one.

    Args:
        client: The store.
        data: The run's data.
        folder: The folder of the pending run.
        home: The repository's own root.
    """
    open_run(client, data, home=home, query=origin_query(data))
    for child in data.children:
        child.parent = data.run_id
        send_child(client, child, home=home)
    # MLflow writes this file last: a model without it was not saved completely.
    uploads: list[Callable[[], object]] = [
        partial(_upload_model, client, str(data.run_id), description.parent)
        for description in sorted((folder / "models").glob("*/MLmodel"))
    ]
    if (folder / "artifacts").is_dir():
        uploads.insert(0, partial(client.log_artifacts, str(data.run_id), str(folder / "artifacts")))
    errors = []
    for upload in uploads:
        try:
            upload()
        except Exception as error:  # noqa: BLE001 (backends raise what they like)
            errors.append(error)  # A store without room for one file still gets the metrics and the other files.
    _log_model_figures(client, data)
    _end(client, data)
    if errors:
        raise errors[0]


def send_child(client: MlflowClient, data: RunData, *, home: Path) -> None:
    """Find or create a child run that has ended, by its parent and its name, and send what is missing."""
    query = f"tags.`mlflow.parentRunId` = '{data.parent}' and attributes.run_name = '{data.name}'"
    open_run(client, data, home=home, query=query)
    _end(client, data)


def origin_query(data: RunData) -> str | None:
    """Return what finds the run that an earlier process opened for the same weights, or the same sweep."""
    if data.weights:
        return f"tags.`{WEIGHTS}` = '{data.weights}'"
    return f"tags.`{SWEEP}` = '{data.tags[SWEEP]}'" if SWEEP in data.tags else None


def open_run(client: MlflowClient, data: RunData, *, home: Path, query: str | None = None) -> None:
    """Find or create the run of these data, store its id in them, and send what is missing.

    Args:
        client: The store.
        data: The run's data.
        home: The repository's own root.
        query: Finds a run that an earlier process created for these data; default: none.
    """
    data.run_id = _find_run(client, data, query) or _create_run(client, data, home)
    _send_data(client, data)


def _find_run(client: MlflowClient, data: RunData, query: str | None) -> str | None:
    own = f"attributes.run_id = '{data.run_id}'" if data.run_id else None
    for each in filter(None, (own, query)):
        if runs := search_runs(client, each, max_results=1, order_by=["attributes.start_time DESC"]):
            return str(runs[0].info.run_id)
    return None


def _create_run(client: MlflowClient, data: RunData, home: Path) -> str:
    """Return the id of a new run.

    Within ``mlflow run`` a training uses the project's run, unless that already contains a training: then it gets a
    new child run.
    """
    parent = data.parent
    if not parent and data.project and data.stage == "train":
        if VERSION not in client.get_run(data.project).data.tags:
            return data.project
        parent = data.project
    experiment = client.get_run(parent).info.experiment_id if parent else _experiment_id(client, data, home)
    tags = {**data.origin, **data.tags, **({"mlflow.parentRunId": parent} if parent else {})}
    return str(client.create_run(experiment, data.started, tags, data.name).info.run_id)


def _send_data(client: MlflowClient, data: RunData) -> None:
    """Send the tags, parameters, metrics and datasets that an open run does not have yet."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    run_id = str(data.run_id)
    # Tags first: the run is found by them.
    _log(client, run_id, tags=[RunTag(*tag) for tag in data.tags.items()])
    recorded = client.get_run(run_id).data.params
    _log(client, run_id, params=[Param(*param) for param in data.params.items() if param[0] not in recorded])
    # MLflow drops duplicate points of the same time and step.
    _log(client, run_id, metrics=[Metric(*point) for point in data.points])
    inputs = [
        DatasetInput(
            Dataset(
                entry["name"],
                entry["digest"],
                source_type="local",
                source=json.dumps({"uri": entry["name"]}),
                profile=entry["profile"],
            ),
            [InputTag("mlflow.data.context", entry["context"])],
        )
        for entry in data.datasets
    ]
    if inputs:
        client.log_inputs(run_id, datasets=inputs)


def close_dead_runs(client: MlflowClient) -> int:
    """Mark runs of this host that a killed process left RUNNING as ``KILLED``, and return their number.

    Runs of another host, or without our tags, are not touched: their processes may still be alive.
    """
    running = search_runs(client, f"attributes.status = 'RUNNING' and tags.`{HOST}` = '{host()}'")
    dead = [run for run in running if not is_alive(run.data.tags)]
    for run in dead:
        client.set_terminated(run.info.run_id, status="KILLED")
    return len(dead)


def _experiment_id(client: MlflowClient, data: RunData, home: Path) -> str:
    """Return the experiment that new runs belong to, created if need be.

    Without a server, artifacts go to ``mlruns/`` in the repository's own root; MLflow's default is the current folder,
    which may be temporary.
    """
    if data.experiment_id:
        return data.experiment_id
    name = data.experiment or experiment_name(home)
    if experiment := client.get_experiment_by_name(name):
        return str(experiment.experiment_id)
    local = not client.tracking_uri.startswith(("http:", "https:", "databricks"))
    return str(client.create_experiment(name, (home.resolve() / "mlruns" / name).as_uri() if local else None))


def _upload_model(client: MlflowClient, run_id: str, folder: Path) -> None:
    """Log a model to a run as ``log_model`` does, without importing its framework.

    The run's status does not change; the fluent API would activate and end it.
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
    """Keep the frozen backbone of all models in a folder of this machine as one file."""
    folder = Path(location.removeprefix("file://"))
    if not (backbone := folder / _BACKBONE).is_file():
        return
    for other in folder.parents[1].glob(f"*/artifacts/{_BACKBONE}"):
        if not other.samefile(backbone) and filecmp.cmp(other, backbone, shallow=False):
            with contextlib.suppress(OSError):  # A file system without hard links keeps the copy.
                temporary = backbone.with_suffix(".part")
                temporary.hardlink_to(other)
                temporary.replace(backbone)
            return


def _log_model_figures(client: MlflowClient, data: RunData) -> None:
    """Log the run-level metrics with its models too, so that MLflow shows them on the model pages."""
    from mlflow.entities import Metric

    run_id = str(data.run_id)
    for model in model_ids(client.get_run(run_id)):
        points = [Metric(*point, model_id=model, run_id=run_id) for point in data.points if not point[3]]
        _log(client, run_id, metrics=points)


def _end(client: MlflowClient, data: RunData) -> None:
    """End the run if these data own it: not that of ``mlflow run``, nor the training that an evaluation found."""
    run = client.get_run(str(data.run_id))
    own = data.stage != "evaluate" or LINKED in run.data.tags
    # A sweep that failed may have gone on.
    if (run.info.status in ("RUNNING", "KILLED") or data.stage == "sweep") and own and data.run_id != data.project:
        client.set_terminated(run.info.run_id, status=data.status, end_time=data.ended)


def _log(client: MlflowClient, run_id: str, **items: Sequence[Any]) -> None:
    for kind, entries in items.items():
        for start in range(0, len(entries), _BATCH):
            client.log_batch(run_id, **{kind: entries[start : start + _BATCH]})
