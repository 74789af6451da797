"""The stage as DVC runs it: killed and resumed, with the same bytes on any number of cores."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest
import yaml

from pixmill.core.files.workspace import Workspace
from pixmill.core.params import load_params
from pixmill.models.determinism import fix_threads
from pixmill.models.model_folder import load_classifier
from pixmill.train import stage as train
from tests.train.conftest import FOLDS, write_packed
from tests.train.test_training import REUSED

pytestmark = pytest.mark.slow

EPOCHS = 4
CNN = {"blocks": [{"filters": 4}], "dense": [{"units": 8, "dropout": 0.2}]}

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

# SIGKILL ends the stage after its last epoch.
KILLED = """
import os, runpy, signal, sys
from pixmill.train.page import report as page
page.render_page = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
sys.argv = ['train']
runpy.run_module('stages.train', run_name='__main__')
"""


def outputs(root):
    return {name: (root / name).read_bytes() for name in OUTPUTS}


def project(root):
    write_packed(root / "artifacts" / "split")
    train = {
        "model": "cnn",
        "cnn": CNN,
        "epochs": EPOCHS,
        "threads": 2,
        "batch_size": 32,
        "patience": None,
    }
    sections = {"scrape": {"snapshot": "2026-11-20"}, "split": {"folds": FOLDS}, "train": train}
    (root / "params.yaml").write_text(
        yaml.safe_dump({"classes": ["blue", "green", "red"], **sections})
    )
    return root


def stage(root, repository, *arguments, limit=(), **environ):
    environ = {
        **os.environ,
        "PYTHONPATH": f"{repository}{os.pathsep}{repository / 'src'}",
        **environ,
    }
    return {
        "args": [*limit, sys.executable, *(arguments or ("-m", "stages.train"))],
        "cwd": root,
        "env": environ,
        "text": True,
    }


def test_killed_stage_reuses_the_finished_training(
    repository, tmp_path, monkeypatch, empty_database
):
    whole = project(tmp_path / "whole")
    root = project(tmp_path / "killed")
    shutil.copy(empty_database, root / "mlflow.db")
    with monkeypatch.context() as absent:  # MLflow does not affect results.
        absent.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        train.main(Workspace(whole, whole), load_params(whole))
    one_core = (
        ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))]
        if sys.platform == "linux"
        else []
    )
    # Nor do settings of Keras.
    keras = {
        "backend": "jax",
        "floatx": "float16",
        "image_data_format": "channels_first",
        "epsilon": 0.1,
    }
    (tmp_path / "keras.json").write_text(json.dumps(keras))
    environ = {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "jax"}
    alone = stage(root, repository, "-c", KILLED, limit=one_core, **environ)
    done = subprocess.run(**alone, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not any((root / name).exists() for name in OUTPUTS)
    done = subprocess.run(**stage(root, repository), capture_output=True, check=True)
    assert outputs(root) == outputs(whole)
    # One run, with all epochs.
    with sqlite3.connect(root / "mlflow.db") as connection:
        runs = connection.execute(
            "select status, count(distinct step) from runs join metrics using (run_uuid) where key "
            "= 'val_loss' group by run_uuid order by start_time"
        ).fetchall()
    connection.close()
    assert runs == [("FINISHED", EPOCHS)]
    assert REUSED in done.stderr
    # All outputs exist.
    assert json.loads((root / "metrics/train.json").read_text()).keys() == {
        "best_epoch", "train_accuracy", "train_loss", "val_accuracy", "val_loss",
    }  # fmt: skip
    assert json.loads((root / "plots/train/full.json").read_text())["epochs"] == EPOCHS
    labels = json.loads((root / "artifacts/train/labels.json").read_text())
    assert labels == {
        "labels": ["blue", "green", "red"],
        "image_size": 16,
        "aspect": "pad",
        "resize": "bicubic",
    }
    fix_threads(2)
    assert load_classifier(root / "artifacts" / "train")[1] == ["blue", "green", "red"]
    assert len((root / "plots/train/curves.csv").read_text().splitlines()) == EPOCHS + 1
