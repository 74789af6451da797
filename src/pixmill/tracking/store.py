"""Where runs are kept, and the experiment they belong to."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pixmill.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment
    from mlflow.entities import Run as Recorded

__all__ = ["WEIGHTS", "experiment_id", "find_by_weights", "shown", "tracking_uri"]

WEIGHTS = "pixmill.weights"
"""The tag that holds the md5 of a run's weights file: how evaluate finds the training."""

_EXPERIMENT = "pixmill"


def tracking_uri(workspace: Workspace) -> str:
    """Return ``MLFLOW_TRACKING_URI``, or the database in the repository's own root.

    The root is ``DVC_ROOT``: a database in the temporary copy of ``dvc exp run --temp`` would be deleted with it.
    """
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(workspace.home.resolve() / 'mlflow.db').as_posix()}"


def shown(uri: str) -> str:
    """Return a tracking URI without user and password, for messages."""
    return re.sub(r"//[^/@]*@", "//", uri)


def experiment_id(client: MlflowClient, workspace: Workspace) -> str:
    """Return the experiment that new runs belong to, created if need be.

    ``MLFLOW_EXPERIMENT_ID`` or ``MLFLOW_EXPERIMENT_NAME`` choose another one. Where no server decides about artifacts,
    they lie in ``mlruns/`` under the repository's own root; MLflow's default is the current folder, which may be a
    temporary one.
    """
    from mlflow.exceptions import MlflowException

    if given := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return given
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or _EXPERIMENT
    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    local = not client.tracking_uri.startswith(("http:", "https:", "databricks"))
    location = (workspace.home.resolve() / "mlruns" / name).as_uri() if local else None
    try:
        return str(client.create_experiment(name, artifact_location=location))
    except MlflowException as error:
        # Another process was quicker.
        if error.error_code == "RESOURCE_ALREADY_EXISTS" and (found := client.get_experiment_by_name(name)):
            return str(found.experiment_id)
        raise


def find_by_weights(client: MlflowClient, weights: str) -> Recorded | None:
    """Return the newest run, of any experiment, that carries these weights.

    Args:
        client: The store.
        weights: The md5 of ``model.weights.h5``.
    """
    experiments = [experiment.experiment_id for experiment in _all_experiments(client)]
    found = client.search_runs(
        experiments,
        filter_string=f"tags.`{WEIGHTS}` = '{weights}'",
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    return found[0] if found else None


def _all_experiments(client: MlflowClient) -> list[Experiment]:
    experiments: list[Experiment] = []
    token = None
    while True:
        page = client.search_experiments(page_token=token)
        experiments.extend(page)
        token = page.token
        if not token:
            return experiments
