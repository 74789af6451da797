"""MLflow has one run per sweep and one per trial, even after interruptions."""

import json
import shutil
from pathlib import Path

import pytest

from pixmill.cli import sweep as verb
from pixmill.experiments.sweep.planning import open_trials
from pixmill.experiments.sweep.report import as_run
from pixmill.experiments.sweep.trial_store import SweepTrial
from pixmill.tracking.delivery import sync
from tests.experiments.sweep.conftest import contents
from tests.experiments.sweep.swept import make_plan
from tests.tracking.conftest import Store

SWEEP = "pixmill.sweep"


def divided(store):
    """Return the only run of a sweep, and the runs of its trials by name."""
    (parent,) = [run for run in store.runs() if SWEEP in run.data.tags]
    children = [
        run for run in store.runs() if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
    ]
    assert len(store.runs()) == 1 + len(children)
    named = {run.info.run_name: run for run in children}
    assert len(named) == len(children)
    return parent, named


@pytest.fixture
def store(workspace, empty_database, fake_trial, monkeypatch):
    """The database of a workspace with fake trials."""
    shutil.copy(empty_database, workspace.root / "mlflow.db")
    return Store(workspace)


def run(workspace, trials):
    return verb._search(
        workspace, make_plan(workspace, trials=trials), "pixmill sweep", as_json=True
    )


def check(store, count):
    parent, children = divided(store)
    assert parent.info.status == "FINISHED"
    assert {*children} == {f"trial {number}" for number in range(count)}
    for trial in open_trials(store.workspace, make_plan(store.workspace)).load():
        found = children[trial.name]
        assert (found.info.status, found.data.tags["pixmill.trial"]) == ("FINISHED", "complete")
        assert {name: float(value) for name, value in found.data.params.items()} == trial.values
        assert found.info.end_time == trial.started + int(1000 * trial.seconds)
        assert found.data.metrics["trial_macro_f1"] == pytest.approx(trial.value)
        assert store.points(found.info.run_id, "val_loss") == [
            (curve["epoch"], pytest.approx(curve["val_loss"])) for curve in trial.curves
        ]
    return parent


def test_records_params_metrics_and_files(workspace, store) -> None:
    before = contents(workspace.root)
    run(workspace, 4)
    after = contents(workspace.root)
    new = {
        name
        for name in after
        if before.get(name) != after[name] and not name.startswith(("mlruns/", "mlflow.db"))
    }
    assert new == {"reports/sweep.html"}
    parent = check(store, 4)
    best = max(trial.value for trial in open_trials(workspace, make_plan(workspace)).load())
    assert parent.info.run_name == "sweep, cnn"
    assert parent.data.metrics["trial_macro_f1"] == pytest.approx(best)
    assert parent.data.metrics["trials"] == 4
    assert parent.data.metrics["expected_low"] <= parent.data.metrics["expected"] <= best
    assert parent.data.params["sweep.space.train.batch_size"] == "[16, 32]"
    assert parent.data.params["sweep.metric"] == "macro_f1"
    assert "macro-F1 on validation" in parent.data.tags["mlflow.note.content"]
    files = {file.path for file in store.client.list_artifacts(parent.info.run_id)}
    assert files == {"params.yaml", "reports", "sweep.json"}
    recorded = json.loads(
        Path(store.client.download_artifacts(parent.info.run_id, "sweep.json")).read_text()
    )
    assert (recorded["metric"], max(trial["value"] for trial in recorded["trials"])) == (
        "macro_f1",
        pytest.approx(best),
    )


def test_continued_sweep_has_one_run_even_if_mlflow_was_down(
    workspace, store, fake_trial, capsys
) -> None:
    fake_trial.fail = lambda _: KeyboardInterrupt() if len(fake_trial.calls) == 3 else None
    with pytest.raises(KeyboardInterrupt):
        run(workspace, 4)
    assert (
        "sweep: interrupted; 2 finished trials are kept. To resume: pixmill sweep\n"
        in capsys.readouterr().err
    )
    assert store.runs() == []
    run(workspace, 4)
    parent = check(store, 4)
    restore = store.break_()
    run(workspace, 5)
    run(workspace, 6)
    restore()
    assert sync(workspace).sent == ["sweep, cnn"] * 2
    assert check(store, 6).info.run_id == parent.info.run_id
    assert sync(workspace).line() == "no pending runs"


def test_finished_sweep_is_printed_but_not_recorded_again(workspace, store, capsys) -> None:
    run(workspace, 3)
    first = capsys.readouterr().out
    parent = check(store, 3)
    (workspace.root / "reports" / "sweep.html").unlink()
    run(workspace, 2)
    assert capsys.readouterr().out == first
    assert (workspace.root / "reports" / "sweep.html").exists()
    assert check(store, 3).info.end_time == parent.info.end_time


def test_runs_of_failed_and_pruned_trials() -> None:
    values = {"train.epochs": 3, "train.cnn.dense": [{"units": 8}], "train.patience": None}
    failed = as_run(
        SweepTrial(3, values, "failed", None, 5000, 1.5, reason="out of memory"), "macro_f1"
    )
    assert (failed.status, failed.name, failed.ended) == ("FAILED", "trial 3", 6500)
    assert failed.tags == {"pixmill.trial": "failed", "mlflow.note.content": "out of memory"}
    assert failed.params == {
        "train.epochs": "3",
        "train.cnn.dense": '[{"units": 8}]',
        "train.patience": "None",
    }
    curves = ({"epoch": 1, "ended": 5500, "val_loss": 0.5},)
    pruned = as_run(SweepTrial(4, values, "pruned", None, 5000, 1.5, curves=curves), "macro_f1")
    assert (pruned.status, pruned.tags) == ("FINISHED", {"pixmill.trial": "pruned"})
    assert pruned.points == [["val_loss", 0.5, 5500, 1], ["seconds", 1.5, 6500, 0]]
