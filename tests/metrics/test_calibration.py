"""Temperature and threshold."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import beta

from pixmill.metrics.calibration import (
    Calibration,
    best_threshold,
    calibrate,
    threshold_hints,
)
from pixmill.metrics.probabilities import apply_temperature, losses
from tests.metrics.parts import parts


def probabilities_at(logits, temperature=1.0):
    return softmax(np.asarray(logits) / temperature, axis=1)


def sampled(temperature, images=4000):
    """Return labels, the probabilities of scaled logits, and the true probabilities."""
    generator = np.random.default_rng(5)
    logits = generator.normal(0, 2, (images, 4))
    honest = probabilities_at(logits)
    actual = np.array([generator.choice(4, p=row) for row in honest])
    return actual, probabilities_at(logits * temperature), honest


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_temperature_of_many_images_is_the_scale_of_the_logits(temperature):
    actual, overconfident, honest = sampled(temperature)
    found = calibrate(overconfident, actual, np.arange(len(actual)), 0.95).temperature
    assert found == pytest.approx(temperature, rel=0.1)
    assert apply_temperature(overconfident, temperature) == pytest.approx(honest, abs=1e-6)


@given(parts())
def test_temperature_never_raises_the_loss(part):
    actual, probabilities = part
    found = calibrate(probabilities, actual, np.arange(len(actual)), 0.95)
    assert (
        losses(actual, found.apply(probabilities)).mean()
        <= losses(actual, probabilities).mean() + 1e-9
    )


def test_temperature_without_errors_is_finite_and_drawn_towards_1():
    def found(images):
        actual = np.zeros(images, int)
        return calibrate(
            np.tile([0.7, 0.2, 0.1], (images, 1)), actual, np.arange(images), 0.95
        ).temperature

    assert found(5) is None
    assert 1 > found(27) > found(60) > found(1000) > 1 / 20


@pytest.mark.parametrize(("temperature", "images"), [(1.0, 4000), (1.5, 20)])
def test_no_temperature_without_significance(temperature, images):
    actual, overconfident, _ = sampled(temperature, images)
    assert calibrate(overconfident, actual, np.arange(images), 0.95).temperature is None


def test_near_duplicates_do_not_make_a_temperature_significant():
    actual, overconfident, _ = sampled(1.5, 20)
    actual = np.tile(actual, 50)
    overconfident = np.tile(overconfident, (50, 1))
    copies = np.tile(np.arange(20), 50)
    assert calibrate(overconfident, actual, np.arange(1000), 0.95).temperature is not None
    assert calibrate(overconfident, actual, copies, 0.95).temperature is None


ANSWERS = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=60)


def arrays(answers):
    confidence, right = zip(*answers, strict=True)
    return np.array(confidence) / 20, np.array(right)


@given(ANSWERS, st.sampled_from([0.5, 0.75, 0.8, 0.9]))
def test_threshold_ends_the_sequence_of_tests(answers, target):
    confidence, right = arrays(answers)
    fewest = 0.35 * len(right)
    levels = np.unique(confidence)[::-1]

    def reached(errors, n):
        return beta.ppf(0.05, n - errors, errors + 1) >= target if errors < n else False

    sizes = [int((confidence >= level).sum()) for level in levels]
    errors = [int((~right[confidence >= level]).sum()) for level in levels]
    allowed = [max((e for e in range(n) if reached(e, n)), default=-1) for n in sizes]
    floor = np.sort(confidence)[math.floor((len(right) - 1) / 20)]
    found = None
    for place in range(len(levels)):
        one_more = allowed[place] > (allowed[place - 1] if place else -1)
        if sizes[place] >= fewest and one_more:
            if errors[place] > allowed[place] or levels[place] < floor:
                break
            found = place
    while found is not None and found + 1 < len(levels) and errors[found + 1] <= allowed[found + 1]:
        if levels[found + 1] < floor:
            break
        found += 1
    threshold = best_threshold(confidence, right, np.arange(len(right)), target)
    if found is None:
        assert threshold is None
    else:
        assert threshold == pytest.approx(levels[found], abs=1e-6)
        assert np.array_equal(confidence >= threshold, confidence >= levels[found])


def test_least_confident_twentieth_is_never_sure():
    confidence = np.linspace(0.3, 0.9, 400)
    found = best_threshold(confidence, np.ones(400, bool), np.arange(400), 0.9)
    assert np.mean(confidence >= found) == pytest.approx(0.95, abs=0.005)


@pytest.mark.parametrize(
    ("images", "wrong", "threshold"), [(92, 1, None), (93, 1, 0.9), (123, 2, None), (124, 2, 0.9)]
)
def test_errors_require_more_predictions(images, wrong, threshold):
    assert (
        best_threshold(np.full(images, 0.9), np.arange(images) >= wrong, np.arange(images), 0.95)
        == threshold
    )


@given(ANSWERS, st.sampled_from([0.75, 0.9, 0.95]))
def test_hints_lead_to_a_threshold(answers, target):
    confidence, right = arrays(answers)
    groups = np.arange(len(right))
    assume(best_threshold(confidence, right, groups, target) is None)
    images, lower = threshold_hints(confidence, right, groups, target)
    if images is not None:
        times = images // len(right)
        more = np.tile(confidence, times), np.tile(right, times)
        assert best_threshold(*more, np.arange(images), target) is not None
    if lower is not None:
        assert best_threshold(confidence, right, groups, lower) is not None
    assert lower is None or 0.5 <= lower < target


def test_calibration_has_six_digits_and_reaches_the_target():
    actual, overconfident, _ = sampled(3.0, 600)
    calibration = calibrate(overconfident, actual, np.arange(600), 0.8)
    values = (calibration.temperature, calibration.threshold)
    assert values == tuple(float(f"{value:.6g}") for value in values)
    confidence = calibration.apply(overconfident).max(axis=1)
    right = overconfident.argmax(axis=1) == actual
    sure = np.array([calibration.is_sure(value) for value in confidence])
    assert right[sure].mean() >= 0.8
    assert calibration.threshold == best_threshold(confidence, right, np.arange(600), 0.8)


def test_threshold_of_0_is_none():
    assert Calibration(threshold=0) == Calibration(threshold=None)
    assert Calibration(threshold=0.0).is_sure(1.0) is None


def test_an_image_is_unlike_above_the_limit_or_if_its_novelty_overflows():
    calibration = Calibration(novelty_limit=0.5)
    answers = [calibration.is_unlike(novelty) for novelty in (0.5, 0.6, math.nan, None)]
    assert answers == [False, True, True, None]
