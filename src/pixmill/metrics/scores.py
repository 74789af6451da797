"""Figures of a whole part and of each class, by scikit-learn's definitions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pixmill.metrics.calibration import expected_calibration_error
from pixmill.metrics.probabilities import normalised

__all__ = ["class_scores", "confusion_counts", "scores"]


def scores(actual: npt.NDArray[np.integer], probabilities: npt.ArrayLike) -> dict[str, float | int | None]:
    """Return the figures of a part: one number each for all classes together.

    Args:
        actual: Class indices, shape (pictures,).
        probabilities: Shape (pictures, classes). The class with the highest is the predicted one; the first of equals.

    Returns:
        ``accuracy``; ``balanced_accuracy`` (mean recall of the classes that have pictures); ``macro_f1`` (each class
        counts the same); ``weighted_f1`` (each counts by its pictures); ``log_loss`` in nats; ``roc_auc`` (with two
        classes that of the second, else the mean of each class against the rest); ``ece``; ``n``, the pictures.
    """
    from sklearn.metrics import accuracy_score, f1_score, log_loss, recall_score

    values = normalised(probabilities)
    classes = np.arange(values.shape[1])
    predicted = values.argmax(axis=1)
    # With zero_division=nan scikit-learn leaves undefined classes out of a mean; balanced_accuracy_score would warn.
    defined: dict[str, Any] = {"labels": classes, "zero_division": np.nan}
    return {
        "accuracy": float(accuracy_score(actual, predicted)),
        "balanced_accuracy": float(recall_score(actual, predicted, average="macro", **defined)),
        "macro_f1": float(f1_score(actual, predicted, average="macro", **defined)),
        "weighted_f1": float(f1_score(actual, predicted, average="weighted", **defined)),
        "log_loss": float(log_loss(actual, values, labels=classes)),
        "roc_auc": _roc_auc(actual, values),
        "ece": expected_calibration_error(actual, values),
        "n": len(actual),
    }


def class_scores(
    actual: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer], labels: Sequence[str]
) -> dict[str, dict[str, float | int | None]]:
    """Return ``precision``, ``recall``, ``f1`` and ``support`` (pictures of the class) by label.

    Args:
        actual: Class indices, shape (pictures,).
        predicted: Class indices, shape (pictures,).
        labels: The classes' names in the order of their indices.
    """
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(actual, predicted, labels=np.arange(len(labels)), zero_division=np.nan)
    return {
        label: {
            "precision": _number(precision),
            "recall": _number(recall),
            "f1": _number(f1),
            "support": int(support),
        }
        for label, precision, recall, f1, support in zip(labels, *columns, strict=True)
    }


def confusion_counts(
    actual: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer], classes: int
) -> npt.NDArray[np.int64]:
    """Return how many pictures of each class (row) were taken for each class (column).

    Args:
        actual: Class indices, shape (pictures,).
        predicted: Class indices, shape (pictures,).
        classes: How many classes there are.
    """
    from sklearn.metrics import confusion_matrix

    matrix = confusion_matrix(actual, predicted, labels=np.arange(classes))
    return np.asarray(matrix, dtype=np.int64)


def _roc_auc(actual: npt.NDArray[np.integer], values: npt.NDArray[np.float64]) -> float | None:
    from sklearn.metrics import roc_auc_score

    # With two classes the curve of the first is that of the second, mirrored.
    columns = [1] if values.shape[1] == 2 else range(values.shape[1])
    areas = [
        float(roc_auc_score(members, values[:, column]))
        for column in columns
        if (members := actual == column).any() and not members.all()
    ]
    return float(np.mean(areas)) if areas else None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
