"""What MLflow does not take at first is offered again; what it never takes is named and loses nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixmill.tracking.run import Run
from pixmill.tracking.store import experiment_id, tracking_uri


@pytest.fixture
def run(workspace):
    """Return a run whose store is away for the first calls."""

    def open_run(failures):
        left = iter(range(failures))

        def begin(client):
            if next(left, None) is not None:
                raise ConnectionError("nobody there\nsecond line")
            return client.create_run(experiment_id(client, workspace)).info.run_id

        return Run(tracking_uri(workspace), begin, again="dvc repro")

    return open_run


def fill(run):
    run.start()
    run.log_params({"train.epochs": 3, "long": "x" * 7000} | {f"many.{number}": number for number in range(120)})
    run.log_metrics({"test_accuracy": 0.5, "test_absent": None})
    for epoch in (1, 2):
        run.log_epoch(epoch, {"train_loss": 1 / epoch})
    run.log_text("<html>", "reports/train.html")
    run.log_dataset("artifacts/split", "2" * 32 + ".dir")
    run.set_weights("a" * 32)
    run.finish("FINISHED")
    run.close()


@pytest.mark.parametrize("failures", [0, 1])
def test_everything_arrives_also_from_a_store_that_was_away_at_first(run, store, capsys, failures):
    fill(run(failures))
    (found,) = store.runs()
    assert found.info.status == "FINISHED"
    assert found.data.params["train.epochs"] == "3"
    assert len(found.data.params["long"]) == 6000
    assert len(found.data.params) == 122
    assert found.data.metrics == {"test_accuracy": 0.5, "train_loss": 0.5}
    assert store.points(found.info.run_id, "train_loss") == [(1, 1.0), (2, 0.5)]
    assert found.data.tags["pixmill.weights"] == "a" * 32
    assert found.inputs.dataset_inputs[0].dataset.digest == "2" * 32 + ".dir"
    assert [file.path for file in store.client.list_artifacts(found.info.run_id, "reports")] == ["reports/train.html"]
    assert capsys.readouterr().err == ""


def test_a_store_that_stays_away_is_asked_a_few_times_and_all_is_named(run, store, capsys):
    fill(run(10**9))
    assert store.runs() == []
    assert capsys.readouterr().err == (
        f"warning: MLflow at sqlite:///{store.workspace.home}/mlflow.db did not record: the run, parameters, metrics, "
        "reports/train.html, the dataset, tags, its end (ConnectionError: nobody there)\n"
        "The stage's own outputs are complete. To record it later, see that MLflow answers, then: dvc repro\n"
    )


def test_what_mlflow_refuses_for_ever_takes_nothing_else_with_it(run, store, capsys):
    opened = run(0)
    opened.log_params({"train.epochs": 3})
    opened.log_params({"train.epochs": 4})  # a parameter of MLflow's never changes
    opened.log_metrics({"test_accuracy": 0.5})
    opened.finish("FINISHED")
    opened.close()
    (found,) = store.runs()
    assert found.data.params == {"train.epochs": "3"}
    assert found.data.metrics == {"test_accuracy": 0.5}
    assert found.info.status == "FINISHED"
    assert "did not record: parameters (" in capsys.readouterr().err


def test_a_figure_is_recorded_as_png(run, store):
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])
    opened = run(0)
    opened.log_figure(figure, "plots/curves.png")
    opened.close()
    path = Path(store.client.download_artifacts(opened.run_id, "plots/curves.png"))
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_a_dataset_without_a_hash_is_not_recorded(run, store):
    opened = run(0)
    opened.start()
    opened.log_dataset("artifacts/split", None)
    opened.close()
    assert store.runs()[0].inputs.dataset_inputs == []
