"""A classifier comes back from its files as it was, and nothing else comes with it."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from pixmill.core.errors import ManifestError
from pixmill.learn.model_folder import load_classifier, save_classifier

LABELS = ("coat", "dress", "shirt")


@pytest.fixture
def folder(build, tmp_path):
    save_classifier(build(), LABELS, tmp_path, image_size=12, aspect="pad", resize="bicubic")
    return tmp_path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_predicts_the_same(build, folder, pixels):
    model, labels = load_classifier(folder)
    assert labels == list(LABELS)
    np.testing.assert_array_equal(model(pixels), build()(pixels))


def test_the_files_are_the_same_whenever_they_are_written(build, folder, tmp_path_factory):
    time.sleep(1.1)  # HDF5 could hold times in seconds
    again = tmp_path_factory.mktemp("again")
    save_classifier(load_classifier(folder)[0], LABELS, again, image_size=12, aspect="pad", resize="bicubic")
    assert contents(again) == contents(folder)
    assert sorted(contents(folder)) == ["labels.json", "model.json", "model.weights.h5"]
    assert json.loads((folder / "labels.json").read_text()) == {
        "labels": list(LABELS),
        "image_size": 12,
        "aspect": "pad",
        "resize": "bicubic",
    }


def test_a_compiled_model_is_not_written(build, tmp_path):
    model = build()
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match="optimizer"):
        save_classifier(model, LABELS, tmp_path, image_size=12, aspect="pad", resize="bicubic")
    assert list(tmp_path.iterdir()) == []


def strange_layer(architecture):
    architecture["config"]["layers"][1]["class_name"] = "Lambda"


def strange_registered_name(architecture):
    architecture["config"]["layers"][1]["registered_name"] = "keras_hub>BytePairTokenizer"


def strange_module(architecture):
    architecture["config"]["layers"][1]["module"] = "os"


def strange_initializer(architecture):
    architecture["config"]["layers"][2]["config"]["kernel_initializer"] = {
        "module": "builtins",
        "class_name": "eval",
        "config": {},
    }


def strange_operation(architecture):
    architecture["config"]["layers"][1] |= {"module": "keras.src.ops.numpy", "class_name": "Vectorize"}


def strange_activation(architecture):
    architecture["config"]["layers"][2]["config"]["activation"] = {
        "module": "builtins",
        "class_name": "function",
        "config": "eval",
        "registered_name": "function",
    }


def lambda_for_an_activation(architecture):
    architecture["config"]["layers"][2]["config"]["activation"] = {
        "class_name": "__lambda__",
        "config": {"value": "4w=="},
    }


def strange_class_without_a_module(architecture):
    architecture["config"]["layers"][1] = {"class_name": "Lambda", "config": {}, "name": "pixels"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (strange_class_without_a_module, "None.Lambda"),
        (strange_layer, "keras.layers.Lambda"),
        (strange_registered_name, "keras_hub>BytePairTokenizer"),
        (strange_operation, "keras.src.ops.numpy.Vectorize"),
        (strange_activation, "builtins.function"),
        (lambda_for_an_activation, "None.__lambda__"),
        (strange_module, "os.Rescaling"),
        (strange_initializer, "builtins.eval"),
    ],
)
def test_what_pixmill_does_not_build_is_not_loaded(folder, change, named):
    architecture = json.loads((folder / "model.json").read_text())
    change(architecture)
    (folder / "model.json").write_text(json.dumps(architecture))
    with pytest.raises(ManifestError, match=f"contains {named}, which Pixmill does not build"):
        load_classifier(folder)


@pytest.mark.parametrize("name", ["labels.json", "model.json", "model.weights.h5"])
def test_an_absent_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ManifestError, match=f"{name} is missing"):
        load_classifier(folder)


@pytest.mark.parametrize("content", [b"", b"no HDF5", None])
def test_broken_weights_are_refused(folder, content):
    weights = folder / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-900] if content is None else content)
    with pytest.raises(ManifestError, match="is not an intact classifier"):
        load_classifier(folder)


def test_weights_of_another_architecture_are_refused(build, folder):
    build(seed=1).save_weights(folder / "model.weights.h5")
    architecture = json.loads((folder / "model.json").read_text())
    architecture["config"]["layers"][-1]["config"]["units"] = 4
    (folder / "model.json").write_text(json.dumps(architecture))
    with pytest.raises(ManifestError, match="is not an intact classifier"):
        load_classifier(folder)


def as_wide_as_no_memory(architecture):
    architecture["config"]["layers"][-1]["config"]["units"] = 10**13


def input_of_any_size(architecture):
    architecture["config"]["layers"][0]["config"]["batch_shape"] = [None, None, None, 3]


def deeper_than_python(architecture):
    part = architecture
    for _ in range(900):
        part["config"] = part = {}


@pytest.mark.parametrize(
    "change", [pytest.param(as_wide_as_no_memory, marks=pytest.mark.slow), input_of_any_size, deeper_than_python]
)
def test_an_architecture_that_cannot_be_is_refused(folder, change):
    architecture = json.loads((folder / "model.json").read_text())
    change(architecture)
    (folder / "model.json").write_text(json.dumps(architecture))
    with pytest.raises(ManifestError, match="is not an intact classifier"):
        load_classifier(folder)


@pytest.mark.parametrize("name", ["labels.json", "model.json"])
@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000], ids=["binary", "deep"])
def test_a_damaged_record_is_a_message(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(ManifestError, match=f"{name} is not valid JSON"):
        load_classifier(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b"[]",
        b'{"labels": ["one", "too few"]}',
        b'{"labels": ["twice", "twice", "dog"], "image_size": 12, "aspect": "pad", "resize": "box"}',
        b'{"labels": "abc", "image_size": 12, "aspect": "pad", "resize": "box"}',
        b'{"labels": ["cat", "dog", 3], "image_size": 12, "aspect": "pad", "resize": "box"}',
        b'{"labels": ["cat", "dog", "\\ud800"], "image_size": 12, "aspect": "pad", "resize": "box"}',
        b'{"labels": ["cat", "dog", "cow"], "image_size": 12, "aspect": "torn", "resize": "box"}',
    ],
)
def test_malformed_labels_are_refused(folder, content):
    (folder / "labels.json").write_bytes(content)
    with pytest.raises(ManifestError, match=r"labels.json: expected distinct labels"):
        load_classifier(folder)


@pytest.mark.parametrize(
    ("change", "message"), [({"labels": ["one", "two"]}, "one output per label"), ({"image_size": 9}, "image_size")]
)
def test_labels_of_another_network_are_refused(folder, change, message):
    labels = json.loads((folder / "labels.json").read_text())
    (folder / "labels.json").write_text(json.dumps(labels | change))
    with pytest.raises(ManifestError, match=f"is not an intact classifier: .*{message}"):
        load_classifier(folder)


@pytest.mark.parametrize("content", [b"{}", b"[]"])
def test_an_architecture_that_is_none_is_refused(folder, content):
    (folder / "model.json").write_bytes(content)
    with pytest.raises(ManifestError, match="is not an intact classifier"):
        load_classifier(folder)


def test_importing_the_package_is_quick():
    code = "import sys, pixmill.learn; sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
