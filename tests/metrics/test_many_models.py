"""Comparison of many models on the same images."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from pixmill.metrics.many_models import Gap, gaps_from_best, hash_answers
from pixmill.metrics.resampling import group_weights

IMAGES = 300


@functools.cache
def weights(draws: int) -> np.ndarray:
    return np.concatenate([*group_weights(IMAGES, draws)], axis=1)


def gaps(right: np.ndarray, *, draws: int = 500, confidence: float = 0.95, **over) -> list[Gap]:
    """Compare models by their accuracy; ``right`` is of shape (images, models)."""
    hashes = np.stack(
        [hash_answers([column.astype(float)], np.arange(IMAGES)) for column in right.T]
    )
    drawn = weights(draws).T @ right / IMAGES
    return gaps_from_best(right.mean(axis=0), drawn, hashes, confidence=confidence, **over)


def simulated(
    generator: np.random.Generator, accuracy: np.ndarray, correlation: float
) -> np.ndarray:
    """Return whether models with correlated errors are correct, shape (images, models)."""
    shared = np.sqrt(correlation) * generator.standard_normal((IMAGES, 1))
    own = np.sqrt(1 - correlation) * generator.standard_normal((IMAGES, len(accuracy)))
    return shared + own < norm.ppf(accuracy)


def test_limits_and_p_values_agree_with_the_decision() -> None:
    right = simulated(np.random.default_rng(3), np.linspace(0.7, 0.95, 20), 0.5)
    found = gaps(right)
    best = int(right.mean(axis=0).argmax())
    assert found[best] == Gap(0.0, None, None, 1.0, worse=False)
    tested = [gap for gap in found if gap.low is not None]
    assert {gap.worse for gap in tested} == {True, False}
    for gap in tested:
        assert gap.worse == (gap.p <= 0.05) == (gap.high < 0)
        assert gap.low < gap.difference < gap.high


def test_lower_is_better() -> None:
    right = simulated(np.random.default_rng(6), np.array([0.95, 0.6, 0.9]), 0.0)
    high = gaps(right)
    low = gaps(~right, lower_is_better=True)
    assert [gap.worse for gap in high] == [gap.worse for gap in low] == [False, True, False]
    assert [gap.difference for gap in low] == pytest.approx([-gap.difference for gap in high])


def test_draws_without_a_value_do_not_count() -> None:
    right = simulated(np.random.default_rng(8), np.array([0.95, 0.8]), 0.0)
    drawn = weights(500).T @ right / IMAGES
    hashes = np.stack(
        [hash_answers([column.astype(float)], np.arange(IMAGES)) for column in right.T]
    )
    drawn[:3, 1] = np.nan
    found = gaps_from_best(right.mean(axis=0), drawn, hashes, confidence=0.95)
    assert found[1].worse
    assert found[1].p == pytest.approx(1 / 498)


@given(st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=2, max_size=4))
def test_hashes_are_equal_for_equal_predictions(models: list[list[int]]) -> None:
    groups = np.array([0, 0, 1, 2, 2, 2])
    rows = [np.array(model, float) for model in models]
    hashes = [hash_answers([row], groups) for row in rows]
    for one, first in zip(rows, hashes, strict=True):
        for other, second in zip(rows, hashes, strict=True):
            equal = [
                bool((one[groups == group] == other[groups == group]).all()) for group in range(3)
            ]
            assert (first == second).tolist() == equal
