"""Runs are kept where the environment says, or beside the repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pixmill.tracking.store import WEIGHTS, connect, experiment_id, find_by_tag, shown, tracking_uri
from pixmill.workspace import Workspace


def test_the_default_is_a_database_in_the_repository_and_not_in_its_temporary_copy(tmp_path):
    workspace = Workspace(root=tmp_path / "temporary", home=tmp_path / "home")
    assert tracking_uri(workspace) == f"sqlite:///{tmp_path}/home/mlflow.db"


def test_the_environment_decides(workspace, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example.org")
    assert tracking_uri(workspace) == "http://tracking.example.org"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("postgresql://user:secret@host:5432/runs", "postgresql://host:5432/runs"),
        ("https://token@host/path", "https://host/path"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
    ],
)
def test_messages_hold_no_password(uri, expected):
    assert shown(uri) == expected


@pytest.mark.slow
def test_a_database_whose_making_was_killed_is_made_anew(tmp_path):
    path = tmp_path / "mlflow.db"
    script = f"from pixmill.tracking.store import connect; connect('sqlite:///{path}')"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not list(tmp_path.glob(".part-*-mlflow.db")):
            assert process.poll() is None, process.stderr.read()
        process.kill()
    assert not path.exists()
    assert connect(f"sqlite:///{path}").get_experiment_by_name("Default")
    assert [entry.name for entry in tmp_path.iterdir()] == ["mlflow.db"]


def test_artifacts_lie_in_the_repository(workspace, store):
    client = store.client
    found = client.get_experiment(experiment_id(client, workspace.home))
    assert found.name == "pixmill"
    assert Path(found.artifact_location.removeprefix("file://")) == workspace.home / "mlruns" / "pixmill"


def test_the_experiment_is_made_once(workspace, store):
    client = store.client
    assert experiment_id(client, workspace.home) == experiment_id(client, workspace.home)
    assert len(client.search_experiments()) == 2


def test_another_experiment_may_be_given(workspace, store):
    client = store.client
    named = experiment_id(client, workspace.home, given_name="garments")
    assert client.get_experiment(named).name == "garments"
    assert experiment_id(client, workspace.home, given_id="0", given_name="garments") == "0"


def test_weights_are_found_in_any_experiment_and_the_newest_run_wins(store):
    client = store.client
    tags = {"pixmill.weights": "a" * 32}
    for number in range(3):
        experiment = client.create_experiment(f"experiment {number}")
        newest = client.create_run(experiment, tags=tags, start_time=1000 + number)
    client.create_run(experiment, tags={"pixmill.weights": "b" * 32}, start_time=5000)
    assert find_by_tag(client, WEIGHTS, "a" * 32).info.run_id == newest.info.run_id
    assert find_by_tag(client, WEIGHTS, "c" * 32) is None
