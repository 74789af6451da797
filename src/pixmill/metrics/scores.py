"""Metrics of a split and of each class, as in scikit-learn but for ``macro_f1``."""

import math
from collections.abc import Sequence

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Floats, Groups, Ints
from pixmill.metrics.resampling import class_figures, weighted_scores

Figures = dict[str, float | int | None]
"""Metrics by name; ``None`` where undefined."""


def scores(
    actual: Ints, probabilities: ArrayLike, *, top_k: int | None = None, averaged: int | None = None
) -> Figures:
    """Return the metrics of a split over all classes.

    Args:
        actual: Class indices, shape (images,).
        probabilities: Shape (images, classes). The class with the highest probability is predicted;
            on a tie, the first.
        top_k: The k of ``top_<k>_accuracy``, which is undefined unless there are more classes.
            Default: not included.
        averaged: Number of first classes over which ``macro_f1`` is the mean, as far as they have
            images. Default: all.

    Returns:
        ``accuracy``; ``balanced_accuracy`` (mean recall of classes with images); ``macro_f1``
        (unweighted mean over classes with images; scikit-learn also averages the 0 of a class that
        is only predicted); ``weighted_f1`` (weighted by images); ``log_loss`` in nats; ``roc_auc``
        (one-vs-rest mean; chance is 0.5); ``pr_auc`` (mean average precision over classes,
        sensitive to false positives in rare classes; chance is the share of the class); ``ece``;
        ``n``, the number of images.
    """
    count = len(actual)
    found, _ = weighted_scores(
        actual, probabilities, np.zeros(count), [np.ones((1, 1))], top_k=top_k, averaged=averaged
    )
    figures: Figures = {name: number(drawn[0]) for name, drawn in found.items()}
    if top_k is not None:
        figures.setdefault(f"top_{top_k}_accuracy", None)
    return figures | {"n": count}


def macro_f1(actual: Ints, predicted: Ints) -> float:
    """Return the unweighted mean F1 of classes that have images.

    Args:
        actual: Class indices, shape (images,), at least one.
        predicted: Class indices, shape (images,).
    """
    figures, support = _of_classes(
        actual, predicted, int(max(np.max(actual), np.max(predicted))) + 1
    )
    return float(np.mean(figures["f1"][support > 0]))


def class_scores(actual: Ints, predicted: Ints, labels: Sequence[str]) -> dict[str, Figures]:
    """Return ``precision``, ``recall``, ``f1`` and ``support`` (images of the class) by label.

    Args:
        actual: Class indices, shape (images,).
        predicted: Class indices, shape (images,).
        labels: Names of the classes, in the order of their indices.
    """
    figures, support = _of_classes(actual, predicted, len(labels))
    return {
        label: {
            **{name: number(column[place]) for name, column in figures.items()},
            "support": int(support[place]),
        }
        for place, label in enumerate(labels)
    }


def majority_accuracy(actual: Ints) -> float:
    """Return the accuracy of the best constant prediction: the share of the most frequent class.

    >>> majority_accuracy(np.array([0, 1, 1, 2]))
    0.5

    Args:
        actual: Class indices of the split, at least one.
    """
    return float(np.bincount(actual).max() / len(actual))


def _of_classes(actual: Ints, predicted: Ints, classes: int) -> tuple[dict[str, Floats], Groups]:
    """Return precision, recall and F1 (NaN if undefined), and number of images of each class."""
    actual = np.asarray(actual)
    predicted = np.asarray(predicted)
    hits, claims, images = (
        np.bincount(part, minlength=classes)
        for part in (actual[actual == predicted], predicted, actual)
    )
    return class_figures(hits, images, claims), images


def number(value: float) -> float | None:
    """Return a metric; ``None`` if it is undefined, NaN."""
    return None if math.isnan(value) else float(value)
