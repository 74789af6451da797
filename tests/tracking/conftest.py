"""Workspaces with a real MLflow database, made once and copied."""

import shutil
from dataclasses import dataclass

import pytest

from pixmill.core.files.workspace import Workspace
from pixmill.core.params import parse_params


@dataclass(frozen=True)
class Store:
    """The database of one workspace, seen as another tool would."""

    workspace: Workspace

    @property
    def uri(self):
        return f"sqlite:///{self.workspace.home}/mlflow.db"

    @property
    def client(self):
        from mlflow import MlflowClient

        return MlflowClient(self.uri)

    def runs(self):
        """Return all runs, the oldest first."""
        return all_runs(self.client)

    @property
    def newest(self):
        """The id of the run that was recorded last."""
        return self.runs()[-1].info.run_id

    def points(self, run_id, name):
        return [(point.step, point.value) for point in self.client.get_metric_history(run_id, name)]

    def break_(self):
        """Make the database unreadable, and return what restores it."""
        path = self.workspace.home / "mlflow.db"
        aside = path.rename(path.with_suffix(".aside"))
        path.write_bytes(b"no database" * 100)
        return lambda: aside.replace(path)


def all_runs(client):
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return client.search_runs(experiments, order_by=["attributes.start_time ASC"])


@pytest.fixture
def workspace(tmp_path, empty_database):
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return Workspace(root=tmp_path, home=tmp_path)


@pytest.fixture
def store(workspace):
    return Store(workspace)


@pytest.fixture
def place(workspace):
    """Where runs wait."""
    return workspace.scratch("record")


@pytest.fixture
def training(workspace):
    """Open the run of a training with a few params."""
    from pixmill.tracking.stage_runs import training_run

    params = parse_params(
        "{classes: [coat, dress], scrape: {snapshot: '2026-11-20'}, train: {model: cnn, epochs: 3}}"
    )
    return lambda **more: training_run(workspace, **{"params": params, **more})


@pytest.fixture
def trained(training):
    """Record a whole training with these weights."""

    def record(weights):
        with training() as run:
            run.log_metrics({"train_loss": 0.5}, step=1)
            run.set_weights(weights)

    return record
