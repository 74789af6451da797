"""Accuracy and shares of the classes without labels."""

import numpy as np
import pytest
from scipy.special import softmax

from pixmill.serve.watch.estimates import estimate_accuracy, estimate_shares, explain_by_shares

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


def test_shares_are_recovered():
    generator = np.random.default_rng(2)
    covers = []
    for _ in range(20):
        _, truth, known = drawn(generator, 200)
        _, classes, new = drawn(generator, 300, OTHER)
        found = estimate_shares(new, known, np.eye(3)[truth])
        assert sum(each.value for each in found) == pytest.approx(1)
        actual = np.bincount(classes, minlength=3) / 300
        covers += [
            each.low <= share <= each.high for each, share in zip(found, actual, strict=True)
        ]
    assert np.mean(covers) >= 0.93


def test_a_class_without_test_images_counts_by_its_probability():
    known = np.array([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]] * 10)
    new = np.array([[0.0, 0.0, 1.0]] * 30)
    found = estimate_shares(new, known, np.eye(3)[[0, 1] * 10])
    assert [each.value for each in found] == pytest.approx([0, 0, 1])


@pytest.mark.parametrize(("moved", "expected"), [(0.0, True), (1.5, False)])
def test_other_shares_of_classes_that_look_the_same_explain_a_change(moved, expected):
    generator = np.random.default_rng(3)
    found = []
    for _ in range(20):
        old, old_classes, _ = drawn(generator, 150)
        test, test_classes, _ = drawn(generator, 200)
        new, _, _ = drawn(generator, 400, OTHER)
        new[:, 7] += moved
        weights = 3 * np.array(OTHER)[np.r_[old_classes, test_classes]]
        trains = generator.random(400) < 0.5
        found.append(explain_by_shares(old, test, weights, new, trains))
    assert np.mean(np.array(found) == expected) >= 0.85
