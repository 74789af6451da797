"""Metrics of a split and its classes, compared with scikit-learn."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from sklearn import metrics as reference

from pixmill.metrics.probabilities import normalise
from pixmill.metrics.scores import class_scores, macro_f1, scores
from tests.metrics.parts import parts


@given(parts())
def test_no_nan_and_no_warnings(part):
    actual, probabilities = part
    labels = [f"class {index}" for index in range(probabilities.shape[1])]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = scores(actual, probabilities)
        per_class = class_scores(actual, probabilities.argmax(axis=1), labels)
    numbers = [*figures.values(), *(value for row in per_class.values() for value in row.values())]
    assert all(value is None or np.isfinite(value) for value in numbers)


def test_what_a_class_leaves_undefined_is_none():
    per_class = class_scores(np.array([0, 1]), np.array([0, 2]), ["a", "b", "c", "d"])
    assert per_class["a"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}
    assert per_class["b"] == {"precision": None, "recall": 0.0, "f1": 0.0, "support": 1}
    assert per_class["c"] == {"precision": 0.0, "recall": None, "f1": 0.0, "support": 0}
    assert per_class["d"] == {"precision": None, "recall": None, "f1": None, "support": 0}


@given(parts())
def test_top_k_accuracy_equals_scikit_learn_except_for_ties(part):
    actual, probabilities = part
    classes = probabilities.shape[1]
    if classes == 2:
        assert scores(actual, probabilities, top_k=2)["top_2_accuracy"] is None
        return
    # scikit-learn ranks the last of equal classes first, so the order of classes is reversed.
    expected = reference.top_k_accuracy_score(
        classes - 1 - actual, probabilities[:, ::-1], k=2, labels=np.arange(classes)
    )
    assert scores(actual, probabilities, top_k=2)["top_2_accuracy"] == pytest.approx(
        expected, abs=1e-9
    )
    assert scores(actual, probabilities, top_k=classes)[f"top_{classes}_accuracy"] is None


@given(parts())
def test_class_scores_equal_scikit_learn(part):
    actual, probabilities = part
    predicted = probabilities.argmax(axis=1)
    labels = [f"class {index}" for index in range(probabilities.shape[1])]
    columns = reference.precision_recall_fscore_support(
        actual, predicted, labels=np.arange(len(labels)), zero_division=np.nan
    )
    for place, row in enumerate(class_scores(actual, predicted, labels).values()):
        for name, column in zip(("precision", "recall", "f1", "support"), columns, strict=True):
            assert row[name] == (
                None if np.isnan(column[place]) else pytest.approx(column[place], abs=1e-9)
            )


@given(parts())
def test_balanced_accuracy_and_f1_equal_scikit_learn(part):
    actual, probabilities = part
    if len(set(actual)) < probabilities.shape[1]:
        return
    predicted = probabilities.argmax(axis=1)
    figures = scores(actual, probabilities)
    assert figures["balanced_accuracy"] == pytest.approx(
        reference.balanced_accuracy_score(actual, predicted), abs=1e-9
    )
    for kind in ("macro", "weighted"):
        assert figures[f"{kind}_f1"] == pytest.approx(
            reference.f1_score(actual, predicted, average=kind), abs=1e-9
        )
    assert macro_f1(actual, predicted) == figures["macro_f1"]


def test_macro_f1_is_the_mean_over_classes_with_images():
    """A class that is only predicted is no class that the model gets wrong."""
    actual = np.array([0, 0, 1, 1])
    probabilities = np.eye(3)[[0, 2, 1, 2]]
    assert scores(actual, probabilities)["macro_f1"] == pytest.approx(2 / 3)
    assert macro_f1(actual, probabilities.argmax(axis=1)) == pytest.approx(2 / 3)


@given(parts())
def test_loss_and_areas_equal_scikit_learn(part):
    actual, probabilities = part
    classes = np.arange(probabilities.shape[1])
    figures = scores(actual, probabilities)
    assert figures["log_loss"] == pytest.approx(
        reference.log_loss(actual, normalise(probabilities), labels=classes)
    )
    ranked = [label for label in classes if 0 < np.sum(actual == label) < len(actual)]
    for name, area in (
        ("roc_auc", reference.roc_auc_score),
        ("pr_auc", reference.average_precision_score),
    ):
        areas = [area(actual == label, normalise(probabilities)[:, label]) for label in ranked]
        assert figures[name] == (pytest.approx(np.mean(areas), abs=1e-12) if areas else None)
