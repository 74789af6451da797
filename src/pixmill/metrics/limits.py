"""Confidence intervals of an accuracy, and of the metrics of a split and its classes."""

from collections.abc import Mapping, Sequence

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Bools, Floats, Ints
from pixmill.metrics.probabilities import normalise
from pixmill.metrics.resampling import (
    SEED,
    defined_percentiles,
    group_numbers,
    percentiles,
    resampled_scores,
)
from pixmill.metrics.scores import class_scores, scores

Limits = tuple[float, float] | None

_NOT_PROPORTIONS = {
    "log_loss",
    "ece",
    "roc_auc",
    "pr_auc",
    "average_precision",
    "mean_average_precision",
}
"""Metrics that are not 1 if all predictions are correct, or 0 if none is."""


def accuracy_interval(
    right: Bools, groups: ArrayLike, *, draws: int, confidence: float
) -> tuple[float, float]:
    """Return the confidence limits of an accuracy by the percentile bootstrap over groups.

    Groups are resampled instead of images, since predictions of near-duplicates are correct or
    wrong together. Groups of equal size with equal numbers of correct predictions are
    interchangeable: a draw is a multinomial count of these kinds, whose cost does not grow with the
    number of images. If all predictions are correct, or none is, all draws are equal; the limits
    are then exact binomial limits for the number of groups.

    Sources: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13
    (percentiles); Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8
    (clusters).

    Args:
        right: Whether each prediction is correct, shape (images,), at least one.
        groups: Group of each image, shape (images,); near-duplicates share a group.
        draws: Number of bootstrap samples.
        confidence: Confidence level, > 0 and < 1, such as 0.95.

    >>> import numpy as np
    >>> right = np.arange(100) < 90
    >>> accuracy_interval(right, np.arange(100), draws=10_000, confidence=0.95)
    (0.84, 0.95)
    """
    group_of = group_numbers(groups)
    if right.all() or not right.any():
        limit = unanimous_limit(int(group_of.max()) + 1, confidence)
        return (limit, 1.0) if right.all() else (0.0, 1 - limit)
    sizes = np.bincount(group_of)
    hits = np.bincount(group_of, weights=right).astype(np.int64)
    kinds, count = np.unique(np.stack([sizes, hits]), axis=1, return_counts=True)
    generator = np.random.Generator(np.random.PCG64(SEED))
    drawn = generator.multinomial(count.sum(), count / count.sum(), size=draws)
    return defined_percentiles((drawn @ kinds[1]) / (drawn @ kinds[0]), confidence)


def unanimous_limit(groups: int, confidence: float) -> float:
    """Return the lower Clopper-Pearson limit of a share if it is 1 among the observed groups.

    The upper limit is 1.

    Source: Clopper and Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the Case
    of the Binomial", Biometrika 26, 1934.

    Args:
        groups: Number of observed groups.
        confidence: Two-sided confidence level, such as 0.95.
    """
    return float(((1 - confidence) / 2) ** (1 / groups))


def score_limits(
    actual: Ints,
    probabilities: ArrayLike,
    groups: ArrayLike,
    labels: Sequence[str],
    *,
    draws: int,
    confidence: float,
    top_k: int | None = None,
) -> tuple[dict[str, Limits], dict[str, dict[str, Limits]]]:
    """Return the confidence limits of a split's metrics, and of each class by label.

    ``None`` if undefined.

    The limits are percentiles of a bootstrap over groups, with two exceptions. The calibration
    error is biased upwards, and resampling doubles the bias, so its limits are mirrored at the
    measured value (basic bootstrap). If a class or the split has no errors, or only errors, all
    draws are equal; the limit on that side is then exact binomial, for the number of groups.

    Source: Davison and Hinkley, "Bootstrap Methods and their Application", 1997, chapter 5.

    Args:
        actual: Class indices, shape (images,), at least one.
        probabilities: Shape (images, classes).
        groups: Group of each image, shape (images,); near-duplicates share a group.
        labels: Names of the classes, in the order of their indices.
        draws: Number of bootstrap samples.
        confidence: Confidence level, > 0 and < 1, such as 0.95.
        top_k: As in :func:`pixmill.metrics.scores`.
    """
    values = normalise(probabilities)
    predicted = values.argmax(axis=1)
    drawn, drawn_of_classes = resampled_scores(actual, values, groups, draws=draws, top_k=top_k)
    figures = scores(actual, values, top_k=top_k)
    group_of = group_numbers(groups)
    overall = {
        name: figure_limits(
            name, figures[name], drawn.get(name, np.empty(0)), len(np.unique(group_of)), confidence
        )
        for name in figures
        if name != "n"
    }
    classes = np.arange(values.shape[1])
    per_class = class_limits(
        class_scores(actual, predicted, labels),
        drawn_of_classes,
        predicted[:, None] == classes,
        np.asarray(actual)[:, None] == classes,
        group_of,
        confidence,
    )
    return overall, per_class


def class_limits(
    rows: Mapping[str, Mapping[str, float | None]],
    drawn: Mapping[str, Floats],
    claims: Bools,
    members: Bools,
    group_of: Ints,
    confidence: float,
) -> dict[str, dict[str, Limits]]:
    """Return the limits of the metrics of each class, by label.

    Args:
        rows: Metrics by label.
        drawn: By metric, shape (classes, draws).
        claims: Whether an image is predicted as a class, shape (images, classes).
        members: Whether an image is of a class, same shape.
        group_of: Group number of each image.
        confidence: Confidence level, > 0 and < 1, such as 0.95.
    """
    found: dict[str, dict[str, Limits]] = {}
    for place, (label, row) in enumerate(rows.items()):
        among = {"precision": claims[:, place], "recall": members[:, place]}
        either = among["precision"] | among["recall"]
        found[label] = {
            name: figure_limits(
                name,
                row[name],
                column[place],
                len(np.unique(group_of[among.get(name, either)])),
                confidence,
            )
            for name, column in drawn.items()
        }
    return found


def figure_limits(
    name: str, figure: float | None, drawn: Floats, groups: int, confidence: float
) -> Limits:
    """Return the limits of one metric from its bootstrap draws, as :func:`score_limits` does.

    ``None`` if undefined.

    Args:
        name: Name of the metric.
        figure: Value of the metric.
        drawn: Value in each draw, shape (draws,); NaN where it is undefined.
        groups: Number of groups that the metric depends on.
        confidence: Confidence level, > 0 and < 1, such as 0.95.
    """
    limits = percentiles(drawn, confidence)
    if figure is None or limits is None:
        return None
    if figure in (0, 1) and name not in _NOT_PROPORTIONS:
        limit = unanimous_limit(groups, confidence)
        limit = limit if figure == 1 else 1 - limit
        if name == "f1":
            # F1 is 2 J / (1 + J), where J is the Jaccard index of actual and predicted members.
            limit = 2 * limit / (1 + limit)
        return (limit, 1.0) if figure == 1 else (0.0, limit)
    low, high = limits
    if name == "ece":
        low, high = max(0.0, 2 * figure - high), 2 * figure - low
    return min(low, figure), max(high, figure)


def with_sides(limits: Mapping[str, Limits]) -> dict[str, float | None]:
    """Return limits as ``<name>_low`` and ``<name>_high``."""
    return {
        f"{name}_{side}": pair and pair[place]
        for name, pair in limits.items()
        for place, side in enumerate(("low", "high"))
    }
