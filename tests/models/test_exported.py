"""A classifier in one file: same predictions; other files are rejected with a reason."""

import io
import json
import zipfile
from dataclasses import replace

import pytest

from pixmill.core.errors import ManifestError
from pixmill.models.classifier import Classifier
from pixmill.models.exported import Exported, read_exported, write_exported
from pixmill.models.litert import quiet
from pixmill.models.litert_export import fold_batch_norm
from pixmill.models.model_folder import load_classifier
from pixmill.serve.export.conversion import calibrate

DESCRIPTION = Exported(
    labels=("coat", "kurtā", "T-shirt & top"),
    image_size=24,
    aspect="pad",
    resize="bicubic",
    temperature=0.4,
    threshold=0.45,
    target_accuracy=0.9,
    name="garments",
    digest="0123",
    commit="4567",
    metrics={"accuracy": 0.75, "n": 200},
)


@pytest.fixture(scope="module")
def network(trained_folder, tmp_path_factory):
    """The bytes of a LiteRT network that returns calibrated probabilities."""
    path = tmp_path_factory.mktemp("network") / "network.tflite"
    with quiet():
        fold_batch_norm(calibrate(load_classifier(trained_folder)[0], 0.4)).export(
            str(path), format="litert", verbose=False
        )
    return path.read_bytes()


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "model.tflite"
    write_exported(path, network, DESCRIPTION)
    return path


OF_LABELS = replace(
    DESCRIPTION,
    task="labels",
    temperature=None,
    threshold=None,
    temperatures=(0.4, 0.4, 2.0),
    thresholds=(0.5, 0.3, 0.5),
    sure_yes=(0.9, 0.8, None),
    sure_no=(0.1, None, None),
)


def with_details(path, network, details):
    """Write a network with another description."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("pixmill.json", json.dumps(details))
    path.write_bytes(network + archive.getvalue())
    return path


@pytest.mark.parametrize("description", [DESCRIPTION, OF_LABELS])
def test_read_exported_returns_the_description(network, tmp_path, description):
    path = tmp_path / "model.tflite"
    write_exported(path, network, description)
    assert read_exported(path) == description
    with pytest.raises(ManifestError, match=r"none\.tflite is missing"):
        read_exported(tmp_path / "none.tflite")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("labels", []),
        ("labels", ["coat", "coat", "shirt"]),
        ("labels", ["coat", "shirt", "\ud800"]),
        ("image_size", "24"),
        ("aspect", "squeeze"),
        ("resize", "area"),
    ],
)
def test_rejects_malformed_description(tmp_path, network, key, value):
    path = with_details(
        tmp_path / "bad.tflite", network, json.loads(DESCRIPTION.as_json()) | {key: value}
    )
    with pytest.raises(ManifestError, match="not as Pixmill writes it"):
        Classifier.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds": [0.5]},
        {"sure_yes": None},
        {"task": "one_label"},
        {"task": "other"},
        {"format": 2},
    ],
    ids=str,
)
def test_rejects_thresholds_of_other_labels(tmp_path, network, change):
    path = with_details(tmp_path / "bad.tflite", network, json.loads(OF_LABELS.as_json()) | change)
    with pytest.raises(ManifestError, match="not as Pixmill writes it"):
        read_exported(path)


def test_rejects_format_of_another_version(tmp_path, network):
    path = with_details(
        tmp_path / "new.tflite", network, json.loads(DESCRIPTION.as_json()) | {"format": 4}
    )
    with pytest.raises(ManifestError, match="another version of Pixmill"):
        read_exported(path)


def test_rejects_plain_litert_model(tmp_path, trained_folder):
    logits = (trained_folder / "network.tflite").read_bytes()
    write_exported(tmp_path / "logits.tflite", logits, DESCRIPTION)
    with pytest.raises(ManifestError, match="does not return 3 probabilities"):
        Classifier.load(tmp_path / "logits.tflite")
    with pytest.raises(ManifestError, match="is not a model that Pixmill exported"):
        Classifier.load(trained_folder / "network.tflite")


@pytest.mark.parametrize("change", [{"image_size": 25}, {"labels": ["coat", "shirt"]}], ids=str)
def test_rejects_network_of_another_shape(tmp_path, network, change):
    path = with_details(
        tmp_path / "other.tflite", network, json.loads(DESCRIPTION.as_json()) | change
    )
    with pytest.raises(ManifestError, match="its network"):
        Classifier.load(path)
