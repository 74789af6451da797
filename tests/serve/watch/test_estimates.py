"""Accuracy and shares of the classes without labels."""

import numpy as np
import pytest
from scipy.special import softmax

from pixmill.serve.watch.estimates import estimate_accuracy, estimate_share, explain_by_shares

MEANS = 2.2 * np.eye(3, 8)
EQUAL = [1 / 3] * 3
OTHER = [0.7, 0.2, 0.1]


def drawn(generator, images, shares=EQUAL):
    """Return features, classes and calibrated probabilities."""
    classes = generator.choice(3, images, p=shares)
    features = MEANS[classes] + generator.standard_normal((images, 8))
    return features, classes, softmax(features @ MEANS.T, axis=1)


@pytest.mark.parametrize("shares", [EQUAL, OTHER])
@pytest.mark.parametrize("images", [50, 1000])
def test_limits_of_the_accuracy_cover_that_of_the_new_images(images, shares):
    generator = np.random.default_rng(images)
    covers = []
    for _ in range(300):
        _, truth, known = drawn(generator, 200)
        _, classes, new = drawn(generator, images, shares)
        found = estimate_accuracy(new.max(axis=1), known.max(axis=1), known.argmax(axis=1) == truth)
        covers.append(found.low <= (new.argmax(axis=1) == classes).mean() <= found.high)
    assert np.mean(covers) >= 0.93


def test_limits_stay_within_0_and_1_and_are_wide_if_few_images_are_known():
    found = estimate_accuracy([0.99] * 60, [0.99] * 10, [True] * 10)
    assert found.value == found.high == 1
    assert 0.5 < found.low < 0.95


@pytest.mark.parametrize("shares", [EQUAL, OTHER])
def test_limits_of_a_share_cover_that_of_the_new_images(shares):
    generator = np.random.default_rng(2)
    covers = []
    for _ in range(300):
        _, truth, known = drawn(generator, 200)
        _, classes, new = drawn(generator, 300, shares)
        found = estimate_share(new[:, 0], known[:, 0], truth == 0)
        covers.append(found.low <= (classes == 0).mean() <= found.high)
    assert np.mean(covers) >= 0.93


def test_a_share_is_corrected_by_what_the_model_confuses():
    known = np.array([0.8] * 50 + [0.4] * 50)
    has = np.arange(100) < 50
    for share in (0.0, 0.3, 1.0):
        found = estimate_share(np.full(60, 0.4 + 0.4 * share), known, has)
        assert found.value == pytest.approx(share)
        assert 0 <= found.low <= share <= found.high <= 1


def test_a_label_that_no_test_image_has_counts_by_its_probability():
    found = estimate_share(np.ones(30), np.zeros(20), np.zeros(20, bool))
    assert found.value == found.high == 1
    assert estimate_share(np.full(30, 0.4), np.zeros(0), np.zeros(0, bool)) == (
        pytest.approx(0.4),
        0,
        1,
    )


@pytest.mark.parametrize(("moved", "expected"), [(0.0, True), (1.5, False)])
def test_other_shares_of_classes_that_look_the_same_explain_a_change(moved, expected):
    generator = np.random.default_rng(3)
    found = []
    for _ in range(8):
        old, old_classes, _ = drawn(generator, 150)
        test, test_classes, _ = drawn(generator, 200)
        new, _, _ = drawn(generator, 400, OTHER)
        new[:, 7] += moved
        weights = 3 * np.array(OTHER)[np.r_[old_classes, test_classes]]
        trains = generator.random(400) < 0.5
        found.append(explain_by_shares(old, test, weights, new, trains))
    assert found == [expected] * 8
