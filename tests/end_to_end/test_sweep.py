"""A killed sweep loses no finished trial, and an applied trial needs no training."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from pixmill.metrics.scores import macro_f1
from pixmill.models.held_out import load_held_out
from tests.command import run_pixmill
from tests.end_to_end.conftest import CLASSES, Project
from tests.tracking.conftest import all_runs

pytestmark = [pytest.mark.slow, pytest.mark.browser]

TRIALS = 2
REUSED = "train: reused the weights of an earlier training"


def saved_answers(project) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in project.path.glob(".pixmill/sweep/*/answers-*.npy")
    }


def sweep(project) -> str:
    words = ("-m", "pixmill", "sweep", "--trials", str(TRIALS), "--json")
    done = project.run(str(project.python), *words, PYTHONPATH="src")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def kill(project) -> None:
    """Start a sweep, and kill it during its second trial."""
    with subprocess.Popen(
        [str(project.python), "-m", "pixmill", "sweep", "--trials", str(TRIALS)],
        cwd=project.path,
        env={**project.environ, "PYTHONPATH": "src"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 300
        while not saved_answers(project):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)


@pytest.fixture(scope="module")
def swept(finished, tmp_path_factory):
    """A project whose sweep of heads was killed and then completed, with the JSON output."""
    path = tmp_path_factory.mktemp("swept") / "project"
    project = Project(Path(shutil.copytree(finished.path, path, symlinks=True)))
    project.edit(("model: cnn", "model: features"))
    project.commit("A head")
    kill(project)
    before = saved_answers(project)
    document = json.loads(sweep(project))
    now = saved_answers(project)
    assert {name: now[name] for name in before} == before
    return project, document


def test_trials_run_once(swept) -> None:
    project, document = swept
    assert [trial["number"] for trial in document["trials"]] == [*range(TRIALS)]
    assert {trial["state"] for trial in document["trials"]} == {"complete"}
    assert (
        len({json.dumps(trial["params"], sort_keys=True) for trial in document["trials"]}) == TRIALS
    )
    assert project.git("status", "--porcelain") == ""
    assert Path(project.path, "reports", "sweep.html").exists()


def test_sweep_has_one_run_and_one_per_trial(swept) -> None:
    project, document = swept
    runs = all_runs(MlflowClient(f"sqlite:///{project.path}/mlflow.db"))
    (parent,) = [run for run in runs if "pixmill.sweep" in run.data.tags]
    children = [
        run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
    ]
    assert sorted(run.info.run_name for run in children) == [
        f"trial {number}" for number in range(TRIALS)
    ]
    assert {run.info.status for run in [parent, *children]} == {"FINISHED"}
    # The earlier training has a run, too.
    assert len(runs) == 2 + TRIALS
    values = {run.info.run_name: run.data.metrics["trial_macro_f1"] for run in children}
    for trial in document["trials"]:
        assert values[f"trial {trial['number']}"] == pytest.approx(trial["value"], rel=1e-5)


def test_applied_trial_needs_no_training(swept, monkeypatch) -> None:
    project, document = swept
    number = document["best"] or 1
    monkeypatch.chdir(project.path)
    assert run_pixmill("sweep", "--trials", str(TRIALS), "--apply", str(number)) == 0
    assert project.git("status", "--porcelain").split() == ["M", "params.yaml"]
    done = project.dvc("repro", "--no-run-cache", "train")
    assert done.returncode == 0, done.stdout + done.stderr
    assert REUSED in done.stdout + done.stderr
    # The cross-fitted predictions give the value of the trial.
    labels = sorted(CLASSES)
    manifest = pd.read_parquet(project.path / "artifacts/split/manifest.parquet")
    held_out = load_held_out(project.path / "artifacts/train", labels)
    actual = held_out["id"].map(manifest.set_index("id")["label"]).map(labels.index).to_numpy()
    predicted = held_out[[f"p_{label}" for label in labels]].to_numpy().argmax(axis=1)
    assert macro_f1(actual, predicted) == pytest.approx(
        document["trials"][number]["value"], abs=1e-6
    )
