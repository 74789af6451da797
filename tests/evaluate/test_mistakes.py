import numpy as np
import pytest

from pixmill.evaluate.mistakes import Confusion, commonest_confusions, surest_mistakes
from pixmill.evaluate.predictions import predict_parts
from pixmill.parts import load_parts
from tests.evaluate.conftest import LABELS, SIDE, by_brightness


def test_confusions_come_most_frequent_first_and_the_diagonal_is_none():
    matrix = np.array([[9, 1, 0], [3, 5, 1], [0, 0, 4]])
    assert commonest_confusions(matrix, ["a", "b", "c"]) == [
        Confusion("b", "a", 3, of=9),
        Confusion("a", "b", 1, of=10),
        Confusion("b", "c", 1, of=9),
    ]
    assert len(commonest_confusions(matrix, ["a", "b", "c"], limit=2)) == 2


@pytest.fixture
def found(packed):
    parts = load_parts(packed, LABELS, side=SIDE)
    predictions = predict_parts(by_brightness, parts.values(), LABELS)
    return surest_mistakes(predictions, parts["test"], limit=9), parts["test"]


def test_mistakes_are_those_of_the_part_the_surest_first(found):
    mistakes, part = found
    # Of the test part, rows 3 and 7 are light pictures labelled dark; row 7 is the lighter.
    assert [mistake.id for mistake in mistakes] == [part.rows["id"][7], part.rows["id"][3]]
    assert all((mistake.label, mistake.predicted) == ("dark", "light") for mistake in mistakes)
    assert mistakes[0].confidence == pytest.approx(207 / 255)
    assert mistakes[0].truth == pytest.approx(48 / 255)


def test_a_mistake_shows_its_own_picture(found):
    mistakes, part = found
    assert np.array_equal(mistakes[0].pixels, part.pixels[7])


def test_no_more_are_returned_than_asked_for(packed):
    parts = load_parts(packed, LABELS, side=SIDE)
    predictions = predict_parts(by_brightness, parts.values(), LABELS)
    assert len(surest_mistakes(predictions, parts["test"], limit=1)) == 1


def test_a_part_without_a_mistake_has_none(packed):
    parts = load_parts(packed, LABELS, side=SIDE)
    assert surest_mistakes(predict_parts(by_brightness, parts.values(), LABELS), parts["train"], limit=9) == []
