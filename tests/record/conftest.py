"""Workspaces with a real MLflow database, made once and copied; real servers on loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

import pytest

from pixmill.core.workspace import Workspace
from tests.ports import unused_port


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

    def points(self, run_id, name):
        return [(point.step, point.value) for point in self.client.get_metric_history(run_id, name)]

    def break_(self):
        """Make the database unreadable, and return what restores it."""
        path = self.workspace.home / "mlflow.db"
        aside = path.rename(path.with_suffix(".aside"))
        path.write_bytes(b"no database" * 100)
        return lambda: aside.replace(path)


class Server:
    """An MLflow server on a port of its own."""

    def __init__(self, folder, backend):
        self.port = unused_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.folder, self.backend, self.process = folder, backend, None

    def start(self):
        arguments = [sys.executable, "-m", "mlflow", "server", "--port", str(self.port), "--workers", "1"]
        self.process = subprocess.Popen(
            [*arguments, "--backend-store-uri", self.backend, "--artifacts-destination", str(self.folder / "served")],
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


def all_runs(client):
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return client.search_runs(experiments, order_by=["attributes.start_time ASC"])


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
def place(workspace):
    """Where runs wait."""
    return workspace.scratch("record")


@pytest.fixture
def training(workspace):
    """Open the run of a training with a few params."""
    from pixmill.record.stages import training_run

    params = {"train.epochs": 3, "classes": ["coat", "dress"]}
    return lambda **more: training_run(workspace, params=params, dataset="artifacts/split", **more)


@pytest.fixture
def trained(training):
    """Record a whole training with these weights, and return the run's id."""

    def record(weights):
        with training() as run:
            run.log_metrics({"train_loss": 0.5}, step=1)
            run.set_weights(weights)
        return run.run_id

    return record


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory):
    """A PostgreSQL of this test's own, and its address."""
    programs = postgresql_programs()
    folder = tmp_path_factory.mktemp("postgresql")
    user = ["--username=pixmill", "--auth=trust", "--no-sync", "--no-instructions", "--encoding=UTF8"]
    port = unused_port()
    become = {}
    if os.geteuid() == 0:
        # It refuses to run as root.
        import pwd

        entry = pwd.getpwnam("nobody")
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        for parent in folder.parents[:3]:
            parent.chmod(parent.stat().st_mode | 0o711)
        become = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    data = folder / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, *user], check=True, stdout=subprocess.DEVNULL, cwd=folder, **become
    )
    options = ["-D", data, "-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    process = subprocess.Popen(
        [programs / "postgres", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **become
    )
    status = data / "postmaster.pid"
    try:
        # Its own account of how far it is: a port that is open does not yet answer.
        while not status.exists() or "ready" not in status.read_text():
            assert process.poll() is None
            time.sleep(0.1)
        yield f"postgresql+psycopg2://pixmill@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait()


def postgresql_programs():
    """Return the folder of PostgreSQL's programs, or ``None`` where it is not installed."""
    from pathlib import Path

    found = shutil.which("initdb")
    places = [Path(found).parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "postgres").exists()), None)
