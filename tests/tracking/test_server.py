"""A real MLflow server that dies in the middle, one that comes back, and one that never answers."""

from __future__ import annotations

import shutil
import socket
import threading

import pytest

from pixmill.tracking import evaluation_run, send_waiting
from pixmill.tracking.spool import waiting
from tests.tracking.conftest import Server

pytestmark = pytest.mark.slow

EPOCHS = range(1, 41)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def server(request, tmp_path, empty_database, monkeypatch):
    """A server with a database of each kind."""
    if request.param == "postgresql":
        backend = request.getfixturevalue("postgresql")
    else:
        shutil.copy(empty_database, tmp_path / "server.db")
        backend = f"sqlite:///{tmp_path}/server.db"
    server = Server(tmp_path, backend)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    # PostgreSQL serves all tests: each has an experiment of its own.
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", tmp_path.name)
    server.experiment = tmp_path.name
    server.start()
    yield server
    server.kill()


def recorded(server):
    """Return the run of this test, its curve as (step, value), and the reports it holds."""
    from mlflow import MlflowClient

    client = MlflowClient(server.uri)
    (run,) = client.search_runs([client.get_experiment_by_name(server.experiment).experiment_id])
    points = [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "train_loss")]
    return run, points, [file.path for file in client.list_artifacts(run.info.run_id, "reports")]


def log(run, epochs):
    for epoch in epochs:
        run.log_epoch(epoch, {"train_loss": 1 / epoch}, timestamp=1000 + epoch)


WHOLE = [(epoch, 1 / epoch) for epoch in EPOCHS]


def test_a_server_that_dies_and_comes_back_has_all_and_nothing_twice(server, training, workspace, place, capsys):
    with training() as run:
        log(run, EPOCHS[:10])
        assert run.flush()
        log(run, EPOCHS[10:20])
        server.kill()  # in the middle of sending those
        log(run, EPOCHS[20:30])
        assert not run.flush()
        server.start()
        log(run, EPOCHS[30:])
        run.log_text("<html>", "reports/train.html")
    found, points, reports = recorded(server)
    assert (found.info.status, points, reports) == ("FINISHED", WHOLE, ["reports/train.html"])
    assert waiting(place) == []
    assert capsys.readouterr().err == ""


def test_a_server_that_stays_dead_gets_the_rest_by_sync(server, training, workspace, place, capsys):
    with training() as run:
        log(run, EPOCHS[:10])
        assert run.flush()
        server.kill()
        log(run, EPOCHS[10:])
        run.log_text("<html>", "reports/train.html")
        run.set_weights("a" * 32)
    assert f"warning: MLflow at {server.uri} did not take 33 records (" in capsys.readouterr().err
    with evaluation_run(workspace, weights="a" * 32) as run:
        run.log_metrics({"test_accuracy": 0.9})
    assert send_waiting(workspace).left == 2
    server.start()
    assert send_waiting(workspace).runs == 2
    found, points, reports = recorded(server)
    assert (found.info.status, points, reports) == ("FINISHED", WHOLE, ["reports/train.html"])
    assert found.data.metrics["test_accuracy"] == 0.9
    assert waiting(place) == []
    assert send_waiting(workspace).line() == "nothing waits to be sent"


def test_a_server_that_dies_while_it_is_synced_has_nothing_twice(server, training, workspace, place):
    server.kill()
    with training() as run:
        log(run, EPOCHS)
        run.log_text("<html>", "reports/train.html")
    for delay in (0.1, 0.5):
        server.start()
        timer = threading.Timer(delay, server.kill)
        timer.start()
        send_waiting(workspace)
        timer.join()
    server.start()
    send_waiting(workspace)
    found, points, reports = recorded(server)
    assert (found.info.status, points, reports) == ("FINISHED", WHOLE, ["reports/train.html"])
    assert waiting(place) == []


def test_the_models_are_served_by_it(server, training, workspace):
    import mlflow
    import numpy as np

    from pixmill.models import build_classifier, fix_threads
    from pixmill.params import BlockParams, CnnParams, TrainParams
    from tests.images.samples import encoded, shapes

    fix_threads(2)
    params = TrainParams(model="cnn", cnn=CnnParams(blocks=(BlockParams(filters=4),), dense=()))
    model = build_classifier(params, labels=2, image_size=16)
    with training() as run:
        run.log_model(model)
        run.log_classifier(model, ["coat", "dress"], image_size=16, aspect="pad", resize="bicubic")
        run.log_metrics({"test_accuracy": 0.9})
    found, _, _ = recorded(server)
    from mlflow import MlflowClient

    logged = [MlflowClient(server.uri).get_logged_model(output.model_id) for output in found.outputs.model_outputs]
    assert {model.name: model.status for model in logged} == {"keras": "READY", "classifier": "READY"}
    assert [figure.value for model in logged for figure in model.metrics] == [0.9, 0.9]
    by_name = {model.name: f"models:/{model.model_id}" for model in logged}
    pixels = np.zeros((1, 16, 16, 3), np.float32)
    np.testing.assert_array_equal(mlflow.keras.load_model(by_name["keras"])(pixels), model(pixels))
    table = mlflow.pyfunc.load_model(by_name["classifier"]).predict([encoded(shapes(), "jpeg")])
    assert table["label"][0] in ("coat", "dress")


@pytest.mark.timeout(120)
def test_a_server_that_never_answers_holds_up_nothing(training, place, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with training() as run:
            for epoch in range(5000):
                run.log_epoch(epoch, {"train_loss": 1.0})
    assert f"warning: MLflow at {uri} did not take 5,003 records (it does not answer): " in capsys.readouterr().err
    assert len(waiting(place)) == 1
