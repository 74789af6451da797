"""The run in MLflow made whole from its files; doing it again adds nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixmill.record.lineage import HOST, host, is_alive
from pixmill.record.pending import RunData

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

__all__ = ["LINKED", "WEIGHTS", "close_dead_runs", "deliver", "open_run"]

WEIGHTS = "pixmill.weights"
"""The tag that holds the md5 of a run's weights file: how evaluate finds the training."""

LINKED = "pixmill.linked"
"""The tag of a run that was made by an evaluation, since its training is not in this MLflow."""

_EXPERIMENT = "pixmill"

_BATCH = 100
"""MLflow takes at most 100 parameters or tags in one request."""


def deliver(client: MlflowClient, data: RunData, folder: Path, *, home: Path) -> None:
    """Make a run whole in MLflow from what lies here; what MLflow has already is not doubled.

    The run is that of ``data.run_id``, else the newest of any experiment that has the tag ``pixmill.weights``, else a
    new one.

    Args:
        client: The store.
        data: The run's data.
        folder: The folder of the run that waits.
        home: The repository's own root.
    """
    open_run(client, data, home=home, query=f"tags.`{WEIGHTS}` = '{data.weights}'" if data.weights else None)
    for child in data.children:
        child.parent = data.run_id
        query = f"tags.`mlflow.parentRunId` = '{child.parent}' and attributes.run_name = '{child.name}'"
        open_run(client, child, home=home, query=query)
        _end(client, child)
    # MLflow writes this file last: a model without it could not be saved whole.
    uploads = [
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
            errors.append(error)  # A store without room for one file takes the figures and the other files.
    _log_model_figures(client, data)
    _end(client, data)
    if errors:
        raise errors[0]


def open_run(client: MlflowClient, data: RunData, *, home: Path, query: str | None = None) -> None:
    """Find or make the run that these data are of, note its id in them, and send what it does not have yet.

    Args:
        client: The store.
        data: The run's data.
        home: The repository's own root.
        query: What a run is found by that an earlier process made for these data; default: there is none.
    """
    data.run_id = _find_run(client, data, query) or _create_run(client, data, home)
    _send_data(client, data)


def _find_run(client: MlflowClient, data: RunData, query: str | None) -> str | None:
    own = f"attributes.run_id = '{data.run_id}'" if data.run_id else None
    for each in filter(None, (own, query)):
        if runs := _search(client, each, max_results=1, order_by=["attributes.start_time DESC"]):
            return str(runs[0].info.run_id)
    return None


def _create_run(client: MlflowClient, data: RunData, home: Path) -> str:
    """Return the id of a new run.

    Within ``mlflow run`` a training belongs to the project's run, unless that holds a training already: then to a new
    run beneath it.
    """
    parent = data.parent
    if not parent and data.project and data.stage == "train":
        if not any(name.startswith("train.") for name in client.get_run(data.project).data.params):
            return data.project
        parent = data.project
    experiment = client.get_run(parent).info.experiment_id if parent else _experiment_id(client, data, home)
    tags = {**data.origin, **data.tags, **({"mlflow.parentRunId": parent} if parent else {})}
    return str(client.create_run(experiment, data.started, tags, data.name).info.run_id)


def _send_data(client: MlflowClient, data: RunData) -> None:
    """Send tags, parameters, figures and datasets of a run that is open, as far as they are not there."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    run_id = str(data.run_id)
    # The tags first: the run is found again by them.
    _log(client, run_id, tags=[RunTag(*tag) for tag in data.tags.items()])
    recorded = client.get_run(run_id).data.params
    _log(client, run_id, params=[Param(*param) for param in data.params.items() if param[0] not in recorded])
    # MLflow drops a point that it has already, of the same time and step.
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
    """End the runs of this host that a killed process left RUNNING, as ``KILLED``, and return how many that were.

    A run of another host, or without our tags, is not touched: nobody here can know whether it lives.
    """
    running = _search(client, f"attributes.status = 'RUNNING' and tags.`{HOST}` = '{host()}'")
    dead = [run for run in running if not is_alive(run.data.tags)]
    for run in dead:
        client.set_terminated(run.info.run_id, status="KILLED")
    return len(dead)


def _search(client: MlflowClient, query: str, **options: Any) -> list[MlflowRun]:
    experiments = [experiment.experiment_id for experiment in client.search_experiments(max_results=50_000)]
    return list(client.search_runs(experiments, filter_string=query, **options))


def _experiment_id(client: MlflowClient, data: RunData, home: Path) -> str:
    """Return the experiment that new runs belong to, created if need be.

    Where no server decides about artifacts, they lie in ``mlruns/`` under the repository's own root; MLflow's default
    is the current folder, which may be a temporary one.
    """
    if data.experiment_id:
        return data.experiment_id
    name = data.experiment or _EXPERIMENT
    if experiment := client.get_experiment_by_name(name):
        return str(experiment.experiment_id)
    local = not client.tracking_uri.startswith(("http:", "https:", "databricks"))
    return str(client.create_experiment(name, (home.resolve() / "mlruns" / name).as_uri() if local else None))


def _upload_model(client: MlflowClient, run_id: str, folder: Path) -> None:
    """Record a model of a run, as ``log_model`` does, without the library that made it.

    The run is left in its state; the fluent functions would make it the active one and end it.
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
    if model.model_id not in _models_of(run):
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    description = Model.load(str(folder))
    description.model_id = description.model_uuid = model.model_id
    description.run_id, description.artifact_path = run_id, model.artifact_location
    description.save(str(folder / "MLmodel"))
    client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, "READY")


def _log_model_figures(client: MlflowClient, data: RunData) -> None:
    """Log figures of the whole run with its models too, on whose pages MLflow then shows them."""
    from mlflow.entities import Metric

    run_id = str(data.run_id)
    for model in _models_of(client.get_run(run_id)):
        points = [Metric(*point, model_id=model, run_id=run_id) for point in data.points if not point[3]]
        _log(client, run_id, metrics=points)


def _end(client: MlflowClient, data: RunData) -> None:
    """End a run that is of these data alone: not that of ``mlflow run``, nor the training that an evaluation found."""
    run = client.get_run(str(data.run_id))
    own = data.stage == "train" or LINKED in run.data.tags
    if run.info.status in ("RUNNING", "KILLED") and own and data.run_id != data.project:
        client.set_terminated(run.info.run_id, status=data.status, end_time=data.ended)


def _models_of(run: MlflowRun) -> list[str]:
    return sorted(output.model_id for output in (run.outputs.model_outputs if run.outputs else ()))


def _log(client: MlflowClient, run_id: str, **items: Sequence[Any]) -> None:
    for kind, entries in items.items():
        for start in range(0, len(entries), _BATCH):
            client.log_batch(run_id, **{kind: entries[start : start + _BATCH]})
