"""Classifier: calibrated predictions, reasons, and loading."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pixmill.core.errors import ManifestError
from pixmill.core.params import TrainParams
from pixmill.heads import ONE_LABEL
from pixmill.images.decode import decode
from pixmill.images.fit import fit
from pixmill.images.parts import Part, Shards
from pixmill.metrics.calibration import Calibration, calibrate
from pixmill.metrics.probabilities import apply_temperature
from pixmill.models.classifier import Classifier
from pixmill.models.held_out import predict_held_out, save_calibration
from tests.images.samples import encoded, shapes

FILES = [encoded(shapes(number, 40 + 7 * number, 30), "jpeg") for number in range(4)]
PIXELS = np.stack([fit(decode(content).pixels, 24) for content in FILES])


@pytest.fixture(scope="module")
def classifier(trained_folder):
    return Classifier.load(trained_folder)


@pytest.fixture
def folder(trained_folder, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(trained_folder, tmp_path / "train")


def test_predictions_are_calibrated(classifier):
    calibrated = apply_temperature(classifier.predict_uncalibrated(PIXELS), 0.4)
    for answer, probabilities in zip(classifier.predict(FILES), calibrated, strict=True):
        np.testing.assert_array_equal(answer.probabilities, probabilities)
        assert answer.label == classifier.labels[probabilities.argmax()]
        assert answer.confidence == probabilities.max()
        assert answer.sure == (answer.confidence >= 0.45)
        assert answer.reason is None


def test_window_of_the_model_is_used(folder, classifier):
    description = json.loads((folder / "labels.json").read_text()) | {"window": [100, 300]}
    (folder / "labels.json").write_text(json.dumps(description))
    deep = Image.fromarray(np.linspace(0, 400, 24 * 24).astype(np.uint16).reshape(24, 24))
    grey = Image.fromarray(((np.asarray(deep) - 100.0) * 256 / 200).clip(0, 255).astype(np.uint8))
    (found,) = Classifier.load(folder).predict([encoded(deep, "PNG")])
    (expected,) = classifier.predict([encoded(grey, "PNG")])
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)


def test_invalid_images_get_a_reason_and_others_a_prediction(classifier):
    answers = classifier.predict([b"", FILES[0], b"<svg/>", FILES[1][:100]])
    assert [answer.reason for answer in answers] == ["empty", None, "svg", "truncated"]
    assert [answer.label is None for answer in answers] == [True, False, True, True]
    assert answers[0].confidence is answers[0].sure is answers[0].probabilities is None


def test_save_calibration_uses_the_validation_split(folder, classifier):
    pixels = np.random.default_rng(3).integers(0, 256, (130, 24, 24, 3)).astype(np.uint8)
    own = classifier.predict_uncalibrated(pixels)
    targets = np.where(np.arange(130) % 5 == 0, own.argmin(axis=1), own.argmax(axis=1)).astype(
        np.int32
    )
    validation = Part(
        "val", pd.DataFrame({"cluster": map(str, range(130))}), targets, Shards([pixels])
    )
    held_out = predict_held_out(folder, validation, ONE_LABEL)
    params = TrainParams(target_accuracy=0.75)
    save_calibration(folder, held_out, ONE_LABEL, params, classifier.labels)
    expected = calibrate(own, targets, validation.rows["cluster"], 0.75)
    assert Classifier.load(folder).calibration == expected
    assert expected != Calibration(target_accuracy=0.75)


@pytest.mark.parametrize("threshold", [None, 0])
def test_without_a_threshold_sure_is_none(folder, classifier, threshold):
    path = folder / "calibration.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"threshold": threshold}))
    answers = Classifier.load(folder).predict(FILES)
    assert [answer.sure for answer in answers] == [None] * len(FILES)
    assert [answer.confidence for answer in answers] == [
        answer.confidence for answer in classifier.predict(FILES)
    ]


@pytest.mark.parametrize("name", ["labels.json", "calibration.json", "network.tflite"])
def test_error_names_the_malformed_file(folder, name):
    (folder / name).write_text(json.dumps({"labels": ["a"], "image_size": "large"}))
    with pytest.raises(ManifestError, match=name):
        Classifier.load(folder)
