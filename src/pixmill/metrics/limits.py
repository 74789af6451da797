"""How far chance alone may have moved an accuracy, the figures of a part, and those of each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pixmill.metrics.probabilities import normalised
from pixmill.metrics.resampling import SEED, group_numbers, percentiles, resampled_scores
from pixmill.metrics.scores import class_scores, scores

__all__ = ["accuracy_interval", "alike_at_least", "score_limits"]

Limits = tuple[float, float] | None

_NO_SHARES = {"log_loss", "ece", "roc_auc", "pr_auc"}
"""Figures that may be 0 or 1 by themselves; all others are 1 where all is right and 0 where nothing is."""


def accuracy_interval(
    right: npt.NDArray[np.bool_], groups: npt.ArrayLike, *, draws: int, confidence: float
) -> tuple[float, float]:
    """Return the limits of an accuracy by the percentile bootstrap over groups.

    Near-duplicates are right or wrong together, so what is drawn again is the group, not the image. Groups of the
    same size with the same number right are alike: a draw is one multinomial count of such kinds of groups, which is
    the same distribution at a cost that does not grow with the number of images. Where all images are right, or
    none is, no draw differs: the limits are then the exact binomial ones of as many groups.

    Sources: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentiles); Davison and
    Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8 (clusters).

    Args:
        right: Whether each image was predicted right, shape (images,), at least one.
        groups: Each image's group, shape (images,); images that are alike share one.
        draws: How often to resample.
        confidence: Share of the draws between the limits, > 0 and < 1, such as 0.95.

    >>> import numpy as np
    >>> right = np.arange(100) < 90
    >>> accuracy_interval(right, np.arange(100), draws=10_000, confidence=0.95)
    (0.84, 0.95)
    """
    group_of = group_numbers(groups)
    if right.all() or not right.any():
        alike = alike_at_least(int(group_of.max()) + 1, confidence)
        return (alike, 1.0) if right.all() else (0.0, 1 - alike)
    sizes = np.bincount(group_of)
    hits = np.bincount(group_of, weights=right).astype(np.int64)
    kinds, count = np.unique(np.stack([sizes, hits]), axis=1, return_counts=True)
    generator = np.random.Generator(np.random.PCG64(SEED))
    drawn = generator.multinomial(count.sum(), count / count.sum(), size=draws)
    accuracy = (drawn @ kinds[1]) / (drawn @ kinds[0])
    low, high = np.quantile(accuracy, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def alike_at_least(groups: int, confidence: float) -> float:
    """Return which share of all groups is at least like those seen, which were all alike.

    Source: Clopper and Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial",
    Biometrika 26, 1934.

    Args:
        groups: How many were seen.
        confidence: Confidence of both limits together, such as 0.95; the other one is 1.
    """
    return float(((1 - confidence) / 2) ** (1 / groups))


def score_limits(
    actual: npt.NDArray[np.integer],
    probabilities: npt.ArrayLike,
    groups: npt.ArrayLike,
    labels: Sequence[str],
    *,
    draws: int,
    confidence: float,
    top_k: int | None = None,
) -> tuple[dict[str, Limits], dict[str, dict[str, Limits]]]:
    """Return the limits of a part's figures, and of each class's by label; ``None`` where a figure is undefined.

    They are the percentiles of a bootstrap over groups, but for two cases where those would be wrong. The calibration
    error of a draw is on average too large by as much again as the measured one, so its limits are mirrored at the
    measured figure (the basic bootstrap). Where a class, or the whole part, has no mistake, or nothing right, no draw
    has any either: the limit on that side is then the exact binomial one of as many groups.

    Source: Davison and Hinkley, "Bootstrap Methods and their Application", 1997, chapter 5.

    Args:
        actual: Class indices, shape (images,), at least one.
        probabilities: Shape (images, classes).
        groups: Each image's group, shape (images,); images that are alike share one.
        labels: The classes' names in the order of their indices.
        draws: How often to resample.
        confidence: Share of the draws between the limits, > 0 and < 1, such as 0.95.
        top_k: As of :func:`pixmill.metrics.scores`.
    """
    values = normalised(probabilities)
    predicted = values.argmax(axis=1)
    drawn, drawn_of_classes = resampled_scores(actual, values, groups, draws=draws, top_k=top_k)
    figures = scores(actual, values, top_k=top_k)
    group_of = group_numbers(groups)
    overall = {
        name: _limits(name, figures[name], drawn.get(name, np.empty(0)), len(np.unique(group_of)), confidence)
        for name in figures
        if name != "n"
    }
    per_class: dict[str, dict[str, Limits]] = {}
    for place, (label, row) in enumerate(class_scores(actual, predicted, labels).items()):
        among = {"precision": predicted == place, "recall": actual == place}
        among["f1"] = among["precision"] | among["recall"]
        per_class[label] = {
            name: _limits(name, row[name], column[place], len(np.unique(group_of[among[name]])), confidence)
            for name, column in drawn_of_classes.items()
        }
    return overall, per_class


def _limits(name: str, figure: float | None, drawn: npt.NDArray[np.float64], groups: int, confidence: float) -> Limits:
    limits = percentiles(drawn, confidence)
    if figure is None or limits is None:
        return None
    if figure in (0, 1) and name not in _NO_SHARES:
        alike = alike_at_least(groups, confidence)
        limit = alike if figure == 1 else 1 - alike
        if name == "f1":
            # F1 is 2 J / (1 + J) of the share J that is right among all that are of the class or were taken for it.
            limit = 2 * limit / (1 + limit)
        return (limit, 1.0) if figure == 1 else (0.0, limit)
    low, high = limits
    if name == "ece":
        low, high = max(0.0, 2 * figure - high), 2 * figure - low
    return min(low, figure), max(high, figure)
