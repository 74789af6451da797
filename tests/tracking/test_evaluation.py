"""An evaluation finds its training by the weights, in spite of everything."""

from __future__ import annotations

from pixmill.tracking import evaluation_run

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


def test_without_mlflow_there_is_a_warning_that_says_how_to_record_it_later(workspace, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with evaluation_run(workspace, weights=WEIGHTS) as run:
        run.log_metrics({"test_accuracy": 0.9})
        run.log_text("<html>", "reports/evaluate.html")
    warning = capsys.readouterr().err
    assert "did not record: the run, metrics, reports/evaluate.html" in warning
    assert warning.endswith("then: dvc repro -s -f evaluate\n")
