"""Temperature and threshold are found on one part, and mean the same when they are written."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from pixmill.metrics.calibration import Calibration, best_temperature, calibrate, sure_enough
from pixmill.metrics.probabilities import losses, tempered
from tests.metrics.parts import parts


def probabilities_at(logits, temperature=1.0):
    return softmax(np.asarray(logits) / temperature, axis=1)


def sampled(temperature, images=4000):
    """Return labels that follow a softmax, and what a model says whose logits are too large by the temperature."""
    generator = np.random.default_rng(5)
    logits = generator.normal(0, 2, (images, 4))
    honest = probabilities_at(logits)
    actual = np.array([generator.choice(4, p=row) for row in honest])
    return actual, probabilities_at(logits * temperature), honest


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_temperature_of_a_model_whose_logits_are_scaled_is_the_scale(temperature):
    actual, overconfident, honest = sampled(temperature)
    found = best_temperature(actual, overconfident)
    assert found == pytest.approx(temperature, rel=0.05)
    assert tempered(overconfident, temperature) == pytest.approx(honest, abs=1e-6)


@given(parts())
def test_best_temperature_is_what_scipy_finds_by_search(part):
    actual, probabilities = part
    found = best_temperature(actual, probabilities)
    assume(found is not None)

    def loss(logarithm):
        return losses(actual, tempered(probabilities, float(np.exp(logarithm)))).mean()

    searched = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-10})
    assert loss(np.log(found)) <= searched.fun + 1e-9


def test_a_model_without_a_mistake_has_no_temperature():
    assert best_temperature(np.array([0, 1]), [[0.6, 0.4], [0.2, 0.8]]) is None


def test_a_model_no_better_than_chance_has_no_temperature():
    assert best_temperature(np.array([0, 1]), [[0.4, 0.6], [0.9, 0.1]]) is None
    assert best_temperature(np.array([0, 1]), [[0.5, 0.5], [0.5, 0.5]]) is None


ANSWERS = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=60)


def arrays(answers):
    confidence, right = zip(*answers, strict=True)
    return np.array(confidence) / 20, np.array(right)


@given(ANSWERS, st.sampled_from([0.5, 0.75, 0.8, 0.9]))
def test_threshold_is_the_least_confidence_that_reaches_the_target(answers, target):
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


def test_fewer_answers_than_the_target_can_tell_do_not_count():
    confidence = np.linspace(0.99, 0.3, 40)
    right = np.arange(40) < 5
    assert sure_enough(confidence, right, 0.8) == pytest.approx(confidence[5], abs=1e-6)
    assert sure_enough(confidence, right, 0.95) is None


def test_threshold_is_zero_where_all_answers_reach_the_target():
    assert sure_enough(np.linspace(0.4, 0.9, 40), np.arange(40) > 0, 0.95) == 0


def test_a_threshold_survives_being_written_with_six_digits():
    confidence = np.array([*[2 / 3] * 30, *[1 / 3] * 30])
    found = sure_enough(confidence, confidence > 0.5, 0.9)
    assert float(f"{found:.6g}") == found
    assert np.mean(confidence >= found) == 0.5


def test_calibration_is_the_same_after_it_was_written():
    actual, overconfident, _ = sampled(3.0, 600)
    calibration = calibrate(overconfident, actual, 0.9)
    values = (calibration.temperature, calibration.threshold)
    assert values == tuple(float(f"{value:.6g}") for value in values)
    confidence = calibration.apply(overconfident).max(axis=1)
    right = overconfident.argmax(axis=1) == actual
    sure = np.array([calibration.is_sure(value) for value in confidence])
    assert right[sure].mean() >= 0.9
    assert calibration.threshold == sure_enough(confidence, right, 0.9)


def test_without_a_threshold_nothing_is_sure():
    assert not Calibration(threshold=None).is_sure(1.0)
    assert Calibration().is_sure(0.0)
