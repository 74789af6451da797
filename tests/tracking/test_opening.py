"""What a run is opened with, and how one is found again whose opening was not answered."""

from __future__ import annotations

import os

import pytest

from pixmill.tracking.opening import RECORD, open_run, opening


def test_it_says_who_runs_what_and_in_which_experiment(monkeypatch):
    monkeypatch.setenv("LOGNAME", "maria")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "garments")
    assert opening("train", {"kind": "test"}, name="wider", parent=None) == {
        "tags": {
            "mlflow.source.name": "stages/train.py",
            "mlflow.source.type": "LOCAL",
            "mlflow.user": "maria",
            "kind": "test",
        },
        "experiment": "garments",
        "experiment_id": None,
        "name": "wider",
        "parent": None,
    }


def test_a_user_without_a_name_is_no_reason_not_to_train(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 5)
    assert opening("train", {})["tags"]["mlflow.user"] == "unknown"


@pytest.mark.parametrize("again", [False, True])
def test_a_run_whose_opening_was_not_answered_is_found_again(store, workspace, again):
    client, record = store.client, opening("train", {}, name="one")
    made = client.create_run(client.create_experiment("elsewhere"), tags={RECORD: "spool/0"})
    run_id, own = open_run(client, record, home=workspace.home, name="spool/0", again=again, parent=None)
    assert own
    assert (run_id == made.info.run_id) is again
