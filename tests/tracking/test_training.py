"""The run of a training: what it carries, how it ends, and which run it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pixmill.tracking import training_run


def test_it_carries_params_curves_and_the_process_that_wrote_it(training, store):
    before = dict(os.environ)
    with training() as run:
        assert run.flush()
        assert store.runs()[0].info.status == "RUNNING"
        for epoch in (1, 2):
            run.log_epoch(epoch, {"train_loss": 1 / epoch, "val_accuracy": 0.5})
    (found,) = store.runs()
    assert found.info.status == "FINISHED"
    assert found.data.params == {"train.epochs": "3", "classes": "['coat', 'dress']"}
    assert store.points(run.run_id, "train_loss") == [(1, 1.0), (2, 0.5)]
    assert found.data.tags["mlflow.source.name"] == "stages/train.py"
    assert found.data.tags["pixmill.pid"] == str(os.getpid())
    assert dict(os.environ) == before


def test_dvc_s_hash_is_the_digest_of_the_dataset(training, store):
    digest = "0123456789abcdef0123456789abcdef.dir"
    (store.workspace.root / "dvc.lock").write_text(
        f"stages: {{split: {{outs: [{{path: artifacts/split, md5: {digest}}}]}}}}"
    )
    with training():
        pass
    (found,) = store.runs()
    inputs = {entry.dataset.name: (entry.dataset.digest, entry.tags[0].value) for entry in found.inputs.dataset_inputs}
    assert inputs == {"artifacts/split/train": (digest, "training"), "artifacts/split/val": (digest, "validation")}
    assert found.data.tags["pixmill.dvc.artifacts/split"] == digest


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_an_error_ends_it_and_goes_on(training, store, error, status):
    with pytest.raises(error), training():
        raise error
    assert store.runs()[0].info.status == status


def test_within_mlflow_run_it_is_the_project_s_run_which_goes_on(training, store, monkeypatch):
    client = store.client
    project = client.create_run("0").info.run_id
    client.log_param(project, "epochs", "3")
    monkeypatch.setenv("MLFLOW_RUN_ID", project)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    with training() as run:
        assert run.flush()
        assert run.run_id == project
    (found,) = store.runs()
    assert found.info.status == "RUNNING"
    assert found.data.params["train.epochs"] == "3"


def test_a_second_training_within_mlflow_run_gets_a_run_beneath(training, store, monkeypatch):
    project = store.client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", project)
    with training():
        pass
    with training() as second:
        pass
    assert second.run_id != project
    assert store.client.get_run(second.run_id).data.tags["mlflow.parentRunId"] == project
    assert store.client.get_run(second.run_id).info.status == "FINISHED"


def test_an_experiment_names_the_run(training, store, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "wider-net")
    with training():
        pass
    assert store.runs()[0].info.run_name == "wider-net"


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"train.model": "cnn"}, "wider-net, cnn"),
        ({"train.model": "backbone", "train.backbone.name": "resnet50"}, "wider-net, backbone resnet50"),
        (
            {"train.model": "features", "train.backbone.name": "resnet50", "train.features.head": "mlp"},
            "wider-net, features resnet50 mlp",
        ),
    ],
)
def test_the_name_tells_the_experiment_and_the_model(workspace, store, monkeypatch, params, name):
    monkeypatch.setenv("DVC_EXP_NAME", "wider-net")
    with training_run(workspace, params=params, dataset="artifacts/split"):
        pass
    assert store.runs()[0].info.run_name == name


def test_a_sweep_s_trials_lie_beneath_it(training, store):
    sweep = store.client.create_run("0").info.run_id
    with training(parent=sweep, name="trial 7") as run:
        pass
    found = store.client.get_run(run.run_id)
    assert (found.info.run_name, found.data.tags["mlflow.parentRunId"]) == ("trial 7", sweep)
    assert found.info.experiment_id == "0"


def test_params_are_kept_as_they_stood(training, store):
    (store.workspace.root / "params.yaml").write_text("train: {}\n")
    with training() as run:
        (store.workspace.root / "params.yaml").write_text("train: {epochs: 9}\n")
    assert Path(store.client.download_artifacts(run.run_id, "params.yaml")).read_text() == "train: {}\n"


@pytest.mark.timeout(120)  # MLflow's own engine tries for minutes.
def test_a_database_that_cannot_be_opened_is_a_warning_at_once(training, store, place, capsys):
    store.break_()
    with training() as run:
        run.log_epoch(1, {"train_loss": 1.0})
    assert run.run_id is None
    (folder,) = place.iterdir()
    assert capsys.readouterr().err == (
        f"warning: MLflow at {store.uri} did not take 4 records (file is not a database): they wait in "
        f".pixmill/tracking/{folder.name}. Once it answers: pixmill sync\n"
    )
