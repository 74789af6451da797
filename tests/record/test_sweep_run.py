"""A sweep's run goes on where an earlier process left it, and its trials have models and arrive once."""

import signal

import pytest

from pixmill.record.pending import RunData
from pixmill.record.stage_runs import sweep_run
from pixmill.record.sync import sync

SWEEP = """
import sys, time
from pathlib import Path
from pixmill.core.workspace import Workspace
from pixmill.record.pending import RunData
from pixmill.record.stage_runs import sweep_run
home = Path(sys.argv[1])
with sweep_run(Workspace(home, home), name="sweep", study="a", params={}) as run:
    run.add_child(RunData("train", started=1000, ended=2000, name="trial 0"))
    print(run.run_id, flush=True)
    time.sleep(600)
"""


def opened(workspace, study="a", **params):
    return sweep_run(workspace, name="sweep", study=study, params={"sweep.trials": 5} | params)


def trial(number):
    points = [["val_loss", 0.5, 1500, 1], ["val_accuracy", 0.8 + number / 100, 1900, 0]]
    return RunData(
        "train", started=1000, ended=2000, name=f"trial {number}", params={"train.epochs": "3"}, points=points
    )


def told(store):
    """Return status, name and parent of all runs, the sweep first."""
    runs = store.runs()
    names = {run.info.run_id: run.info.run_name for run in runs}
    facts = [(run.info.run_name, run.info.status, names.get(run.data.tags.get("mlflow.parentRunId"))) for run in runs]
    return sorted(facts)


def children(*numbers, status="FINISHED"):
    return [(f"trial {number}", status, "sweep") for number in numbers]


def test_trials_are_sent_at_once_and_end_when_they_did(workspace, store):
    with opened(workspace) as run:
        run.add_child(trial(0))
        assert told(store) == [("sweep", "RUNNING", None), *children(0)]
        run.add_child(trial(1), live=False)
        assert len(store.runs()) == 2
    assert told(store) == [("sweep", "FINISHED", None), *children(0, 1)]
    sweep = store.client.get_run(run.run_id)
    assert sweep.data.tags["pixmill.sweep"] == "a"
    assert sweep.data.tags["mlflow.source.name"] == "pixmill sweep"
    assert "pixmill.weights" not in sweep.data.tags, "no evaluation finds it"
    (first,) = [run for run in store.runs() if run.info.run_name == "trial 0"]
    assert (first.info.start_time, first.info.end_time) == (1000, 2000)
    assert (first.data.params, first.data.metrics["val_accuracy"]) == ({"train.epochs": "3"}, 0.8)
    assert store.points(first.info.run_id, "val_loss") == [(1, 0.5)]


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, "KILLED"), (ValueError, "FAILED"), (SystemExit, "FAILED")]
)
def test_one_that_broke_off_says_so_keeps_its_trials_and_goes_on(workspace, store, place, error, status):
    with pytest.raises(error), opened(workspace) as run:
        run.add_child(trial(0))
        raise error
    assert told(store) == [("sweep", status, None), *children(0)]
    with opened(workspace) as again:
        assert again.run_id == run.run_id
        again.add_child(trial(0), live=False)
        again.add_child(trial(1))
    assert told(store) == [("sweep", "FINISHED", None), *children(0, 1)]
    assert [path.name for path in place.iterdir()] == ["lock"]


def test_a_killed_one_goes_on(start, workspace, store):
    process, run_id = start(SWEEP, str(workspace.home))
    process.send_signal(signal.SIGKILL)
    process.wait()
    with opened(workspace) as run:
        assert run.run_id == run_id
        run.add_child(trial(0), live=False)
        run.add_child(trial(1))
    assert told(store) == [("sweep", "FINISHED", None), *children(0, 1)]


def test_while_mlflow_is_down_trials_wait_with_the_sweep(workspace, store, place):
    restore = store.break_()
    with opened(workspace) as run:
        run.add_child(trial(0))
    with pytest.raises(KeyboardInterrupt), opened(workspace) as run:
        run.add_child(trial(0), live=False)
        run.add_child(trial(1))
        raise KeyboardInterrupt
    restore()
    assert store.runs() == []
    assert sync(workspace).sent == ["sweep", "sweep"]
    assert told(store) == [("sweep", "KILLED", None), *children(0, 1)]
    assert [path.name for path in place.iterdir()] == ["lock"]


def test_a_trial_that_mlflow_refuses_takes_no_other_with_it(workspace, store, monkeypatch, capsys):
    with opened(workspace) as run:
        run.add_child(trial(0))
        broken = trial(1)
        broken.points.append(["val_loss", "no number", 1, 1])
        run.add_child(broken)
        broken.points.pop()
        run.add_child(trial(2))
    assert told(store) == [("sweep", "FINISHED", None), *children(0, 1, 2)]
    assert "rejected a request" in capsys.readouterr().err
