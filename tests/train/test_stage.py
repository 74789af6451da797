"""The stage as DVC runs it: the same bytes on any number of cores, with MLflow or without."""

import json
import os
import subprocess
import sys

import pytest

from pixmill.learn.determinism import fix_threads
from pixmill.learn.model_folder import load_classifier
from tests.train.conftest import write_packed

pytestmark = pytest.mark.slow

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


def test_on_all_cores_without_mlflow_and_with_settings_of_keras_it_writes_the_same_bytes(
    undisturbed, make, command, tmp_path
):
    settings = {"backend": "jax", "floatx": "float16", "image_data_format": "channels_first", "epsilon": 0.1}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    environ = {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "jax", "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    root = make()
    done = subprocess.run(**command(root, **environ), capture_output=True, check=False)
    assert done.returncode == 0
    assert outputs(root) == outputs(undisturbed)
    *_, warning = done.stderr.splitlines()
    assert warning.startswith("warning: MLflow at http://127.0.0.1:9 does not respond (Connection refused); ")
    assert warning.endswith("pixmill sync")
