"""An evaluation finds its training by the weights, in spite of everything."""

from __future__ import annotations

from pathlib import Path

from pixmill.tracking import evaluation_run, send_waiting
from pixmill.tracking.spool import Spool

WEIGHTS = "a" * 32


def test_it_is_recorded_in_the_training_s_run_in_spite_of_mlflow_run_id(trained, store, monkeypatch):
    run_id = trained(WEIGHTS)
    other = store.client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", other)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    with evaluation_run(store.workspace, weights=WEIGHTS) as run:
        run.log_metrics({"test_accuracy": 0.9})
    assert run.run_id == run_id
    found = store.client.get_run(run_id)
    assert found.data.metrics == {"train_loss": 0.5, "test_accuracy": 0.9}
    assert found.info.status == "FINISHED"
    assert store.client.get_run(other).data.metrics == {}


def test_a_run_that_still_goes_on_is_left_going(store):
    client = store.client
    running = client.create_run("0", tags={"pixmill.weights": WEIGHTS}).info.run_id
    with evaluation_run(store.workspace, weights=WEIGHTS) as run:
        run.log_metrics({"test_accuracy": 0.9})
    assert run.run_id == running
    assert store.client.get_run(running).info.status == "RUNNING"


def test_who_only_pulled_the_weights_gets_a_linked_run_once(store):
    for accuracy in (0.8, 0.9):
        with evaluation_run(store.workspace, weights=WEIGHTS) as run:
            run.log_metrics({"test_accuracy": accuracy})
    (found,) = store.runs()
    assert found.info.run_id == run.run_id
    assert found.info.status == "FINISHED"
    assert found.data.tags["pixmill.weights"] == WEIGHTS
    assert found.data.tags["pixmill.linked"] == f"weights:{WEIGHTS}"


def test_the_linked_run_names_the_project_s(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "b" * 32)
    with evaluation_run(store.workspace, weights=WEIGHTS):
        pass
    assert store.runs()[0].data.tags["pixmill.linked"] == "b" * 32


def test_the_part_and_the_lock_are_recorded(trained, store):
    run_id = trained(WEIGHTS)
    digest = "0" * 32 + ".dir"
    lock = f"stages: {{split: {{outs: [{{path: artifacts/split, md5: {digest}}}]}}}}"
    (store.workspace.root / "dvc.lock").write_text(lock)
    with evaluation_run(store.workspace, weights=WEIGHTS):
        pass
    (entry,) = store.client.get_run(run_id).inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.digest, entry.tags[0].value) == (
        "artifacts/split/test",
        digest,
        "testing",
    )
    assert Path(store.client.download_artifacts(run_id, "dvc.lock")).read_text() == lock


def test_a_training_that_waits_is_recorded_first(trained, store, place, capsys):
    mend = store.break_()
    assert trained(WEIGHTS) is None
    mend()
    capsys.readouterr()
    with evaluation_run(store.workspace, weights=WEIGHTS) as run:
        run.log_metrics({"test_accuracy": 0.9})
    (found,) = store.runs()
    assert found.data.metrics == {"train_loss": 0.5, "test_accuracy": 0.9}
    assert "pixmill.linked" not in found.data.tags
    assert list(place.iterdir()) == []
    assert capsys.readouterr().err.startswith("tracking: 1 run (")


def test_where_both_wait_they_come_together_later(trained, store, place):
    mend = store.break_()
    trained(WEIGHTS)
    with evaluation_run(store.workspace, weights=WEIGHTS) as run:
        run.log_metrics({"test_accuracy": 0.9})
    mend()
    done = send_waiting(store.workspace)
    assert (done.runs, done.left) == (2, 0)
    (found,) = store.runs()
    assert found.data.metrics == {"train_loss": 0.5, "test_accuracy": 0.9}
    assert list(place.iterdir()) == []


def test_a_training_that_cannot_come_yet_is_not_replaced_by_another_run(trained, store, place):
    mend = store.break_()
    trained(WEIGHTS)
    mend()
    (folder,) = place.iterdir()
    held = Spool.take(folder)
    with evaluation_run(store.workspace, weights=WEIGHTS) as run:
        run.log_metrics({"test_accuracy": 0.9})
    assert store.runs() == []
    held.release()
    assert send_waiting(store.workspace).runs == 2
    assert store.runs()[0].data.metrics == {"train_loss": 0.5, "test_accuracy": 0.9}
    assert len(store.runs()) == 1


def test_without_mlflow_there_is_a_warning_that_says_how_to_record_it_later(workspace, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with evaluation_run(workspace, weights=WEIGHTS) as run:
        run.log_metrics({"test_accuracy": 0.9})
        run.log_text("<html>", "reports/evaluate.html")
    warning = capsys.readouterr().err
    assert warning.startswith("warning: MLflow at http://127.0.0.1:9 did not take 4 records (")
    assert warning.endswith("Once it answers: pixmill sync\n")
