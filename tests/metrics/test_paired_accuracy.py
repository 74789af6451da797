"""Accuracy of two models by slice: exact test over groups, and limits."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pixmill.metrics.paired_accuracy import accuracy_differences, sign_flip_test
from pixmill.metrics.significance import mcnemar


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 5))
def test_groups_of_one_image_equal_mcnemars_exact_test(gained, lost, same):
    p = sign_flip_test([1] * gained + [-1] * lost + [0] * same)
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1
    assert p == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.integers(-4, 4), max_size=9))
def test_p_value_is_a_share_of_all_sign_assignments(nets):
    sums = [abs(np.dot(signs, nets)) for signs in itertools.product((-1, 1), repeat=len(nets))]
    assert sign_flip_test(nets) == pytest.approx(
        np.mean([total >= abs(sum(nets)) for total in sums]), rel=1e-9
    )


def test_p_value_of_thousands_of_groups():
    assert sign_flip_test([1] * 6_000 + [-1] * 6_200) == pytest.approx(
        binomtest(6_000, 12_200).pvalue, rel=1e-6
    )
    assert sign_flip_test([500_000, -1, 1]) == pytest.approx(0.75)
    assert sign_flip_test([1] * 5000) == 0  # 2 / 2^5000 is no float


@pytest.mark.parametrize("largest", [1, 4])
@pytest.mark.parametrize(
    ("gained", "lost"), [(0.02, 0.02), (0.1, 0.1), (0.01, 0.2), (0.05, 0.3), (0.0, 0.05)]
)
def test_limits_cover_the_true_difference(gained, lost, largest):
    generator = np.random.default_rng(11)
    trials = 300
    groups = 40
    change = generator.choice([1, -1, 0], (trials, groups), p=[gained, lost, 1 - gained - lost])
    sizes = generator.integers(1, largest + 1, (trials, groups))
    slice_of = np.repeat(np.repeat(np.arange(trials), groups), sizes.ravel())
    group_of = np.repeat(np.arange(trials * groups), sizes.ravel())
    each = np.repeat(change.ravel(), sizes.ravel())
    _, found = accuracy_differences(each < 0, each > 0, group_of, slice_of, confidence=0.95)
    held = np.mean([row.low <= gained - lost <= row.high for row in found])
    assert held >= 0.91
    assert all(-1 <= row.low <= row.difference <= row.high <= 1 for row in found)


@st.composite
def answers(draw):
    """Draw hits of both models, groups and non-empty slices."""
    images = draw(st.integers(1, 40))
    column = st.lists(st.integers(0, 3), min_size=images, max_size=images)
    right = [np.array(draw(column)) > 0 for _ in range(2)]
    places = np.array(draw(column)) - 1
    places[0] = 0
    _, places[places >= 0] = np.unique(places[places >= 0], return_inverse=True)
    return *right, np.array(draw(column)), places


@given(answers())
def test_slices_are_independent(drawn):
    first, second, groups, places = drawn
    counts, found = accuracy_differences(first, second, groups, places, confidence=0.9)
    assert len(counts) == len(found) == places.max() + 1
    for place, (count, row) in enumerate(zip(counts, found, strict=True)):
        inside = places == place
        assert count == len(np.unique(groups[inside]))
        assert (row.first, row.second) == pytest.approx(
            (first[inside].mean(), second[inside].mean())
        )
        assert row.difference == pytest.approx(row.second - row.first)
        (_, (alone,)) = accuracy_differences(
            first[inside], second[inside], groups[inside], places[inside] * 0, confidence=0.9
        )
        assert (alone.low, alone.high, alone.p) == pytest.approx((row.low, row.high, row.p))
        if count == inside.sum():
            assert row.p == pytest.approx(mcnemar(first[inside], second[inside]).p)
