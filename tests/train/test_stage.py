"""The stage as DVC runs it: the same bytes on any number of cores, whatever happens to it or to MLflow."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time

import pytest

from pixmill.learn.determinism import fix_threads
from pixmill.learn.model_folder import load_classifier
from tests.train.conftest import write_packed
from tests.train.test_steps import cluster
from tests.train.test_training import TAKEN_OVER

PARAMS = """
classes: [blue, green, red]
scrape: {snapshot: '2026-11-20'}
train:
  model: cnn
  cnn: {blocks: [{filters: 4}, {filters: 8}], dense: [{units: 8}]}
  epochs: 4
  threads: 2
"""
OUTPUTS = (
    "artifacts/train/calibration.json",
    "artifacts/train/labels.json",
    "artifacts/train/model.json",
    "artifacts/train/model.weights.h5",
    "artifacts/train/network.tflite",
    "metrics/train.json",
    "plots/train/curves.csv",
    "artifacts/train/samples.jpg",
    "reports/train.html",
)


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Return what makes a fresh project."""

    def project(**params):
        root = tmp_path_factory.mktemp("project")
        write_packed(root / "artifacts" / "split")
        (root / "params.yaml").write_text(PARAMS)
        return root

    return project


@pytest.fixture(scope="module")
def command(repository):
    def arguments(root, *, cores=None, **environment):
        limit = ["taskset", "--cpu-list", cores] if cores else []
        return {
            "args": [*limit, sys.executable, "-m", "stages.train"],
            "cwd": root,
            "env": {**os.environ, "PYTHONPATH": str(repository), **environment},
            "text": True,
        }

    return arguments


def outputs(root):
    return {name: (root / name).read_bytes() for name in OUTPUTS}


@pytest.fixture(scope="module")
def undisturbed(make, command):
    """A project that was trained on one core, where the system can be told so."""
    root = make()
    core = str(min(os.sched_getaffinity(0))) if sys.platform == "linux" else None
    done = subprocess.run(**command(root, cores=core), capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "train: A convolutional network with 2 convolutions, trained from scratch, fitted to 150 images"
    ]
    return root


def test_it_writes_all_that_is_promised(undisturbed):
    assert json.loads((undisturbed / "metrics/train.json").read_text()).keys() == {
        "best_epoch", "train_accuracy", "train_loss", "val_accuracy", "val_loss",
    }  # fmt: skip
    assert json.loads((undisturbed / "plots/train/full.json").read_text())["epochs"] == 4
    labels = json.loads((undisturbed / "artifacts/train/labels.json").read_text())
    assert labels == {"labels": ["blue", "green", "red"], "image_size": 16, "aspect": "pad", "resize": "bicubic"}
    fix_threads(2)
    assert load_classifier(undisturbed / "artifacts" / "train")[1] == ["blue", "green", "red"]
    assert len((undisturbed / "plots/train/curves.csv").read_text().splitlines()) == 5


def recorded_epochs(root):
    database = root / "mlflow.db"
    if not database.exists():
        return 0
    with sqlite3.connect(database) as connection:
        tables = {name for (name,) in connection.execute("select name from sqlite_master")}
        count = connection.execute("select count(*) from metrics").fetchone()[0] if "metrics" in tables else 0
    connection.close()
    return count


def killed_in_mid_training(make, command):
    """Return a project whose training was killed after an epoch; a busy machine may look too late: try again then."""
    for _ in range(5):
        root = make()
        with subprocess.Popen(**command(root)) as process:
            while not recorded_epochs(root) and process.poll() is None:
                time.sleep(0.01)
            process.kill()
        if recorded_epochs(root) and not (root / "artifacts" / "train").exists():
            return root
    pytest.fail("it was past that moment each time")


@pytest.mark.slow
def test_killed_in_mid_training_the_next_run_ends_with_the_same_bytes(undisturbed, make, command):
    root = killed_in_mid_training(make, command)
    subprocess.run(**command(root), capture_output=True, check=True)
    assert outputs(root) == outputs(undisturbed)
    with sqlite3.connect(root / "mlflow.db") as connection:
        statuses = connection.execute("select status from runs order by start_time").fetchall()
    connection.close()
    assert statuses == [("KILLED",), ("FINISHED",)]


@pytest.mark.slow
def test_run_again_it_fits_nothing_and_writes_the_same_bytes(undisturbed, command):
    before = outputs(undisturbed)
    shutil.rmtree(undisturbed / "artifacts" / "train")
    done = subprocess.run(**command(undisturbed), capture_output=True, check=True)
    assert done.stderr.splitlines()[1:] == [TAKEN_OVER]
    assert outputs(undisturbed) == before


@pytest.mark.slow
def test_on_all_cores_and_without_mlflow_it_writes_the_same_bytes(undisturbed, make, command):
    root = make()
    nobody = "http://127.0.0.1:9"
    done = subprocess.run(**command(root, MLFLOW_TRACKING_URI=nobody), capture_output=True, check=False)
    assert done.returncode == 0
    assert outputs(root) == outputs(undisturbed)
    warning, _ = done.stderr.splitlines()
    assert warning.startswith("warning: MLflow at http://127.0.0.1:9 does not respond (Connection refused); ")
    assert warning.endswith("or later with: pixmill sync")


@pytest.mark.slow
def test_a_loss_that_is_no_number_is_a_message_and_no_traceback(make, command):
    root = make()
    (root / "params.yaml").write_text(
        PARAMS + "  optimizer: adamw\n  learning_rate: 100\n  weight_decay: 0.99\n  batch_size: 4\n"
    )
    done = subprocess.run(**command(root), capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == [
        "train: training diverged: the loss is not finite in epoch 1 (optimizer adamw, learning rate 100)",
        "Next: lower train.learning_rate in params.yaml, for example to a tenth, or set train.clip_norm to 1, then: "
        "dvc repro",
    ]
    assert not (root / "artifacts" / "train").exists()


@pytest.mark.slow
def test_of_two_processes_that_train_together_the_first_alone_writes(make, command):
    """In one folder, as on a disk that machines share: the other neither waits for the lock nor is refused."""
    root = make()
    processes = [
        subprocess.Popen(**command(root, **environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for environment in cluster(2)
    ]
    try:
        ended = [process.communicate(timeout=400) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], ended
    (first, _), (second, _) = ended
    assert (first.splitlines()[-1], second) == ("train: reports/train.html", "")
    assert all((root / name).exists() for name in OUTPUTS)
    with sqlite3.connect(root / "mlflow.db") as connection:
        assert connection.execute("select status from runs").fetchall() == [("FINISHED",)]
    connection.close()
