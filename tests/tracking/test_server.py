"""A real MLflow server that dies in the middle, and one that comes back."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from pixmill.tracking import training_run

pytestmark = pytest.mark.slow


class Server:
    """An MLflow server on a port of its own."""

    def __init__(self, folder, database):
        shutil.copy(database, folder / "server.db")
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.port = found.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        arguments = [sys.executable, "-m", "mlflow", "server", "--port", str(self.port), "--workers", "1"]
        stores = ["--backend-store-uri", f"sqlite:///{self.folder}/server.db", "--artifacts-destination", self.folder]
        self.process = subprocess.Popen(
            [*arguments, *map(str, stores)],
            cwd=self.folder,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not self._answers():
            assert self.process.poll() is None
            time.sleep(0.1)

    def kill(self):
        # The server's workers are in its session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _answers(self):
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=1) as answer:
                return answer.status == 200
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False


@pytest.fixture
def server(tmp_path, empty_database, monkeypatch):
    server = Server(tmp_path, empty_database)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    server.start()
    yield server
    server.kill()


def recorded(server):
    from mlflow import MlflowClient

    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name("pixmill").experiment_id
    (run,) = client.search_runs([experiment])
    return run, [point.step for point in client.get_metric_history(run.info.run_id, "train_loss")]


def test_what_a_dead_server_missed_it_gets_when_it_is_back_in_time(server, workspace, capsys):
    with training_run(workspace, params={"train.epochs": 4}, dataset="artifacts/split") as run:
        run.log_epoch(1, {"train_loss": 1.0})
        server.kill()
        for epoch in (2, 3, 4):
            run.log_epoch(epoch, {"train_loss": 1 / epoch})
        server.start()
        run.log_text("<html>", "reports/train.html")
    found, steps = recorded(server)
    assert (found.info.status, steps) == ("FINISHED", [1, 2, 3, 4])
    assert capsys.readouterr().err == ""


def test_a_server_that_stays_dead_costs_seconds_and_a_warning(server, workspace, capsys):
    with training_run(workspace, params={"train.epochs": 50}, dataset="artifacts/split") as run:
        run.log_epoch(1, {"train_loss": 1.0})
        server.kill()
        began = time.monotonic()
        for epoch in range(2, 50):
            run.log_epoch(epoch, {"train_loss": 1 / epoch})
        run.set_weights("a" * 32)
        assert time.monotonic() - began < 30
    assert time.monotonic() - began < 60
    warning = capsys.readouterr().err
    assert warning.startswith(f"warning: MLflow at {server.uri} did not record: metrics, tags, its end (")
    assert warning.endswith("then: dvc repro -s -f train evaluate\n")


def test_a_server_that_never_answers_costs_seconds_and_a_warning(workspace, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with training_run(workspace, params={"train.epochs": 50}, dataset="artifacts/split") as run:
            for epoch in range(50):
                run.log_epoch(epoch, {"train_loss": 1.0})
        assert time.monotonic() - began < 120
    assert "did not record: the run, parameters, metrics, its end (" in capsys.readouterr().err
