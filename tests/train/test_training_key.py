"""A training's key is another one for all that may change its weights, and for nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pixmill
from pixmill.core.params import FeaturesParams, TrainParams, flat
from pixmill.images.parts import load_parts
from pixmill.train import training_key as module
from pixmill.train.training_key import deciding_code, deciding_params, training_key
from tests.train.conftest import CLASSES, PARAMS, SIZE


@pytest.fixture
def key(packed, tmp_path):
    def key_of(labels=CLASSES, **changes):
        parts = load_parts(packed, CLASSES, side=SIZE, names=("train", "val"))
        return training_key(packed, parts, PARAMS.model_copy(update=changes), labels=labels, root=tmp_path)

    return key_of


def test_the_same_training_has_the_same_key(key):
    assert key() == key()


@pytest.mark.parametrize(
    "change", [{"seed": 8}, {"epochs": 7}, {"threads": 1}, {"labels": ("green", "blue", "red")}, {"model": "features"}]
)
def test_params_and_labels_count(key, change):
    assert key(**change) != key()


def test_other_weights_of_a_backbone_count(key):
    other = PARAMS.backbone.model_copy(update={"weights": "none"})
    assert key(model="backbone", backbone=other) != key(model="backbone")


@pytest.mark.parametrize("changes", [{"momentum": 0.5}, {"weight_decay": 0.1}, {"cross_validation": True}])
def test_params_that_decide_nothing_do_not_count(key, changes):
    assert key(**changes) == key()


def test_a_logistic_regression_has_few_params_that_decide():
    names = deciding_params(TrainParams(model="features"))
    assert {"threads", "class_weights", "backbone.name", "features.inverse_regularization"} <= names.keys()
    assert not [
        name for name in names if name.startswith(("augmentation", "cnn", "epochs", "learning_rate", "optimizer"))
    ]
    network = TrainParams(model="features", features=FeaturesParams(head="mlp"))
    assert {"epochs", "features.dense.0.units"} <= deciding_params(network).keys() <= flat(network).keys()


@pytest.mark.parametrize("part", ["train", "val"])
def test_each_byte_of_the_pixels_counts(key, packed, part):
    before = key()
    path = packed / part / "00000.bin"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert key() != before


@pytest.mark.parametrize("column", ["id", "label", "fold"])
def test_ids_labels_and_folds_count(parts, packed, column):
    before = training_key(packed, parts, PARAMS, labels=CLASSES)
    rows = parts["val"].rows
    rows.loc[0, column] = rows.loc[1, column]
    assert training_key(packed, parts, PARAMS, labels=CLASSES) != before


@pytest.fixture
def code(tmp_path, monkeypatch):
    """A copy of the code, in place of the code."""
    copy = tmp_path / "pixmill"
    shutil.copytree(Path(pixmill.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module.pixmill, "__file__", str(copy / "__init__.py"))
    return copy


@pytest.mark.parametrize(
    ("name", "change", "counts"),
    [
        ("train/steps.py", lambda text: text + "\n# a comment\n", False),
        ("train/steps.py", lambda text: text.replace('"""One training step', '"""Another docstring: one step'), False),
        ("train/steps.py", lambda text: text.replace("momentum=params.momentum", "momentum=0.5"), True),
        ("learn/networks.py", lambda text: text + "\nONE = 1\n", True),
        ("images/parts.py", lambda text: text + "\nONE = 1\n", True),
        ("train/checkpoints.py", lambda text: text + "\nONE = 1\n", False),
        ("pages/train/page.py", lambda text: text + "\nONE = 1\n", False),
        ("record/run.py", lambda text: text + "\nONE = 1\n", False),
    ],
)
def test_code_that_computes_counts_but_for_what_people_read(key, code, name, change, counts):
    before = key()
    text = (code / name).read_text(encoding="utf-8")
    assert change(text) != text
    (code / name).write_text(change(text), encoding="utf-8")
    assert (key() != before) is counts


def test_every_module_that_training_imports_counts_or_is_known_to_decide_nothing():
    script = "import sys, pixmill.train; print(*(name for name in sys.modules if name.startswith('pixmill.')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    package = Path(pixmill.__file__).parent
    counted = {".".join(("pixmill", *path.relative_to(package).with_suffix("").parts)) for path in deciding_code()}
    # What `pixmill.images` imports beside the packed parts decodes files, which is done before.
    read = {name for name in done.stdout.split() if name.startswith(("pixmill.images.parts", "pixmill.learn."))}
    fitted = {name for name in done.stdout.split() if name.startswith("pixmill.train.")}
    keeping = {
        "pixmill.train.checkpoints",
        "pixmill.train.interruption",
        "pixmill.train.learning_curve",
        "pixmill.learn.classifier",
        "pixmill.learn.export",
        "pixmill.learn.litert",
    }
    assert (read | fitted) - counted <= {*keeping, "pixmill.learn.folder"}
    assert "pixmill.train.steps" in counted


def test_the_pixels_of_the_test_part_do_not_count(key, packed):
    before = key()
    (packed / "test/00000.bin").write_bytes(b"others")
    assert key() == before


def test_what_chooses_among_ways_to_compute_counts(key, monkeypatch):
    before = key()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert key() == before
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert key() != before
