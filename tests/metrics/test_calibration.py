import numpy as np
import pytest
from hypothesis import given

from pixmill.metrics import expected_calibration_error, reliability
from tests.metrics.parts import parts


def test_a_model_that_is_as_right_as_it_says_has_no_error():
    probabilities = np.tile([0.75, 0.25], (4, 1))
    assert expected_calibration_error(np.array([0, 0, 0, 1]), probabilities) == pytest.approx(0)


def test_one_that_is_sure_and_wrong_is_off_by_all_of_it():
    assert expected_calibration_error(np.array([1, 1]), [[1.0, 0.0], [1.0, 0.0]]) == pytest.approx(1)


def test_gaps_in_different_bins_do_not_cancel():
    # Says 60 % and is right; says 90 % and is wrong.
    error = expected_calibration_error(np.array([0, 1]), [[0.6, 0.4], [0.9, 0.1]])
    assert error == pytest.approx((0.4 + 0.9) / 2)


@given(parts())
def test_it_is_the_weighted_gap_of_the_bins(part):
    actual, probabilities = part
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == actual
    expected = 0.0
    for number in range(1, 16):
        members = [index for index, value in enumerate(confidence) if np.ceil(value * 15) == number]
        if members:
            expected += len(members) / len(actual) * abs(right[members].mean() - confidence[members].mean())
    assert expected_calibration_error(actual, probabilities) == pytest.approx(expected, abs=1e-9)


@given(parts())
def test_the_table_of_reliability_holds_the_error(part):
    actual, probabilities = part
    table = reliability(actual, probabilities)
    gaps = (table["accuracy"] - table["confidence"]).abs() * table["n"]
    assert gaps.sum() / len(actual) == pytest.approx(expected_calibration_error(actual, probabilities), abs=1e-9)
    assert table["n"].sum() == len(actual)
    inside = (table["low"] - 1e-9 <= table["confidence"]) & (table["confidence"] <= table["high"] + 1e-9)
    assert inside.all()
