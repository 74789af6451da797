"""A real MLflow server that dies in the middle, one that comes back, and one that never answers."""

import contextlib
import shutil
import socket
import sqlite3
import threading
import time
from functools import partial

import pytest

from pixmill.models.mlflow_format.saving import save_classifier_model, save_keras_model
from pixmill.tracking.delivery import sync
from pixmill.tracking.stage_runs import evaluation_run
from tests.servers import MlflowServer

pytestmark = [pytest.mark.slow, pytest.mark.services]

EPOCHS = range(1, 41)


@pytest.fixture
def server(tmp_path, empty_database, monkeypatch):
    shutil.copy(empty_database, tmp_path / "server.db")
    server = MlflowServer(tmp_path, f"sqlite:///{tmp_path}/server.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", tmp_path.name)
    server.experiment = tmp_path.name
    server.database = tmp_path / "server.db"
    yield server
    server.kill()


def recorded(server):
    """Return the run of this test, its curve as (step, value), and the reports it holds."""
    from mlflow import MlflowClient

    client = MlflowClient(server.uri)
    (run,) = client.search_runs([client.get_experiment_by_name(server.experiment).experiment_id])
    points = [
        (point.step, point.value)
        for point in client.get_metric_history(run.info.run_id, "train_loss")
    ]
    return run, points, [file.path for file in client.list_artifacts(run.info.run_id, "reports")]


def log(run, epochs):
    for epoch in epochs:
        run.log_metrics({"train_loss": 1 / epoch}, step=epoch, timestamp=1000 + epoch)


def kill_once_a_run_is_sent(server):
    """Kill the server when it has the beginning of a run."""
    with contextlib.closing(sqlite3.connect(server.database)) as database:
        while not database.execute("select count(*) from runs").fetchone()[0]:
            time.sleep(0.005)
    server.kill()


WHOLE = [(epoch, 1 / epoch) for epoch in EPOCHS]


def test_a_server_that_dies_gets_all_by_sync_and_nothing_twice(
    server, training, workspace, place, capsys
):
    with training() as run:
        log(run, EPOCHS)
        run.log_text("<html>", "reports/train.html")
        run.set_weights("a" * 32)
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"warning: MLflow at {server.uri} ")
    with evaluation_run(workspace, weights="a" * 32) as evaluation:
        evaluation.log_metrics({"test_accuracy": 0.9})
    assert len(sync(workspace).waiting) == 2
    server.start()
    ending = threading.Thread(target=kill_once_a_run_is_sent, args=(server,))
    ending.start()
    assert sync(workspace).waiting
    ending.join()
    server.start()
    sync(workspace)
    recorded_run, points, reports = recorded(server)
    assert (recorded_run.info.status, points, reports) == (
        "FINISHED",
        WHOLE,
        ["reports/train.html"],
    )
    assert recorded_run.data.metrics["test_accuracy"] == 0.9
    assert [path.name for path in place.iterdir()] == ["lock"]
    assert sync(workspace).line() == "no pending runs"


def test_the_models_are_served_by_it(server, training, trained_folder):
    import mlflow
    import numpy as np

    from pixmill.core.params import BlockParams, CnnParams, TrainParams
    from pixmill.models.determinism import fix_threads
    from pixmill.models.networks import build_classifier
    from tests.images.samples import encoded, shapes

    server.start()
    fix_threads(2)
    params = TrainParams(model="cnn", cnn=CnnParams(blocks=(BlockParams(filters=4),), dense=()))
    model = build_classifier(params, labels=2, image_size=16)
    with training() as run:
        run.log_model("keras", partial(save_keras_model, model))
        run.log_model("classifier", partial(save_classifier_model, trained_folder))
        run.log_metrics({"test_accuracy": 0.9})
    found, _, _ = recorded(server)
    from mlflow import MlflowClient

    logged = [
        MlflowClient(server.uri).get_logged_model(output.model_id)
        for output in found.outputs.model_outputs
    ]
    assert {model.name: model.status for model in logged} == {
        "keras": "READY",
        "classifier": "READY",
    }
    by_name = {model.name: f"models:/{model.model_id}" for model in logged}
    pixels = np.zeros((1, 16, 16, 3), np.float32)
    np.testing.assert_array_equal(mlflow.keras.load_model(by_name["keras"])(pixels), model(pixels))
    table = mlflow.pyfunc.load_model(by_name["classifier"]).predict([encoded(shapes(), "jpeg")])
    assert table["label"][0] in ("coat", "kurtā", "T-shirt & top")


@pytest.mark.timeout(120)
def test_a_server_that_never_answers_holds_up_nothing(training, place, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
        with training() as run:
            started = time.monotonic()
            for epoch in range(5000):
                run.log_metrics({"train_loss": 1.0}, step=epoch)
        assert time.monotonic() - started < 15
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"warning: MLflow at {uri} does not respond (")
    assert len(list(place.glob("*/run.json"))) == 1
