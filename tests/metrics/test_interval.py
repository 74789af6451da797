import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from pixmill.metrics import accuracy_interval, share_interval


def picture_each(right):
    return [str(index) for index in range(len(right))]


def test_with_one_picture_a_group_the_limits_are_the_binomials():
    right = np.arange(250) < 220
    low, high = accuracy_interval(right, picture_each(right), draws=100_000, confidence=0.95)
    assert [low, high] == pytest.approx(binom.ppf([0.025, 0.975], 250, 0.88) / 250, abs=1 / 250)


def test_pictures_that_are_alike_count_as_one():
    right = np.repeat(np.arange(25) < 20, 10)
    low, high = accuracy_interval(right, np.repeat(np.arange(25), 10), draws=20_000, confidence=0.95)
    narrow_low, narrow_high = accuracy_interval(right, picture_each(right), draws=20_000, confidence=0.95)
    assert [low, high] == pytest.approx(binom.ppf([0.025, 0.975], 25, 0.8) / 25, abs=1 / 25)
    assert high - low > 2.5 * (narrow_high - narrow_low)


def test_groups_of_many_sizes_agree_with_resampling_them_one_by_one():
    generator = np.random.default_rng(3)
    groups = generator.integers(0, 60, 200)
    right = generator.random(200) < 0.7 + 0.2 * (groups % 2)
    _, group_of = np.unique(groups, return_inverse=True)
    drawn = []
    for _ in range(4000):
        counts = np.bincount(
            generator.integers(0, group_of.max() + 1, group_of.max() + 1), minlength=group_of.max() + 1
        )
        drawn.append(np.average(right, weights=counts[group_of]))
    found = accuracy_interval(right, groups, draws=20_000, confidence=0.9)
    assert found == pytest.approx(np.quantile(drawn, [0.05, 0.95]), abs=0.01)


def test_it_is_the_same_every_time_and_wider_where_more_confidence_is_asked():
    right = np.arange(100) % 4 > 0
    groups = picture_each(right)
    first = accuracy_interval(right, groups, draws=1000, confidence=0.95)
    assert first == accuracy_interval(right, groups, draws=1000, confidence=0.95)
    low, high = accuracy_interval(right, groups, draws=1000, confidence=0.5)
    assert first[0] < low < 0.75 < high < first[1]


@pytest.mark.parametrize(("right", "limit"), [(True, 1.0), (False, 0.0)])
def test_a_part_without_any_difference_has_no_width(right, limit):
    assert accuracy_interval(np.full(9, right), np.arange(9), draws=100, confidence=0.95) == (limit, limit)


@given(st.integers(1, 200), st.sampled_from([0.8, 0.95, 0.99]))
def test_where_all_are_right_the_share_has_the_exact_limits(groups, confidence):
    right = np.full(groups * 2, True)
    found = share_interval(right, np.repeat(np.arange(groups), 2), draws=100, confidence=confidence)
    exact = binomtest(groups, groups).proportion_ci(confidence, method="exact")
    assert found == pytest.approx((exact.low, exact.high), abs=1e-9)
    low, high = share_interval(~right, np.repeat(np.arange(groups), 2), draws=100, confidence=confidence)
    assert (low, high) == pytest.approx((1 - found[1], 1 - found[0]), abs=1e-9)


def test_where_some_are_right_the_share_has_those_of_an_accuracy():
    right = np.arange(90) % 4 > 0
    expected = accuracy_interval(right, np.arange(90), draws=1000, confidence=0.95)
    assert share_interval(right, np.arange(90), draws=1000, confidence=0.95) == expected
