"""Runs are kept where the environment says, or beside the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixmill.tracking.store import experiment_id, find_by_weights, shown, tracking_uri
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


def test_artifacts_lie_in_the_repository(workspace, store):
    client = store.client
    found = client.get_experiment(experiment_id(client, workspace))
    assert found.name == "pixmill"
    assert Path(found.artifact_location.removeprefix("file://")) == workspace.home / "mlruns" / "pixmill"


def test_the_experiment_is_made_once(workspace, store):
    client = store.client
    assert experiment_id(client, workspace) == experiment_id(client, workspace)
    assert len(client.search_experiments()) == 2


def test_another_experiment_may_be_given(workspace, store, monkeypatch):
    client = store.client
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "garments")
    assert client.get_experiment(experiment_id(client, workspace)).name == "garments"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    assert experiment_id(client, workspace) == "0"


def test_weights_are_found_in_any_experiment_and_the_newest_run_wins(store):
    client = store.client
    tags = {"pixmill.weights": "a" * 32}
    for number in range(3):
        experiment = client.create_experiment(f"experiment {number}")
        newest = client.create_run(experiment, tags=tags, start_time=1000 + number)
    client.create_run(experiment, tags={"pixmill.weights": "b" * 32}, start_time=5000)
    assert find_by_weights(client, "a" * 32).info.run_id == newest.info.run_id
    assert find_by_weights(client, "c" * 32) is None
