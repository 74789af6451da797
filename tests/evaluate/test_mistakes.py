"""Selection of images to inspect."""

import hashlib

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from pixmill.evaluate.labels import with_pixels
from pixmill.evaluate.mistakes import (
    examples_by_cell,
    least_sure,
    nearest_to_errors,
    with_confidence,
)
from pixmill.evaluate.predictions import predict_parts
from pixmill.images.parts import load_parts
from pixmill.models.model_folder import NOVELTY_FILE
from pixmill.models.novelty import Novelty, save_novelty
from tests.evaluate.conftest import CLASSIFIER, LABELS, SIDE, by_brightness


@pytest.fixture
def part(packed):
    return load_parts(packed, LABELS, image_size=SIDE)["test"]


@pytest.fixture
def predictions(part):
    return with_confidence(predict_parts(CLASSIFIER, [part]), LABELS)


def test_example_has_pixels_and_prediction_of_its_image(predictions, part):
    for item in with_pixels(predictions, {"test": part}):
        row = list(part.rows["id"]).index(item["id"])
        light = by_brightness(np.asarray(part.pixels[row : row + 1], np.float32))[0, 1]
        assert np.array_equal(item["pixels"], part.pixels[row])
        assert item["predicted"] == LABELS[int(light > 0.5)]
        assert item["confidence"] == pytest.approx(max(light, 1 - light), abs=1e-6)
        assert item["second_confidence"] == pytest.approx(min(light, 1 - light), abs=1e-6)
        assert {item["predicted"], item["second"]} == set(LABELS)
        assert item["right"] == (item["label"] == item["predicted"])


def test_least_sure_are_sorted_by_margin(predictions):
    gaps = (
        least_sure(predictions)["confidence"] - least_sure(predictions)["second_confidence"]
    ).tolist()
    assert len(gaps) == len(predictions)
    assert gaps == sorted(gaps)


def test_cells_have_most_confident_images_first(predictions, part):
    matrix = confusion_matrix(predictions["label"], predictions["predicted"], labels=LABELS)
    cells = examples_by_cell(predictions, {"test": part}, matrix, LABELS)
    kinds = [(cell.actual, cell.predicted) for cell, _ in cells]
    assert kinds == [("dark", "light"), ("dark", "dark"), ("light", "light")]
    confusion, errors = cells[0]
    assert confusion.count == 2
    wrong = predictions[predictions["label"] != predictions["predicted"]]
    assert [item["id"] for item in errors] == wrong["id"].tolist()
    for cell, examples in cells:
        assert len(examples) == min(cell.count, 4)
        assert {(item["label"], item["predicted"]) for item in examples} == {
            (cell.actual, cell.predicted)
        }
        confidences = [item["confidence"] for item in examples]
        assert confidences == sorted(confidences, reverse=True)


def test_nearest_training_images_of_an_error(packed, predictions, tmp_path):
    parts = load_parts(packed, LABELS, image_size=SIDE)
    # Unit vectors by brightness: the nearest image is as bright.
    shades = np.concatenate([part.pixels[:].mean(axis=(1, 2, 3)) for part in parts.values()]) / 255
    features = np.stack([shades, np.sqrt(1 - shades**2)], axis=1).astype(np.float32)
    errors = with_pixels(predictions[~predictions["right"]], parts)
    assert nearest_to_errors(errors, parts, features, tmp_path) == (None, {})
    save_novelty(
        tmp_path, Novelty(*(np.array(part, np.float32) for part in ([0, 0], [1, 1], np.eye(2))))
    )
    assert nearest_to_errors(errors, parts, None, tmp_path) == (None, {})
    training, nearest = nearest_to_errors(errors, parts, features, tmp_path)
    assert training["id"].tolist() == parts["train"].rows["id"].tolist()
    assert set(training["novelty"]) == {
        hashlib.md5((tmp_path / NOVELTY_FILE).read_bytes()).hexdigest()
    }
    for error in errors:
        assert {similar["label"] for similar in nearest[error["id"]]} == {"light"}
        for similar in nearest[error["id"]]:
            row = training["id"].tolist().index(similar["id"])
            assert np.array_equal(similar["pixels"], parts["train"].pixels[row])
