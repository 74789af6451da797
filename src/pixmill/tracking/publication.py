"""A model that lies in a folder, put into MLflow and tied to its run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["publish_model"]

_KEY = "pixmill.record"


def publish_model(
    client: MlflowClient,
    run_id: str,
    folder: Path,
    name: str,
    *,
    key: str,
    model_id: str | None,
    on_created: Callable[[str], None],
) -> None:
    """Record a model of a run, as ``log_model`` does, without the library that made it.

    The run is left in its state; the fluent functions would make it the active one and end it. Called again after an
    attempt that did not come to its end, it goes on with the same model.

    Args:
        client: The store.
        run_id: The run.
        folder: What a flavour's ``save_model`` wrote.
        name: The model's name within the run.
        key: What the model is found by again where an answer was lost.
        model_id: The model's id, where an earlier attempt made it.
        on_created: Told the id before anything is sent.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    run = client.get_run(run_id)
    experiment = run.info.experiment_id
    if model_id is None:
        found = client.search_logged_models([experiment], filter_string=f"tags.`{_KEY}` = '{key}'", max_results=1)
        logged = (
            found[0]
            if found
            else client.create_logged_model(
                experiment, name=name, source_run_id=run_id, tags={_KEY: key}, params=run.data.params
            )
        )
        model_id = str(logged.model_id)
        on_created(model_id)
    logged = client.get_logged_model(model_id)
    if model_id not in {output.model_id for output in (run.outputs.model_outputs if run.outputs else ())}:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    described = Model.load(str(folder))
    described.model_id = described.model_uuid = model_id
    described.run_id, described.artifact_path = run_id, logged.artifact_location
    described.save(str(folder / "MLmodel"))
    client.log_model_artifacts(model_id, str(folder))
    client.finalize_logged_model(model_id, "READY")
