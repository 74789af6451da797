import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.metrics import coverage_curve, covered, sure_enough

ANSWERS = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=60)


def arrays(answers):
    confidence, right = zip(*answers, strict=True)
    return np.array(confidence) / 20, np.array(right)


@given(ANSWERS, st.sampled_from([0.5, 0.75, 0.8, 0.9]))
def test_it_is_the_least_confidence_of_all_that_give_what_is_asked_for(answers, target):
    confidence, right = arrays(answers)
    good = [
        level
        for level in np.unique(confidence)
        if right[confidence >= level].mean() >= target - 1e-9 and (confidence >= level).sum() >= round(1 / (1 - target))
    ]
    found = sure_enough(confidence, right, target)
    if not good:
        assert found is None
    elif good[0] == confidence.min():
        assert found == 0
    else:
        assert found == pytest.approx(good[0], abs=1e-6)
        assert np.array_equal(confidence >= found, confidence >= good[0])


def test_a_few_lucky_answers_are_no_proof():
    confidence = np.linspace(0.99, 0.3, 40)
    right = np.arange(40) < 5
    assert sure_enough(confidence, right, 0.8) == pytest.approx(confidence[5], abs=1e-6)
    assert sure_enough(confidence, right, 0.95) is None


def test_a_model_that_is_right_often_enough_always_answers():
    assert sure_enough(np.linspace(0.4, 0.9, 40), np.arange(40) > 0, 0.95) == 0


def test_a_threshold_survives_being_written_with_six_digits():
    confidence = np.array([*[2 / 3] * 30, *[1 / 3] * 30])
    found = sure_enough(confidence, confidence > 0.5, 0.9)
    assert float(f"{found:.6g}") == found
    assert covered(confidence, confidence > 0.5, found).coverage == 0.5


def test_below_the_threshold_there_is_no_answer():
    found = covered(np.array([0.9, 0.8, 0.3]), np.array([True, False, False]), 0.8)
    assert (found.coverage, found.accuracy) == (pytest.approx(2 / 3), 0.5)
    assert list(found.answered) == [True, True, False]


@pytest.mark.parametrize("threshold", [None, 0.95])
def test_without_answers_there_is_no_accuracy(threshold):
    found = covered(np.array([0.9, 0.8]), np.array([True, False]), threshold)
    assert (found.coverage, found.accuracy) == (0, None)


@given(ANSWERS)
def test_each_row_of_the_curve_is_what_its_threshold_does(answers):
    confidence, right = arrays(answers)
    curve = coverage_curve(confidence, right)
    for row in curve.itertuples():
        found = covered(confidence, right, row.threshold)
        assert (row.coverage, row.accuracy) == (pytest.approx(found.coverage), pytest.approx(found.accuracy))
        assert row.n == found.answered.sum()
    assert curve["coverage"].is_monotonic_increasing
    assert curve["coverage"].iloc[-1] == 1


def test_a_curve_of_many_pictures_has_a_hundred_rows():
    generator = np.random.default_rng(2)
    curve = coverage_curve(generator.random(5000), generator.random(5000) < 0.8)
    assert len(curve) == 100
    assert curve["coverage"].to_numpy() == pytest.approx(np.arange(1, 101) / 100)
