"""The run of a training: what it carries, how it ends, and which run it is."""

from __future__ import annotations

import os

import pytest


def test_it_carries_params_curves_and_the_process_that_wrote_it(training, store):
    before = dict(os.environ)
    with training() as run:
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
    (entry,) = found.inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.digest) == ("artifacts/split", digest)
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
        assert second.run_id != project
    assert store.client.get_run(second.run_id).data.tags["mlflow.parentRunId"] == project
    assert store.client.get_run(second.run_id).info.status == "FINISHED"


def test_an_experiment_names_the_run(training, store, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "wider-net")
    with training():
        pass
    assert store.runs()[0].info.run_name == "wider-net"


def test_a_database_that_cannot_be_opened_is_a_warning(training, store, capsys):
    (store.workspace.home / "mlflow.db").write_bytes(b"no database" * 100)
    with training() as run:
        run.log_epoch(1, {"train_loss": 1.0})
    assert run.run_id is None
    assert capsys.readouterr().err.startswith("warning: MLflow at sqlite:")
