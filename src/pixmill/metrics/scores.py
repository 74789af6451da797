"""Figures of a whole part and of each class, by scikit-learn's definitions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pixmill.metrics.calibration import expected_calibration_error
from pixmill.metrics.probabilities import normalised
from pixmill.metrics.ranking import pr_auc, roc_auc

__all__ = ["among_top", "class_scores", "confusion_counts", "macro_f1", "scores"]


def scores(
    actual: npt.NDArray[np.integer], probabilities: npt.ArrayLike, *, top_k: int | None = None
) -> dict[str, float | int | None]:
    """Return the figures of a part: one number each for all classes together.

    Args:
        actual: Class indices, shape (pictures,).
        probabilities: Shape (pictures, classes). The class with the highest is the predicted one; the first of equals.
        top_k: Also return how often the true class is among this many of the highest, as ``top_<k>_accuracy``; default:
            not. It is undefined where there are no more classes than that.

    Returns:
        ``accuracy``; ``balanced_accuracy`` (mean recall of the classes that have pictures); ``macro_f1`` (each class
        counts the same); ``weighted_f1`` (each counts by its pictures); ``log_loss`` in nats; ``roc_auc`` (with two
        classes that of the second, else the mean of each class against the rest); ``pr_auc`` (the mean of each class);
        ``ece``; ``n``, the pictures.
    """
    from sklearn.metrics import accuracy_score, f1_score, log_loss, recall_score

    values = normalised(probabilities)
    classes = np.arange(values.shape[1])
    predicted = values.argmax(axis=1)
    # With zero_division=nan scikit-learn leaves undefined classes out of a mean; balanced_accuracy_score would warn.
    defined: dict[str, Any] = {"labels": classes, "zero_division": np.nan}
    tops: dict[str, float | int | None] = {}
    if top_k is not None:
        known = float(np.mean(among_top(actual, values, top_k))) if top_k < len(classes) else None
        tops[f"top_{top_k}_accuracy"] = known
    return {
        "accuracy": float(accuracy_score(actual, predicted)),
        "balanced_accuracy": float(recall_score(actual, predicted, average="macro", **defined)),
        "macro_f1": macro_f1(actual, predicted, len(classes)),
        "weighted_f1": float(f1_score(actual, predicted, average="weighted", **defined)),
        "log_loss": float(log_loss(actual, values, labels=classes)),
        "roc_auc": roc_auc(actual, values),
        "pr_auc": pr_auc(actual, values),
        "ece": expected_calibration_error(actual, values),
        "n": len(actual),
        **tops,
    }


def macro_f1(actual: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer], classes: int) -> float:
    """Return the mean F1 of the classes that have pictures or were predicted, each counting the same.

    Args:
        actual: Class indices, shape (pictures,), at least one.
        predicted: Class indices, shape (pictures,).
        classes: How many classes there are.
    """
    from sklearn.metrics import f1_score

    labels = np.arange(classes)
    return float(f1_score(actual, predicted, average="macro", labels=labels, zero_division=np.nan))


def among_top(actual: npt.NDArray[np.integer], values: npt.NDArray[np.float64], top_k: int) -> npt.NDArray[np.bool_]:
    """Return whether each picture's class is among those of the highest probabilities; of equals the first come first.

    Args:
        actual: Class indices, shape (pictures,).
        values: Probabilities, shape (pictures, classes).
        top_k: How many of the highest count.
    """
    given = values[np.arange(len(actual)), actual][:, None]
    before = np.arange(values.shape[1]) < np.asarray(actual)[:, None]
    ahead = (values > given) | ((values == given) & before)
    result: npt.NDArray[np.bool_] = ahead.sum(axis=1) < top_k
    return result


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


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
