"""Slices of two models' answers are told apart from chance by an exact test over groups, and by limits that hold."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from pixmill.metrics.paired_accuracy import accuracy_differences, sign_flip_test
from pixmill.metrics.significance import mcnemar


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 5))
def test_groups_of_one_image_give_mcnemars_exact_p(gained, lost, same):
    p = sign_flip_test([1] * gained + [-1] * lost + [0] * same)
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1
    assert p == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.integers(-4, 4), max_size=9))
def test_the_p_value_is_the_share_of_all_turns_that_are_as_uneven(nets):
    sums = [abs(np.dot(signs, nets)) for signs in itertools.product((-1, 1), repeat=len(nets))]
    assert sign_flip_test(nets) == pytest.approx(np.mean([total >= abs(sum(nets)) for total in sums]), rel=1e-9)


@given(st.lists(st.integers(-30, 30), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_neither_order_nor_direction_nor_unit_counts(nets, random):
    p = sign_flip_test(nets)
    assert 0 < p <= 1
    turned = [-3 * net for net in nets]
    random.shuffle(turned)
    assert sign_flip_test(turned) == pytest.approx(p, rel=1e-9)


def test_thousands_of_groups_are_no_trouble():
    assert sign_flip_test([1] * 30_000 + [-1] * 31_000) == pytest.approx(binomtest(30_000, 61_000).pvalue, rel=1e-6)
    assert sign_flip_test([1] * 30_000 + [2] * 20_000 + [-1] * 70_100) == pytest.approx(0.815, abs=0.001)
    assert sign_flip_test([500_000, -1, 1]) == pytest.approx(0.75)
    assert sign_flip_test([1] * 5000) == 0  # 2 / 2^5000 is no float


def within_chance(count, trials, share):
    return count <= binom.ppf(0.999, trials, share)


@pytest.mark.parametrize("largest", [1, 6])
def test_equally_good_models_are_told_apart_no_more_often_than_the_level_says(largest):
    """Answers are alike within a group, so that a test of images would err in more than one case of ten."""
    generator, trials = np.random.default_rng(7), 1500
    alarms = naive = 0
    for _ in range(trials):
        sizes = generator.integers(1, largest + 1, 60)
        nets = sizes * generator.choice([-1, 0, 1], 60, p=[0.2, 0.6, 0.2])
        alarms += sign_flip_test(nets) <= 0.05
        naive += binomtest(int(nets[nets > 0].sum()), max(1, int(np.abs(nets).sum()))).pvalue <= 0.05
    assert within_chance(alarms, trials, 0.05)
    assert alarms > 0.01 * trials
    assert (naive > 0.1 * trials) == (largest > 1)


@pytest.mark.parametrize("largest", [1, 4])
@pytest.mark.parametrize(("gained", "lost"), [(0.02, 0.02), (0.1, 0.1), (0.01, 0.2), (0.05, 0.3), (0.0, 0.05)])
def test_the_limits_hold_the_true_difference(gained, lost, largest):
    generator, trials, groups = np.random.default_rng(11), 300, 40
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
    """Draw both models' answers, groups and slices, each slice with an image."""
    images = draw(st.integers(1, 40))
    column = st.lists(st.integers(0, 3), min_size=images, max_size=images)
    right = [np.array(draw(column)) > 0 for _ in range(2)]
    places = np.array(draw(column)) - 1
    places[0] = 0
    _, places[places >= 0] = np.unique(places[places >= 0], return_inverse=True)
    return *right, np.array(draw(column)), places


@given(answers())
def test_each_slice_is_what_it_would_be_alone(drawn):
    first, second, groups, places = drawn
    counts, found = accuracy_differences(first, second, groups, places, confidence=0.9)
    assert len(counts) == len(found) == places.max() + 1
    for place, (count, row) in enumerate(zip(counts, found, strict=True)):
        inside = places == place
        assert count == len(np.unique(groups[inside]))
        assert (row.first, row.second) == pytest.approx((first[inside].mean(), second[inside].mean()))
        assert row.difference == pytest.approx(row.second - row.first)
        (_, (alone,)) = accuracy_differences(
            first[inside], second[inside], groups[inside], places[inside] * 0, confidence=0.9
        )
        assert (alone.low, alone.high, alone.p) == pytest.approx((row.low, row.high, row.p))
        if count == inside.sum():
            assert row.p == pytest.approx(mcnemar(first[inside], second[inside]).p)


def test_no_image_that_differs_leaves_the_share_that_may():
    _, (row,) = accuracy_differences(
        np.ones(20, bool), np.ones(20, bool), np.arange(20), np.zeros(20, int), confidence=0.95
    )
    assert (row.low, row.high, row.p) == (pytest.approx(0.025 ** (1 / 20) - 1), pytest.approx(1 - 0.025 ** (1 / 20)), 1)
