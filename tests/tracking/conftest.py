"""Workspaces with a real MLflow database, made once and copied."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

import pytest

from pixmill.workspace import Workspace


@dataclass(frozen=True)
class Store:
    """The database of one workspace, seen as another tool would."""

    workspace: Workspace

    @property
    def client(self):
        from mlflow import MlflowClient

        return MlflowClient(f"sqlite:///{self.workspace.home}/mlflow.db")

    def runs(self):
        """Return all runs, the oldest first."""
        experiments = [experiment.experiment_id for experiment in self.client.search_experiments()]
        return self.client.search_runs(experiments, order_by=["attributes.start_time ASC"])

    def points(self, run_id, name):
        return [(point.step, point.value) for point in self.client.get_metric_history(run_id, name)]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def workspace(tmp_path, empty_database):
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return Workspace(root=tmp_path, home=tmp_path)


@pytest.fixture
def store(workspace):
    return Store(workspace)


@pytest.fixture
def training(workspace):
    """Open the run of a training with a few params."""
    from pixmill.tracking import training_run

    params = {"train.epochs": 3, "classes": ["coat", "dress"]}
    return lambda: training_run(workspace, params=params, dataset="artifacts/split")


@pytest.fixture
def trained(training):
    """Record a whole training with these weights, and return the run's id."""

    def record(weights):
        with training() as run:
            run.log_epoch(1, {"train_loss": 0.5})
            run.set_weights(weights)
        return run.run_id

    return record
