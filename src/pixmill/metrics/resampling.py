"""Bootstrap over groups, for confidence intervals and paired differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Bools, Floats, Groups, Ints
from pixmill.metrics.confidence import BINS, confidence_gaps
from pixmill.metrics.probabilities import losses, normalise

if TYPE_CHECKING:
    from scipy.sparse import csr_array


Counts = Floats | Groups
"""Numbers of images of each class; with weights, of each draw."""

Drawn = tuple[dict[str, Floats], dict[str, Floats]]
"""Metrics in each draw by name: of a split, and of its classes."""

_MAX_WORK = 20_000_000_000
"""Maximum images times classes times draws; more takes minutes, and intervals are narrow."""

_MIN_DRAWS = 1000
"""Minimum draws, if that many are requested."""

SEED = 20170401
"""An arbitrary fixed number."""

CROSS_FITTING_WIDTH = 1.25
"""Factor by which an interval over cross-fitted predictions is wider than over independent ones.

The models of the folds share most of their images. Measured by benchmarks/cross_validation.py.

Source: Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003.
"""

_AREAS = ("roc_auc", "pr_auc")
"""Metrics that are areas under curves, in the order of :func:`weighted_areas`."""

_MAX_CHUNK_VALUES = 4_000_000
"""Maximum numbers per chunk: 32 MB."""


def group_numbers(groups: ArrayLike) -> Groups:
    """Return the group of each image as a number from 0, in the order of the names of groups.

    Args:
        groups: Group of each image, shape (images,); near-duplicates share a group.
    """
    _, numbers = np.unique(np.asarray(groups), return_inverse=True)
    return numbers


def group_weights(groups: int, draws: int) -> Iterator[Floats]:
    """Yield the count of each group in bootstrap draws, in chunks of shape (groups, k).

    Each draw resamples all groups with replacement. The draws depend only on the two arguments:
    models on the same images are compared on the same draws.

    Args:
        groups: Number of groups.
        draws: Number of bootstrap samples.
    """
    generator = np.random.Generator(np.random.PCG64(SEED))
    size = int(np.clip(_MAX_CHUNK_VALUES // groups, 1, 64))
    for start in range(0, draws, size):
        count = min(size, draws - start)
        drawn = generator.integers(groups, size=(count, groups)) * count + np.arange(count)[:, None]
        yield (
            np.bincount(drawn.ravel(), minlength=groups * count)
            .reshape(groups, count)
            .astype(np.float64)
        )


def bounded_draws(draws: int, values: int) -> int:
    """Return the number of draws that take bounded time.

    Args:
        draws: Requested number of draws.
        values: Number of probabilities: images times classes.
    """
    return min(draws, max(_MIN_DRAWS, _MAX_WORK // values))


def percentiles(drawn: Floats, confidence: float) -> tuple[float, float] | None:
    """Return the percentile limits of draws; ``None`` if no draw has a value.

    Args:
        drawn: Value of a metric in each draw; NaN where it is undefined.
        confidence: Confidence level, > 0 and < 1, such as 0.95.
    """
    defined = drawn[~np.isnan(drawn)]
    return defined_percentiles(defined, confidence) if defined.size else None


def defined_percentiles(drawn: Floats, confidence: float) -> tuple[float, float]:
    """Return the percentile limits of draws, at least one, which all have a value."""
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def mean_limits(
    values: Floats, group_of: Groups, *, draws: int, confidence: float
) -> tuple[float, float]:
    """Return the limits of the mean of a value, by the percentile bootstrap over groups.

    Args:
        values: Value of each image, shape (images,), at least one.
        group_of: Group number of each image, shape (images,).
        draws: Number of bootstrap samples.
        confidence: Confidence level, > 0 and < 1, such as 0.95.
    """
    sums = np.bincount(group_of, weights=values)
    sizes = np.bincount(group_of)
    drawn = [(sums @ weights) / (sizes @ weights) for weights in group_weights(len(sizes), draws)]
    return defined_percentiles(np.concatenate(drawn), confidence)


def resampled_scores(
    actual: Ints,
    probabilities: ArrayLike,
    groups: ArrayLike,
    *,
    draws: int,
    top_k: int | None = None,
    averaged: int | None = None,
) -> Drawn:
    """Return the metrics of a split for each bootstrap sample of its groups.

    Metrics are functions of sums over groups, which are one matrix product for all draws. The draws
    depend only on the number of groups: for two models on the same images, draw i contains the same
    images.

    Source: Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8
    (clusters).

    Args:
        actual: Class indices, shape (images,), at least one.
        probabilities: Shape (images, classes).
        groups: Group of each image, shape (images,); near-duplicates share a group.
        draws: Number of bootstrap samples; reduced, but not below 1,000, if images times classes
            times draws exceed 20 billion.
        top_k: As for :func:`pixmill.metrics.scores.scores`.
        averaged: As for :func:`pixmill.metrics.scores.scores`.

    Returns:
        The metrics of :func:`pixmill.metrics.scores.scores` by name, each of shape (draws,); and
        ``precision``, ``recall`` and ``f1`` of the classes, each of shape (classes, draws). NaN
        where a metric is undefined in a draw.
    """
    values = normalise(probabilities)
    group_of = group_numbers(groups)
    weights = group_weights(int(group_of.max()) + 1, bounded_draws(draws, values.size))
    return weighted_scores(actual, values, group_of, weights, top_k=top_k, averaged=averaged)


def weighted_scores(
    actual: Ints,
    probabilities: ArrayLike,
    groups: ArrayLike,
    weights: Iterable[Floats],
    *,
    top_k: int | None = None,
    averaged: int | None = None,
    areas: bool = True,
) -> Drawn:
    """Return the metrics of a split for given counts of its groups, like :func:`resampled_scores`.

    Args:
        actual: Class indices, shape (images,), at least one.
        probabilities: Shape (images, classes).
        groups: Group of each image, shape (images,).
        weights: Count of each group, in chunks of shape (groups, draws); with ones, the result is
            the metrics.
        top_k: As for :func:`pixmill.metrics.scores.scores`.
        averaged: As for :func:`pixmill.metrics.scores.scores`.
        areas: Whether to include the areas under curves, which take most of the time. Default:
            true.
    """
    from scipy.sparse import csr_array

    values = normalise(probabilities)
    group_of = group_numbers(groups)
    classes = values.shape[1]
    count = int(group_of.max()) + 1
    predicted = values.argmax(axis=1)
    right = predicted == actual
    bin_of, gap = confidence_gaps(actual, values)
    tops = (
        {}
        if top_k is None or top_k >= classes
        else {f"top_{top_k}_accuracy": in_top_k(actual, values, top_k)}
    )
    # Rows of the sums: one each for images, hits, loss, ...; one per bin; three per class.
    everyone = np.ones(len(actual))
    single = [everyone, right, losses(actual, values), *tops.values()]
    starts = np.cumsum([len(single), BINS, classes, classes])
    entries = [
        *(
            (np.full(len(actual), row), np.asarray(column, np.float64))
            for row, column in enumerate(single)
        ),
        (starts[0] + bin_of, gap),
        (starts[1] + actual, right.astype(np.float64)),
        (starts[2] + actual, everyone),
        (starts[3] + predicted, everyone),
    ]
    rows, data = (np.concatenate(column) for column in zip(*entries, strict=True))
    sums = csr_array(
        (data, (rows, np.tile(group_of, len(entries)))), shape=(starts[3] + classes, count)
    )
    ranked = ranked_classes(actual, classes) if areas else []
    rankings = [ranking_sums(actual == label, values[:, label], group_of) for label in ranked]

    overall: list[dict[str, Floats]] = []
    per_class: list[dict[str, Floats]] = []
    # All metrics are functions of sums over the drawn groups: one sparse product for all draws.
    for drawn in weights:
        alone, gaps, hits, support, claims = np.split(sums @ drawn, starts)
        n = alone[0]
        under = np.reshape(
            [weighted_areas(ranking, drawn) for ranking in rankings], (-1, 2, len(n))
        ).swapaxes(0, 1)
        with np.errstate(invalid="ignore"):
            of_class = class_figures(hits, support, claims)
            per_class.append(of_class)
            overall.append(
                {
                    "accuracy": alone[1] / n,
                    "balanced_accuracy": mean_defined(of_class["recall"]),
                    "macro_f1": mean_defined(
                        np.where(support > 0, of_class["f1"], np.nan)[:averaged]
                    ),
                    "weighted_f1": np.nansum(of_class["f1"] * support, axis=0) / n,
                    "log_loss": alone[2] / n,
                    "ece": np.abs(gaps).sum(axis=0) / n,
                    **{name: alone[3 + place] / n for place, name in enumerate(tops)},
                    **(
                        {name: mean_defined(area) for name, area in zip(_AREAS, under, strict=True)}
                        if areas
                        else {}
                    ),
                }
            )
    return join(overall), join(per_class)


def class_figures(hits: Counts, support: Counts, claims: Counts) -> dict[str, Floats]:
    """Return ``precision``, ``recall`` and ``f1`` of classes; NaN where undefined.

    Args:
        hits: Number of right predictions of each class.
        support: Number of its images.
        claims: Number of its predictions.
    """
    with np.errstate(invalid="ignore"):
        return {
            "precision": hits / claims,
            "recall": hits / support,
            "f1": 2 * hits / (support + claims),
        }


def in_top_k(actual: Ints, values: Floats, top_k: int) -> Bools:
    """Return whether each image's class is among the k most probable.

    Ties follow the order of classes.

    Args:
        actual: Class indices, shape (images,).
        values: Probabilities, shape (images, classes).
        top_k: Number of classes.
    """
    score = values[np.arange(len(actual)), actual][:, None]
    before = np.arange(values.shape[1]) < np.asarray(actual)[:, None]
    higher = (values > score) | ((values == score) & before)
    result: Bools = higher.sum(axis=1) < top_k
    return result


def ranked_classes(actual: Ints, classes: int) -> list[int]:
    """Return the classes with some but not all images, whose areas under curves are defined."""
    counts = np.bincount(actual, minlength=classes)
    return [label for label in range(classes) if 0 < counts[label] < len(actual)]


def ranking_sums(members: Bools, scores: Floats, group_of: Groups) -> csr_array:
    """Return the counts that determine the areas of a class: shape (3 steps, groups).

    A step is a distinct score of the images of the class, highest first; the last step is below all
    scores. The rows count, for each step: images of the class, other images between this step and
    the one before, other images with the same score.

    Args:
        members: Whether each image belongs to the class, shape (images,).
        scores: Probability of the class for each image, shape (images,).
        group_of: Group number of each image.
    """
    from scipy.sparse import csr_array

    values = np.unique(scores[members])[::-1]
    kind = np.where(members, 0, np.where(np.isin(scores, values), 2, 1))
    rows = np.searchsorted(-values, -scores) + kind * (len(values) + 1)
    return csr_array(
        (np.ones(len(rows)), (rows, group_of)), shape=(3 * len(values) + 3, int(group_of.max()) + 1)
    )


def weighted_areas(sums: csr_array, weights: Floats) -> tuple[Floats, Floats]:
    """Return the area under the ROC curve and the average precision of a class.

    The areas are NaN where the class, or all other classes, have no weight.

    Args:
        sums: Result of :func:`ranking_sums`.
        weights: Count of each group, integers of shape (groups, draws).
    """
    inside, between, tied = np.split(sums @ weights, 3)
    found = np.cumsum(inside, axis=0)
    alarms = np.cumsum(between + tied, axis=0)
    total = found[-1]
    others = alarms[-1]
    with np.errstate(invalid="ignore"):
        # An image of the class is ranked right against all others below it, half against equals.
        roc = (inside * (others - alarms + tied / 2)).sum(axis=0) / (total * others)
        # A step without hits and false alarms contributes nothing for any divisor.
        average = (inside * (found / np.maximum(found + alarms, 1))).sum(axis=0) / total
    return roc, np.where(others > 0, average, np.nan)


def join(chunks: list[dict[str, Floats]]) -> dict[str, Floats]:
    """Return the metrics of several chunks of draws as one."""
    return {name: np.concatenate([chunk[name] for chunk in chunks], axis=-1) for name in chunks[0]}


def mean_defined(drawn: Floats) -> Floats:
    """Return the mean over the classes with a defined value, for each draw."""
    defined = ~np.isnan(drawn)
    mean: Floats = np.nansum(drawn, axis=0) / defined.sum(axis=0)
    return mean
