"""Other shares of the classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from pixmill.metrics.prior_shift import fit_prior_shift
from pixmill.metrics.probabilities import losses

CLASSES = 4


def sampled(images=4000, seed=0):
    """Return calibrated probabilities of images, and their classes."""
    generator = np.random.default_rng(seed)
    given = softmax(generator.normal(0, 4, (images, CLASSES)), axis=1)
    return given, (generator.random((images, 1)) > given.cumsum(axis=1)).sum(axis=1)


def fit(probabilities, actual, shares, **options):
    groups = np.arange(len(actual))
    return fit_prior_shift(probabilities, actual, groups, 0.9, np.array(shares, float), **options)


@given(st.lists(st.integers(0, 9), min_size=CLASSES, max_size=CLASSES).filter(any))
def test_probabilities_are_those_of_bayes_theorem(shares):
    probabilities, actual = sampled(300)
    found = fit(probabilities, actual, shares).apply(probabilities)
    expected = probabilities * shares / probabilities.mean(axis=0)
    assert found == pytest.approx(expected / expected.sum(axis=1, keepdims=True), abs=1e-9)
    again = fit(probabilities, actual, [1e299 * share for share in shares])
    assert again.apply(probabilities) == pytest.approx(found)


def test_counts_the_images_that_a_threshold_lacks():
    probabilities, actual = sampled(60, seed=3)
    shift = fit(probabilities, actual, [8, 1, 1, 1])
    assert shift.threshold is None
    # 16 images of the common class make a sample of 22, which is to be three times as large.
    assert shift.missing == 44
    enough = fit(np.tile(probabilities, (4, 1)), np.tile(actual, 4), [8, 1, 1, 1])
    assert (enough.threshold is None, enough.missing) == (False, None)


def test_a_tiny_share_is_like_none():
    probabilities, actual = sampled(300)
    found = fit(probabilities, actual, [1, 1, 1, 1e-320]).apply(probabilities)
    without = fit(probabilities, actual, [1, 1, 1, 0]).apply(probabilities)
    assert found == pytest.approx(without)


def test_lowers_the_loss_and_keeps_the_promise_at_other_shares():
    probabilities, actual = sampled()
    others, right = sampled(60_000, seed=1)
    for seed in range(20):
        shares = np.random.default_rng(seed).dirichlet(np.ones(CLASSES))
        weights = (shares / np.bincount(right) * len(right))[right]
        shift = fit(probabilities, actual, shares)
        found = shift.apply(others)
        assert np.average(losses(right, found), weights=weights) < np.average(
            losses(right, others), weights=weights
        )
        sure = found.max(axis=1) >= shift.threshold
        hits = found.argmax(axis=1) == right
        assert np.average(hits[sure], weights=weights[sure]) >= 0.9


def test_classes_that_do_not_occur_are_left_out_and_found():
    probabilities, actual = sampled()
    shift = fit(probabilities, actual, [1, 1, 0, 0], relative=True)
    found = shift.apply(probabilities)
    kept = probabilities[:, :2] / probabilities[:, :2].sum(axis=1, keepdims=True)
    assert found[:, :2] == pytest.approx(kept, abs=1e-9)
    assert not found[:, 2:].any()
    is_other = shift.outside(probabilities) > shift.outside_limit
    assert is_other[actual < 2].mean() <= 0.01
    assert is_other[actual >= 2].mean() > 0.4


def test_images_are_of_others_only_if_these_are_more_probable():
    _, actual = sampled()
    sharp = np.where(np.eye(CLASSES)[actual] > 0, 1 - 3e-6, 1e-6)
    assert fit(sharp, actual, [1, 1, 0, 0]).outside_limit == 0.5


def test_no_limits_without_images():
    probabilities, actual = sampled(90)
    assert fit(probabilities, actual, [1, 1, 0, 0]).outside_limit is None
    many, classes = sampled(2000)
    assert fit(many[classes > 0], classes[classes > 0], [1, 1, 1, 1]).threshold is None
    assert fit(many, classes, [1, 1, 1, 1]).threshold is not None
    rare = fit(many, classes, [1e6, 1, 1, 1])
    assert np.isfinite(rare.apply(np.eye(CLASSES))).all()


def test_a_class_of_a_tiny_share_hardly_changes_the_threshold():
    probabilities, actual = sampled(300)
    few = fit(probabilities, actual, [1, 1, 1e-9, 1e-9])
    only = fit(probabilities, actual, [1, 1, 0, 0])
    assert few.threshold == pytest.approx(only.threshold, abs=1e-3)
