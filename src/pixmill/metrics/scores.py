"""Metrics of a split and of each class, as scikit-learn defines them."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pixmill.metrics.confidence import expected_calibration_error
from pixmill.metrics.probabilities import normalise


def scores(
    actual: npt.NDArray[np.integer], probabilities: npt.ArrayLike, *, top_k: int | None = None
) -> dict[str, float | int | None]:
    """Return the metrics of a split over all classes.

    Args:
        actual: Class indices, shape (images,).
        probabilities: Shape (images, classes). The class with the highest is predicted; on a tie, the first.
        top_k: Also return the top-k accuracy as ``top_<k>_accuracy``; default: not. It is undefined if there are no
            more than k classes.

    Returns:
        ``accuracy``; ``balanced_accuracy`` (mean recall of the classes that have images); ``macro_f1`` (unweighted
        mean over classes); ``weighted_f1`` (weighted by images); ``log_loss`` in nats; ``roc_auc`` (one-vs-rest mean:
        0.5 is chance); ``pr_auc`` (mean average precision over classes, sensitive to false positives in rare classes:
        chance is the class's share); ``ece``; ``n``, the images.
    """
    from sklearn import metrics

    values = normalise(probabilities)
    classes = np.arange(values.shape[1])
    predicted = values.argmax(axis=1)
    # With zero_division=nan scikit-learn leaves undefined classes out of a mean; balanced_accuracy_score would warn.
    defined: dict[str, Any] = {"labels": classes, "zero_division": np.nan}
    tops: dict[str, float | int | None] = {}
    if top_k is not None:
        share = float(np.mean(among_top(actual, values, top_k))) if top_k < len(classes) else None
        tops[f"top_{top_k}_accuracy"] = share
    return {
        "accuracy": float(metrics.accuracy_score(actual, predicted)),
        "balanced_accuracy": float(metrics.recall_score(actual, predicted, average="macro", **defined)),
        "macro_f1": macro_f1(actual, predicted),
        "weighted_f1": float(metrics.f1_score(actual, predicted, average="weighted", **defined)),
        "log_loss": float(metrics.log_loss(actual, values, labels=classes)),
        "roc_auc": _mean_area(metrics.roc_auc_score, actual, values),
        "pr_auc": _mean_area(metrics.average_precision_score, actual, values),
        "ece": expected_calibration_error(actual, values),
        "n": len(actual),
        **tops,
    }


def macro_f1(actual: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer]) -> float:
    """Return the unweighted mean F1 of the classes that have images or were predicted.

    Args:
        actual: Class indices, shape (images,), at least one.
        predicted: Class indices, shape (images,).
    """
    from sklearn.metrics import f1_score

    return float(f1_score(actual, predicted, average="macro", zero_division=np.nan))


def among_top(actual: npt.NDArray[np.integer], values: npt.NDArray[np.float64], top_k: int) -> npt.NDArray[np.bool_]:
    """Return whether each image's class is among the k most probable; ties in the order of the classes.

    Args:
        actual: Class indices, shape (images,).
        values: Probabilities, shape (images, classes).
        top_k: The k.
    """
    given = values[np.arange(len(actual)), actual][:, None]
    before = np.arange(values.shape[1]) < np.asarray(actual)[:, None]
    higher = (values > given) | ((values == given) & before)
    result: npt.NDArray[np.bool_] = higher.sum(axis=1) < top_k
    return result


def class_scores(
    actual: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer], labels: Sequence[str]
) -> dict[str, dict[str, float | int | None]]:
    """Return ``precision``, ``recall``, ``f1`` and ``support`` (images of the class) by label.

    Args:
        actual: Class indices, shape (images,).
        predicted: Class indices, shape (images,).
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


def majority_accuracy(actual: npt.NDArray[np.integer]) -> float:
    """Return the accuracy of the best constant answer: the share of the most frequent class.

    >>> majority_accuracy(np.array([0, 1, 1, 2]))
    0.5

    Args:
        actual: Class indices of the split that is scored, at least one.
    """
    return float(np.bincount(actual).max() / len(actual))


def ranked_classes(actual: npt.NDArray[np.integer], classes: int) -> list[int]:
    """Return the classes with some but not all of the images: those with a defined area under the curve."""
    counts = np.bincount(actual, minlength=classes)
    return [label for label in range(classes) if 0 < counts[label] < len(actual)]


def _mean_area(
    area: Callable[..., float], actual: npt.NDArray[np.integer], values: npt.NDArray[np.float64]
) -> float | None:
    areas = [float(area(actual == label, values[:, label])) for label in ranked_classes(actual, values.shape[1])]
    return float(np.mean(areas)) if areas else None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
