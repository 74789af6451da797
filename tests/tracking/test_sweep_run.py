"""A sweep has one run, whichever process records it, and its trials are beneath it once."""

from pixmill.tracking.delivery import RunData, sync
from pixmill.tracking.stage_runs import sweep_run


def record(workspace, *numbers):
    with sweep_run(workspace, name="sweep", study="a", params={"sweep.trials": 5}) as run:
        run.data.children += map(trial, numbers)


def trial(number):
    points = [["val_loss", 0.5, 1500, 1], ["val_accuracy", 0.8 + number / 100, 1900, 0]]
    return RunData(
        "train",
        started=1000,
        ended=2000,
        name=f"trial {number}",
        params={"train.epochs": "3"},
        points=points,
    )


def listed(store):
    """Return status, name and parent of all runs, the sweep first."""
    runs = store.runs()
    names = {run.info.run_id: run.info.run_name for run in runs}
    facts = [
        (run.info.run_name, run.info.status, names.get(run.data.tags.get("mlflow.parentRunId")))
        for run in runs
    ]
    return sorted(facts)


def children(*numbers):
    return [(f"trial {number}", "FINISHED", "sweep") for number in numbers]


def test_trials_end_when_they_did_and_are_recorded_once(workspace, store, place):
    record(workspace, 0)
    record(workspace, 0, 1)
    assert listed(store) == [("sweep", "FINISHED", None), *children(0, 1)]
    sweep, first = (
        {run.info.run_name: run for run in store.runs()}[name] for name in ("sweep", "trial 0")
    )
    assert (sweep.data.tags["pixmill.sweep"], sweep.data.tags["mlflow.source.name"]) == (
        "a",
        "pixmill sweep",
    )
    assert "pixmill.weights" not in sweep.data.tags, "no evaluation finds it"
    assert (first.info.start_time, first.info.end_time) == (1000, 2000)
    assert (first.data.params, first.data.metrics["val_accuracy"]) == ({"train.epochs": "3"}, 0.8)
    assert store.points(first.info.run_id, "val_loss") == [(1, 0.5)]
    assert [path.name for path in place.iterdir()] == ["lock"]


def test_while_mlflow_is_down_trials_wait_with_the_sweep(workspace, store):
    restore = store.break_()
    record(workspace, 0)
    record(workspace, 0, 1)
    restore()
    assert sync(workspace).sent == ["sweep", "sweep"]
    assert listed(store) == [("sweep", "FINISHED", None), *children(0, 1)]
