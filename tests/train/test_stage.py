"""The stage as DVC runs it."""

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
    def arguments(root):
        return {
            "args": [sys.executable, "-m", "stages.train"],
            "cwd": root,
            "env": {**os.environ, "PYTHONPATH": str(repository)},
            "text": True,
        }

    return arguments


def outputs(root):
    return {name: (root / name).read_bytes() for name in OUTPUTS}


@pytest.fixture(scope="module")
def undisturbed(make, command):
    """A project that was trained."""
    root = make()
    done = subprocess.run(**command(root), capture_output=True, check=False)
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
