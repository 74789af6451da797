"""Cross-fitting: predictions without the fold, and what needs them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pixmill.core.params import FeaturesParams, TrainParams
from pixmill.heads import ONE_LABEL
from pixmill.models.novelty import fit_novelty
from pixmill.train.cross_fitting import CrossFitted, cross_fit, folds_to_fit, validated
from pixmill.train.history import Epoch
from pixmill.train.logistic import fit_logistic
from tests.train.test_logistic import draw, softmax

PARAMS = TrainParams(model="features", features=FeaturesParams(inverse_regularization=0.01))


def test_each_image_is_predicted_by_a_head_and_a_novelty_without_its_fold():
    features, targets = draw(120, 20, 3)
    folds = np.arange(120) // 40
    found, histories = cross_fit(features, targets, folds, PARAMS, head=ONE_LABEL, labels=3, top=10)
    for number in range(3):
        rest = folds != number
        inside = folds == number
        fitted = fit_logistic(features[rest], targets[rest], PARAMS, labels=3)
        np.testing.assert_allclose(
            found.probabilities[inside], softmax(fitted, features[inside]), atol=1e-5
        )
        novelty = fit_novelty(features[rest], 10)
        np.testing.assert_array_equal(found.novelty[inside], novelty.of(features[inside]))
        hits = found.probabilities[inside].argmax(axis=1) == targets[inside]
        assert histories[number][-1].val_accuracy == pytest.approx(hits.mean())


def test_images_of_a_class_in_a_single_fold_have_no_prediction():
    features, targets = draw(90, 20, 3)
    folds = np.where(targets == 2, 0, np.arange(90) % 5)
    found, _ = cross_fit(features, targets, folds, PARAMS, head=ONE_LABEL, labels=3, top=10)
    assert np.array_equal(found.known, targets != 2)
    assert found.probabilities[found.known].sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert sum(found.sizes()) == found.known.sum()
    results = found.results(targets, ONE_LABEL)
    assert [len(result.probabilities) for result in results] == found.sizes()
    restored = CrossFitted.from_arrays(found.arrays())
    assert np.array_equal(restored.folds, found.folds)
    assert CrossFitted.from_arrays({}) is None


def part_of(rows):
    return SimpleNamespace(rows=rows, targets=ONE_LABEL.targets(rows["label"], ["a", "b"]))


@pytest.mark.parametrize(
    ("labels", "folds", "possible"),
    [
        ("aabb", [0, 1, 0, 0], True),
        ("aabb", [0, 0, 1, 1], False),
        ("aabb", [2, 2, 2, 2], False),
        ("aa", [0, -1], True),
    ],
)
def test_cross_fitting_needs_a_class_in_two_folds(labels, folds, possible):
    rows = pd.DataFrame(
        {
            "label": [*labels],
            "fold": pd.array([None if fold < 0 else fold for fold in folds], "Int32"),
        }
    )
    found = folds_to_fit(ONE_LABEL, *(part_of(each) for each in (rows[:1], rows[1:])))
    assert found.tolist() == folds if possible else found is None


def test_validation_metrics_are_means_of_the_folds():
    def history(*accuracies):
        return [Epoch(place, 1.0, 1.0, 1 - each, each) for place, each in enumerate(accuracies, 1)]

    delivered = [Epoch(place, 0.5, 0.9, float("nan"), float("nan")) for place in (1, 2, 3)]
    found = validated(delivered, [history(0.2, 0.4), history(0.5, 0.6, 0.7, 0.8)], [10, 30])
    assert [epoch.val_accuracy for epoch in found] == pytest.approx([0.425, 0.55, 0.7])
    assert found[-1].val_loss == pytest.approx(0.3)
    assert [epoch.train_accuracy for epoch in found] == [0.9] * 3
