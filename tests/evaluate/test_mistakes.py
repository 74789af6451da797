"""Selection of images to inspect."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from pixmill.evaluate.mistakes import (
    examples_by_cell,
    least_sure,
    random_predictions,
    surest_mistakes,
    typical_images,
)
from pixmill.evaluate.predictions import predict_parts
from pixmill.images.parts import load_parts
from tests.evaluate.conftest import CLASSIFIER, LABELS, SIDE, by_brightness


def test_mistakes_are_sorted_by_confidence(packed):
    parts = load_parts(packed, LABELS, image_size=SIDE)
    part = parts["test"]
    mistakes = surest_mistakes(predict_parts(CLASSIFIER, parts.values()), part, LABELS, limit=9)
    # Rows 3 and 7 of the test split are light images labelled dark; row 7 is lighter.
    assert [mistake.id for mistake in mistakes] == [part.rows["id"][7], part.rows["id"][3]]
    assert all((mistake.label, mistake.predicted) == ("dark", "light") for mistake in mistakes)
    assert mistakes[0].confidence == pytest.approx(207 / 255)
    assert mistakes[0].truth == pytest.approx(48 / 255)


@pytest.fixture
def part(packed):
    return load_parts(packed, LABELS, image_size=SIDE)["test"]


@pytest.fixture
def predictions(part):
    return predict_parts(CLASSIFIER, [part])


def test_example_has_pixels_and_prediction_of_its_image(predictions, part):
    for item in random_predictions(predictions, part, LABELS, limit=99):
        row = list(part.rows["id"]).index(item.id)
        light = by_brightness(np.asarray(part.pixels[row : row + 1], np.float32))[0, 1]
        assert np.array_equal(item.pixels, part.pixels[row])
        assert item.predicted == LABELS[int(light > 0.5)]
        assert item.confidence == pytest.approx(max(light, 1 - light), abs=1e-6)
        assert item.second_confidence == pytest.approx(min(light, 1 - light), abs=1e-6)
        assert {item.predicted, item.second} == set(LABELS)
        assert item.right == (item.label == item.predicted)


def test_least_sure_are_sorted_by_margin(predictions, part):
    shown = least_sure(predictions, part, LABELS, limit=3)
    gaps = [item.confidence - item.second_confidence for item in shown]
    assert gaps == sorted(gaps)
    every = least_sure(predictions, part, LABELS, limit=99)
    assert gaps[-1] <= every[3].confidence - every[3].second_confidence


def test_typical_is_the_most_confident_correct_prediction(predictions, part):
    shown = typical_images(predictions, part, LABELS, limit=9)
    assert [item.label for item in shown] == list(LABELS)
    assert all(item.right for item in shown)
    right = predictions[predictions["label"] == predictions["predicted"]]
    for item in shown:
        assert item.confidence == pytest.approx(right.loc[right["label"] == item.label, f"p_{item.label}"].max())
    assert len(typical_images(predictions, part, LABELS, limit=1)) == 1


def test_cells_have_most_confident_images_first(predictions, part):
    matrix = confusion_matrix(predictions["label"], predictions["predicted"], labels=LABELS)
    cells = examples_by_cell(predictions, part, matrix, LABELS)
    kinds = [(cell.actual, cell.predicted) for cell, _ in cells]
    assert kinds == [("dark", "light"), ("dark", "dark"), ("light", "light")]
    confusion, errors = cells[0]
    assert confusion.count == 2
    assert [item.id for item in errors] == [item.id for item in surest_mistakes(predictions, part, LABELS, limit=99)]
    for cell, examples in cells:
        assert len(examples) == min(cell.count, 4)
        assert {(item.label, item.predicted) for item in examples} == {(cell.actual, cell.predicted)}
        confidences = [item.confidence for item in examples]
        assert confidences == sorted(confidences, reverse=True)
