"""Saved classifiers: reproducible files, and safe loading."""

import json
import subprocess
import sys

import numpy as np
import pytest

from pixmill.core.errors import ManifestError
from pixmill.models.model_folder import load_classifier, read_description, save_classifier

LABELS = ("coat", "dress", "shirt")


@pytest.fixture
def folder(build, tmp_path):
    save_classifier(build(), LABELS, tmp_path, image_size=12, aspect="pad", resize="bicubic")
    return tmp_path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_are_reproducible(build, folder, pixels, tmp_path_factory):
    again = tmp_path_factory.mktemp("again")
    model, labels = load_classifier(folder)
    assert labels == list(LABELS)
    np.testing.assert_array_equal(model(pixels), build()(pixels))
    save_classifier(model, LABELS, again, image_size=12, aspect="pad", resize="bicubic")
    assert contents(again) == contents(folder)
    assert sorted(contents(folder)) == ["labels.json", "model.json", "model.weights.h5"]
    assert json.loads((folder / "labels.json").read_text()) == {
        "labels": list(LABELS),
        "image_size": 12,
        "aspect": "pad",
        "resize": "bicubic",
    }


def test_window_is_kept(build, tmp_path):
    save_classifier(
        build(), LABELS, tmp_path, image_size=12, aspect="pad", resize="bicubic", window=(0, 4_095)
    )
    assert read_description(tmp_path)["window"] == [0, 4_095]


def disallowed_layer(architecture):
    architecture["config"]["layers"][1]["class_name"] = "Lambda"


def disallowed_activation(architecture):
    architecture["config"]["layers"][2]["config"]["activation"] = {
        "module": "builtins",
        "class_name": "function",
        "config": "eval",
        "registered_name": "function",
    }


def lambda_activation(architecture):
    architecture["config"]["layers"][2]["config"]["activation"] = {
        "class_name": "__lambda__",
        "config": {"value": "4w=="},
    }


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (disallowed_layer, "keras.layers.Lambda"),
        (disallowed_activation, "builtins.function"),
        (lambda_activation, "None.__lambda__"),
    ],
)
def test_rejects_disallowed_classes(folder, change, named):
    architecture = json.loads((folder / "model.json").read_text())
    change(architecture)
    (folder / "model.json").write_text(json.dumps(architecture))
    with pytest.raises(ManifestError, match=f"contains {named}, which Pixmill does not build"):
        load_classifier(folder)


@pytest.mark.parametrize("name", ["labels.json", "model.json", "model.weights.h5"])
def test_error_names_the_missing_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(ManifestError, match=f"{name} is missing"):
        load_classifier(folder)


@pytest.mark.parametrize("content", [b"no HDF5", None])
def test_rejects_damaged_weights(folder, content):
    weights = folder / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-900] if content is None else content)
    with pytest.raises(ManifestError, match="is not an intact classifier"):
        load_classifier(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        (
            b'{"labels": ["twice", "twice", "dog"], "image_size": 12, "aspect": "pad", "resize": '
            b'"box"}'
        ),
        (
            b'{"labels": ["cat", "dog", "\\ud800"], "image_size": 12, "aspect": "pad", "resize": '
            b'"box"}'
        ),
        b'{"labels": ["cat", "dog", "cow"], "image_size": 12, "aspect": "torn", "resize": "box"}',
    ],
)
def test_rejects_malformed_labels(folder, content):
    (folder / "labels.json").write_bytes(content)
    with pytest.raises(ManifestError, match=r"labels.json: expected distinct labels"):
        load_classifier(folder)


def test_import_does_not_load_tensorflow():
    code = "import sys, pixmill.models; sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
