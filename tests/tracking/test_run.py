"""What is recorded arrives; what MLflow refuses takes nothing else with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixmill.tracking.run import Run


def fill(run):
    run.log_params({"train.cnn.blocks.0.filters": 3, "long": "x" * 7000} | {f"many.{n}": n for n in range(220)})
    run.log_metrics({"test_accuracy": 0.5, "test_absent": None})
    for epoch in (1, 2):
        run.log_epoch(epoch, {"train_loss": 1 / epoch}, timestamp=1000 + epoch)
    run.log_text("<html>", "reports/train.html")
    run.log_picture(b"\x89PNG", "plots/samples.png")
    run.log_dataset("artifacts/split/train", "2" * 32 + ".dir", pictures=816)
    run.set_weights("a" * 32)


def check(store, place):
    (found,) = store.runs()
    assert found.info.status == "FINISHED"
    assert found.data.params["train.cnn.blocks.0.filters"] == "3"
    assert len(found.data.params["long"]) == 6000
    assert len(found.data.params) == 222 + 2
    assert found.data.metrics == {"test_accuracy": 0.5, "train_loss": 0.5}
    points = store.client.get_metric_history(found.info.run_id, "train_loss")
    assert [(point.step, point.value, point.timestamp) for point in points] == [(1, 1.0, 1001), (2, 0.5, 1002)]
    assert found.data.tags["pixmill.weights"] == "a" * 32
    (entry,) = found.inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.digest) == ("artifacts/split/train", "2" * 32 + ".dir")
    assert entry.dataset.profile == '{"pictures": 816}'
    for folder, name in (("reports", "reports/train.html"), ("plots", "plots/samples.png")):
        assert [file.path for file in store.client.list_artifacts(found.info.run_id, folder)] == [name]
    assert list(place.iterdir()) == []


def test_everything_arrives_and_nothing_is_left_behind(training, store, place, capsys):
    with training() as run:
        fill(run)
    check(store, place)
    assert capsys.readouterr().err == ""


def test_everything_arrives_in_a_store_that_is_away_until_the_end(training, store, place, capsys):
    mend = store.break_()
    with training() as run:
        fill(run)
        assert not run.flush()
        assert (run.away, run.run_id) == (True, None)
        mend()
    check(store, place)
    assert capsys.readouterr().err == ""


def test_what_mlflow_refuses_for_ever_takes_nothing_else_with_it(training, store, place, capsys):
    with training() as run:
        run.log_params({"train.epochs": 4})  # a parameter of MLflow's never changes
        run.log_metrics({"test_accuracy": 0.5})
    (found,) = store.runs()
    assert found.data.params["train.epochs"] == "3"
    assert found.data.metrics == {"test_accuracy": 0.5}
    assert found.info.status == "FINISHED"
    (folder,) = place.iterdir()
    warning = capsys.readouterr().err
    assert warning.startswith(f"warning: MLflow at {store.uri} refuses params (MlflowException: ")
    assert warning.endswith(f".pixmill/tracking/{folder.name} keeps it\n")


def test_a_figure_is_recorded_as_png(training, store):
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])
    with training() as run:
        run.log_figure(figure, "plots/curves.png")
    path = Path(store.client.download_artifacts(run.run_id, "plots/curves.png"))
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_a_dataset_without_a_hash_is_not_recorded(training, store):
    with training() as run:
        run.log_dataset("artifacts/split", None)
    assert store.runs()[0].inputs.dataset_inputs == []


def test_a_file_that_is_too_large_is_named_and_left_out(training, store, monkeypatch, capsys):
    monkeypatch.setattr("pixmill.tracking.run._FILE", 1 << 20)
    with training() as run:
        run.log_text("x" * (3 << 20), "reports/huge.html")
    assert capsys.readouterr().err == "warning: reports/huge.html is too large for MLflow (3 MB): it is not recorded\n"
    assert store.client.list_artifacts(run.run_id, "reports") == []


def test_folds_are_runs_beneath(training, store):
    with training() as run:
        for number in (1, 2):
            with run.child(f"fold {number}", {"fold": number}) as fold:
                fold.log_epoch(1, {"val_accuracy": 0.5 + number / 10})
        forgotten = run.child("fold 3", {})
    assert isinstance(forgotten, Run)
    children = [found for found in store.runs() if found.info.run_id != run.run_id]
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {run.run_id}
    assert {child.info.run_name: child.info.status for child in children} == {
        f"fold {number}": "FINISHED" for number in (1, 2, 3)
    }
    first = next(child for child in children if child.info.run_name == "fold 1")
    assert (first.data.params, first.data.metrics) == ({"fold": "1"}, {"val_accuracy": 0.6})


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_fold_that_breaks_off_says_so(training, store, error, status):
    with pytest.raises(error), training() as run, run.child("fold 1", {}):
        raise error
    assert {found.info.status for found in store.runs()} == {status}
