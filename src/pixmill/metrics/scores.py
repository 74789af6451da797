"""Metrics of a split and of each class, as scikit-learn defines them."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pixmill.metrics.confidence import expected_calibration_error
from pixmill.metrics.probabilities import losses, normalise


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
    values = normalise(probabilities)
    classes = values.shape[1]
    predicted = values.argmax(axis=1)
    _, recall, f1, support = _of_classes(actual, predicted, classes)
    defined = ~np.isnan(f1)
    tops: dict[str, float | int | None] = {}
    if top_k is not None:
        share = float(np.mean(among_top(actual, values, top_k))) if top_k < classes else None
        tops[f"top_{top_k}_accuracy"] = share
    areas = [_areas(actual == label, values[:, label]) for label in ranked_classes(actual, classes)]
    roc_auc, pr_auc = (float(np.mean(area)) for area in zip(*areas, strict=True)) if areas else (None, None)
    return {
        "accuracy": float(np.mean(actual == predicted)),
        "balanced_accuracy": float(np.nanmean(recall)),
        "macro_f1": float(np.mean(f1[defined])),
        "weighted_f1": float(np.average(f1[defined], weights=support[defined])),
        "log_loss": float(np.mean(losses(actual, values))),
        "roc_auc": roc_auc,
        "pr_auc": pr_auc,
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
    _, _, f1, _ = _of_classes(actual, predicted, int(max(np.max(actual), np.max(predicted))) + 1)
    return float(np.mean(f1[~np.isnan(f1)]))


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
    columns = _of_classes(actual, predicted, len(labels))
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


def _of_classes(
    actual: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer], classes: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Return precision, recall and F1 of each class, NaN where undefined, and its images."""
    actual, predicted = np.asarray(actual), np.asarray(predicted)
    hits, claims, images = (
        np.bincount(part, minlength=classes) for part in (actual[actual == predicted], predicted, actual)
    )
    with np.errstate(invalid="ignore"):
        return hits / claims, hits / images, 2 * hits / (images + claims), images


def _areas(members: npt.NDArray[np.bool_], given: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the areas under the ROC curve and under the precision-recall curve (average precision) of one class.

    Args:
        members: Whether each image belongs to the class, shape (images,): some but not all do.
        given: Each image's probability of the class, shape (images,).
    """
    order = np.argsort(-given, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(given[order])), len(given) - 1)  # of images with the same probability
    found = np.cumsum(members[order], dtype=np.float64)[ends]
    alarms = 1 + ends - found
    # In the order in which scikit-learn adds them up: from the least probable.
    steps = np.diff(np.append(found[::-1] / found[-1], 0.0))
    average = max(0.0, float(-np.sum(steps * (found / (found + alarms))[::-1])))
    # And without the points on a line between two others.
    if len(found) > 2:
        corner = np.concatenate([[True], (np.diff(found, 2) != 0) | (np.diff(alarms, 2) != 0), [True]])
        found, alarms = found[corner], alarms[corner]
    heights, widths = (np.append(0.0, curve) / curve[-1] for curve in (found, alarms))
    return float(np.sum(np.diff(widths) * (heights[1:] + heights[:-1]) / 2)), average


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
