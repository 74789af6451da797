import numpy as np
import pytest

from pixmill.evaluate.mistakes import surest_mistakes
from pixmill.evaluate.predictions import predict_parts
from pixmill.evaluate.sheets import least_sure, mistakes_by_pair, random_predictions, typical_pictures
from pixmill.metrics import confusion_counts
from pixmill.parts import load_parts
from tests.evaluate.conftest import LABELS, SIDE, by_brightness


@pytest.fixture
def part(packed):
    return load_parts(packed, LABELS, side=SIDE)["test"]


@pytest.fixture
def predictions(part):
    return predict_parts(by_brightness, [part], LABELS)


def test_the_sample_is_the_same_each_time_and_no_more_than_asked_for(predictions, part):
    first = random_predictions(predictions, part, LABELS, limit=5)
    again = random_predictions(predictions.iloc[::-1], part, LABELS, limit=5)
    assert [item.id for item in first] == [item.id for item in again]
    assert len({item.id for item in first}) == 5
    assert len(random_predictions(predictions, part, LABELS, limit=99)) == len(part)


def test_a_picture_is_shown_with_its_own_pixels_and_what_was_said_of_it(predictions, part):
    for item in random_predictions(predictions, part, LABELS, limit=99):
        row = list(part.rows["id"]).index(item.id)
        light = by_brightness(np.asarray(part.pixels[row : row + 1], np.float32))[0, 1]
        assert np.array_equal(item.pixels, part.pixels[row])
        assert item.predicted == LABELS[int(light > 0.5)]
        assert item.confidence == pytest.approx(max(light, 1 - light), abs=1e-6)
        assert item.second_confidence == pytest.approx(min(light, 1 - light), abs=1e-6)
        assert {item.predicted, item.second} == set(LABELS)
        assert item.right == (item.label == item.predicted)


def test_the_least_sure_are_those_nearest_to_a_tie(predictions, part):
    shown = least_sure(predictions, part, LABELS, limit=3)
    gaps = [item.confidence - item.second_confidence for item in shown]
    assert gaps == sorted(gaps)
    every = least_sure(predictions, part, LABELS, limit=99)
    assert gaps[-1] <= every[3].confidence - every[3].second_confidence


def test_typical_is_the_surest_right_one_of_each_class(predictions, part):
    shown = typical_pictures(predictions, part, LABELS, limit=9)
    assert [item.label for item in shown] == list(LABELS)
    assert all(item.right for item in shown)
    right = predictions[predictions["label"] == predictions["predicted"]]
    for item in shown:
        assert item.confidence == pytest.approx(right.loc[right["label"] == item.label, f"p_{item.label}"].max())
    assert len(typical_pictures(predictions, part, LABELS, limit=1)) == 1


def test_a_class_that_was_never_right_has_no_typical_picture(predictions, part):
    wrong = predictions[predictions["label"] != predictions["predicted"]]
    assert typical_pictures(wrong, part, LABELS, limit=9) == []


def test_pairs_hold_their_mistakes_the_surest_first(predictions, part):
    mistakes = surest_mistakes(predictions, part, limit=99)
    actual, predicted = (
        np.array([LABELS.index(name) for name in predictions[column]]) for column in ("label", "predicted")
    )
    (pair,) = mistakes_by_pair(mistakes, confusion_counts(actual, predicted, 2), LABELS)
    assert (pair.label, pair.predicted, pair.count) == ("dark", "light", 2)
    assert list(pair.mistakes) == mistakes


def test_a_pair_without_a_mistake_to_show_is_left_out():
    assert mistakes_by_pair([], np.array([[3, 1], [0, 3]]), LABELS) == []
