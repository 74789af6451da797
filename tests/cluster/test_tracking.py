"""MLflow on PostgreSQL and S3: runs arrive complete, even after an outage of either."""

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.browser]


@pytest.fixture
def services(mlflow_server, postgresql_server, s3):
    return SimpleNamespace(mlflow=mlflow_server, postgresql=postgresql_server, s3=s3)


@pytest.fixture
def retrained(copy_of_finished, services, tmp_path) -> Callable[[], Any]:
    """Train again with the reused weights of the finished training, and return stderr."""
    settings = {"MLFLOW_TRACKING_URI": services.mlflow.uri, "MLFLOW_EXPERIMENT_NAME": tmp_path.name}
    copy_of_finished.settings.update(settings)

    def train(*stages: str) -> str:
        done = copy_of_finished.dvc("repro", "--force", "--single-item", *stages)
        assert done.returncode == 0, done.stdout
        # All outputs have the same bytes as with the local default.
        assert copy_of_finished.git("status", "--porcelain") == ""
        assert copy_of_finished.dvc("status", "-q").returncode == 0
        return done.stderr

    return train


@pytest.fixture
def recorded(copy_of_finished, services, tmp_path) -> Callable[[], Any]:
    """Return the only run of this test."""
    from mlflow import MlflowClient

    def find() -> Any:
        client = MlflowClient(services.mlflow.uri)
        (run,) = client.search_runs([client.get_experiment_by_name(tmp_path.name).experiment_id])
        return client, run

    yield find
    # Runs are found by their weights, which are the same in all tests.
    client = MlflowClient(services.mlflow.uri)
    client.delete_experiment(client.get_experiment_by_name(tmp_path.name).experiment_id)


def is_complete(client: Any, run: Any, finished: Any) -> bool:
    """Return whether a run has the params, curve, files and models of the finished training."""
    from mlflow import MlflowClient

    local = MlflowClient(f"sqlite:///{finished.path}/mlflow.db")
    (known,) = local.search_runs([each.experiment_id for each in local.search_experiments()])
    curve, known_curve = (
        [
            (point.step, point.value)
            for point in store.get_metric_history(one.info.run_id, "val_loss")
        ]
        for store, one in ((client, run), (local, known))
    )
    models = [client.get_logged_model(output.model_id) for output in run.outputs.model_outputs]
    return (
        run.info.status == "FINISHED"
        # Through the server: training needs no key for S3.
        and run.info.artifact_uri.startswith("mlflow-artifacts:/")
        and run.data.params == known.data.params
        and curve == known_curve != []
        and {model.name: str(model.status) for model in models}
        == {"keras": "READY", "classifier": "READY"}
        and "reports/train.html"
        in {file.path for file in client.list_artifacts(run.info.run_id, "reports")}
    )


@contextlib.contextmanager
def outage(
    s3: Any, puts: int, begin: Callable[[], object], end: Callable[[], object]
) -> Iterator[None]:
    """Begin an outage after the given number of uploads, and end it with the block."""
    reached = s3.requests["PUT"] + puts
    over = threading.Event()

    def begin_in_the_middle() -> None:
        while s3.requests["PUT"] < reached:
            if over.wait(0.01):
                return
        begun.append(begin())

    begun: list[object] = []
    thread = threading.Thread(target=begin_in_the_middle)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        end()
    assert begun, "the block ended before the outage began"


def test_outages_delay_a_run(retrained, recorded, finished, copy_of_finished, services):
    s3 = services.s3
    database = services.postgresql
    s3.latency = 0.1
    with outage(s3, 10, lambda: s3.refuse(math.inf, at="PUT"), s3.recover):
        warning = retrained("train").splitlines()[-1]
    assert warning.startswith("warning: ")
    assert warning.endswith("pixmill doctor --fix")
    s3.latency = 0.5
    with outage(s3, 1, database.stop, database.start):
        done = copy_of_finished.run("pixmill", "doctor", "--fix", "mlflow")
    s3.recover()
    assert "next: pixmill doctor --fix" in done.stdout
    done = copy_of_finished.run("pixmill", "doctor", "--fix", "mlflow")
    assert done.stdout == f"ok       runs        1 run sent to {services.mlflow.uri}: cnn\n", (
        done.stderr
    )
    assert is_complete(*recorded(), finished)
