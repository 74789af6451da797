"""Calibration error, reliability and coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.metrics.confidence import coverage_curve, reliability
from pixmill.metrics.scores import scores
from tests.metrics.parts import parts


@given(parts())
def test_calibration_error_is_the_weighted_gap_of_bins(part):
    actual, probabilities = part
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == actual
    expected = 0.0
    for number in range(1, 16):
        members = [index for index, value in enumerate(confidence) if np.ceil(value * 15) == number]
        if members:
            expected += (
                len(members) / len(actual) * abs(right[members].mean() - confidence[members].mean())
            )
    assert scores(actual, probabilities)["ece"] == pytest.approx(expected, abs=1e-9)


@given(parts())
def test_reliability_gives_the_calibration_error(part):
    actual, probabilities = part
    table = reliability(actual, probabilities)
    gaps = (table["accuracy"] - table["confidence"]).abs() * table["n"]
    assert gaps.sum() / len(actual) == pytest.approx(scores(actual, probabilities)["ece"], abs=1e-9)
    assert table["n"].sum() == len(actual)
    inside = (table["low"] - 1e-9 <= table["confidence"]) & (
        table["confidence"] <= table["high"] + 1e-9
    )
    assert inside.all()


ANSWERS = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=60)


def arrays(answers):
    confidence, right = zip(*answers, strict=True)
    return np.array(confidence) / 20, np.array(right)


@given(ANSWERS)
def test_rows_of_the_coverage_curve(answers):
    confidence, right = arrays(answers)
    curve = coverage_curve(confidence, right)
    for row in curve.itertuples():
        answered = confidence >= row.threshold
        assert (row.coverage, row.accuracy) == (
            pytest.approx(answered.mean()),
            pytest.approx(right[answered].mean()),
        )
        assert row.n == answered.sum()
    assert curve["coverage"].is_monotonic_increasing
    assert curve["coverage"].iloc[-1] == 1


def test_coverage_curve_has_at_most_100_rows():
    generator = np.random.default_rng(2)
    curve = coverage_curve(generator.random(5000), generator.random(5000) < 0.8)
    assert len(curve) == 100
    assert curve["coverage"].to_numpy() == pytest.approx(np.arange(1, 101) / 100)
