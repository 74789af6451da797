"""Where runs are kept, and the experiment they belong to."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.files import replacing
from pixmill.tracking.probe import database_file
from pixmill.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment
    from mlflow.entities import Run as Recorded

__all__ = ["WEIGHTS", "connect", "experiment_id", "find_by_tag", "shown", "tracking_uri"]

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


def connect(uri: str) -> MlflowClient:
    """Return MLflow's client of a store; a database of SQLite that is absent comes into its place whole.

    MLflow makes its tables in hundreds of steps: a file in which a kill left half of them is of no use for ever.

    Args:
        uri: Where runs are kept.
    """
    from mlflow import MlflowClient

    path = database_file(uri)
    if path is not None and not path.exists():
        _make_database(path)
    return MlflowClient(uri)


def _make_database(path: Path) -> None:
    import filelock
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    # Beside the temporary files of the system, as MLflow's own lock: nothing stays in the project.
    lock = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    with filelock.FileLock(Path(tempfile.gettempdir()) / f"pixmill-{lock}.lock"):
        for left in path.parent.glob(f".part-*-{glob.escape(path.name)}*"):
            left.unlink(missing_ok=True)
        if not path.exists():
            with replacing(path) as temporary:
                SqlAlchemyStore(f"sqlite:///{temporary.as_posix()}", "./mlruns").engine.dispose()


def experiment_id(
    client: MlflowClient, home: Path, *, given_id: str | None = None, given_name: str | None = None
) -> str:
    """Return the experiment that new runs belong to, created if need be.

    Where no server decides about artifacts, they lie in ``mlruns/`` under the repository's own root; MLflow's default
    is the current folder, which may be a temporary one.

    Args:
        client: The store.
        home: The repository's own root.
        given_id: ``MLFLOW_EXPERIMENT_ID``, where it is set.
        given_name: ``MLFLOW_EXPERIMENT_NAME``, where it is set; default: ``pixmill``.
    """
    from mlflow.exceptions import MlflowException

    if given_id:
        return given_id
    name = given_name or _EXPERIMENT
    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    local = not client.tracking_uri.startswith(("http:", "https:", "databricks"))
    location = (home.resolve() / "mlruns" / name).as_uri() if local else None
    try:
        return str(client.create_experiment(name, artifact_location=location))
    except MlflowException as error:
        # Another process was quicker.
        if error.error_code == "RESOURCE_ALREADY_EXISTS" and (found := client.get_experiment_by_name(name)):
            return str(found.experiment_id)
        raise


def find_by_tag(client: MlflowClient, tag: str, value: str) -> Recorded | None:
    """Return the newest run, of any experiment, that carries a tag of this value.

    Args:
        client: The store.
        tag: The tag's name.
        value: Its value, without quotes in it.
    """
    experiments = [experiment.experiment_id for experiment in _all_experiments(client)]
    found = client.search_runs(
        experiments,
        filter_string=f"tags.`{tag}` = '{value}'",
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
