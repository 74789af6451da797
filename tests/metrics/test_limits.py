"""Confidence limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, bootstrap

from pixmill.metrics.limits import accuracy_interval, score_limits
from pixmill.metrics.probabilities import apply_temperature, losses
from pixmill.metrics.scores import scores
from tests.metrics.parts import parts


def image_each(right):
    return [str(index) for index in range(len(right))]


def test_near_duplicates_widen_the_interval():
    right = np.repeat(np.arange(25) < 20, 10)
    low, high = accuracy_interval(
        right, np.repeat(np.arange(25), 10), draws=20_000, confidence=0.95
    )
    narrow_low, narrow_high = accuracy_interval(
        right, image_each(right), draws=20_000, confidence=0.95
    )
    assert [low, high] == pytest.approx(binom.ppf([0.025, 0.975], 25, 0.8) / 25, abs=1 / 25)
    assert high - low > 2.5 * (narrow_high - narrow_low)


@given(st.integers(1, 200), st.sampled_from([0.8, 0.95, 0.99]))
def test_interval_is_exact_if_all_predictions_agree(groups, confidence):
    right = np.full(groups * 2, True)
    found = accuracy_interval(
        right, np.repeat(np.arange(groups), 2), draws=100, confidence=confidence
    )
    exact = binomtest(groups, groups).proportion_ci(confidence, method="exact")
    assert found == pytest.approx((exact.low, exact.high), abs=1e-9)
    low, high = accuracy_interval(
        ~right, np.repeat(np.arange(groups), 2), draws=100, confidence=confidence
    )
    assert (low, high) == pytest.approx((1 - found[1], 1 - found[0]), abs=1e-9)


LABELS = ("a", "b", "c")


def drawn(images, *, seed=1, sharpness=1.0):
    """Return labels and the probabilities of a calibrated model to the power ``sharpness``."""
    generator = np.random.default_rng(seed)
    honest = generator.dirichlet([0.4] * 3, images)
    actual = np.array([generator.choice(3, p=row) for row in honest])
    return actual, apply_temperature(honest, 1 / sharpness)


def limits(actual, given, *, groups=None, draws=2000, labels=LABELS, **options):
    groups = np.arange(len(actual)) if groups is None else groups
    return score_limits(actual, given, groups, labels, draws=draws, confidence=0.95, **options)


def test_limits_of_a_mean_equal_scipy():
    actual, given = drawn(200)
    expected = bootstrap(
        (losses(actual, given),),
        np.mean,
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    overall, _ = limits(actual, given, draws=20_000)
    assert overall["log_loss"] == pytest.approx((expected.low, expected.high), abs=0.01)


@settings(max_examples=15)
@given(parts())
def test_defined_metrics_are_within_their_limits(part):
    actual, given = part
    labels = [str(place) for place in range(given.shape[1])]
    figures = scores(actual, given, top_k=2)
    overall, per_class = limits(actual, given, labels=labels, draws=100, top_k=2)
    for name, pair in overall.items():
        assert (pair is None) == (figures[name] is None), name
        assert pair is None or pair[0] <= figures[name] <= pair[1]
    assert set(overall) == set(figures) - {"n"}
    assert list(per_class) == labels


def test_calibration_error_of_a_calibrated_model_may_be_zero():
    errors = [limits(*drawn(150, seed=seed), draws=300)[0]["ece"][0] for seed in range(20)]
    # By chance, the measured error is 0.05 or more, and larger in each draw.
    assert np.mean(np.array(errors) < 0.02) > 0.7


def test_limits_of_a_class_without_errors():
    actual = np.repeat([0, 1, 2], 30)
    given = np.eye(3)[actual] * 0.7 + 0.1
    _, per_class = limits(actual, given)
    limit = 0.025 ** (1 / 30)
    assert per_class["a"]["recall"] == pytest.approx((limit, 1))
    assert per_class["a"]["f1"] == pytest.approx((2 * limit / (1 + limit), 1))
    wrong = np.roll(given, 1, axis=1)
    _, per_class = limits(actual, wrong)
    assert per_class["a"]["precision"] == pytest.approx((0, 1 - limit))


def test_limits_of_a_split_without_errors():
    actual = np.repeat([0, 1, 2], 30)
    right = np.eye(3)[actual] * 0.7 + 0.1
    names = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1")
    overall, _ = limits(actual, right, draws=100, top_k=2)
    limit = 0.025 ** (1 / 90)
    for name in (*names, "top_2_accuracy"):
        assert overall[name] == pytest.approx((limit, 1)), name
    overall, _ = limits(actual, np.roll(right, 1, axis=1), draws=100)
    for name in names:
        assert overall[name] == pytest.approx((0, 1 - limit)), name
    # Ten near-duplicates in each of nine groups count as nine images.
    overall, _ = limits(actual, right, groups=np.repeat(np.arange(9), 10), draws=100)
    assert overall["accuracy"] == pytest.approx((0.025 ** (1 / 9), 1))
