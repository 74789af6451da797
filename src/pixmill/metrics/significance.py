"""Significance tests of two models on the same images, and of a slice against the rest."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Bools, Floats, Groups, Ints
from pixmill.metrics.limits import unanimous_limit
from pixmill.metrics.probabilities import normalise
from pixmill.metrics.resampling import (
    group_numbers,
    group_weights,
    in_top_k,
    percentiles,
    resampled_scores,
)
from pixmill.metrics.scores import class_scores, scores

_DIGITS = 12
"""Digits of differences; equal metrics may differ by 1e-17, since their sums have another order."""

_SEED = 19350101
"""An arbitrary fixed number."""


@dataclass(frozen=True)
class McNemar:
    """The result of McNemar's test.

    Args:
        gained: Number of images on which only the second model is correct.
        lost: Number of images on which only the first model is correct.
        p: p-value of the exact test, which is conservative, especially if few images differ.
        mid_p: Mid-p value, which counts half of the observed outcome; less conservative, sometimes
            slightly too small.
    """

    gained: int
    lost: int
    p: float
    mid_p: float


def mcnemar(first: Bools, second: Bools) -> McNemar:
    """Compare two models on the same images, which are assumed to be independent.

    Near-duplicates make p-values too small; if there are many, use :func:`paired_differences`.

    Sources: McNemar, "Note on the Sampling Error of the Difference Between Correlated Proportions
    or Percentages", Psychometrika 12, 1947; Fagerland, Lydersen and Laake, "The McNemar Test for
    Binary Matched-pairs Data: Mid-p and Asymptotic are Better than Exact Conditional", BMC Medical
    Research Methodology 13, 2013.

    Args:
        first: Whether the first model is correct on each image, shape (images,).
        second: The same for the second model.

    >>> import numpy as np
    >>> first, second = np.zeros(20, bool), np.zeros(20, bool)
    >>> first[:12], second[2:18] = True, True
    >>> result = mcnemar(first, second)
    >>> result.gained, result.lost, round(result.p, 3)
    (6, 2, 0.289)
    """
    first = np.asarray(first, bool)
    second = np.asarray(second, bool)
    gained = int(np.sum(second & ~first))
    lost = int(np.sum(first & ~second))
    differing = gained + lost
    fewer = min(gained, lost)
    chances = head_probabilities(differing, fewer)
    tail = math.fsum(chances)
    return McNemar(
        gained, lost, min(1.0, 2 * tail), 1.0 if gained == lost else 2 * tail - float(chances[-1])
    )


def head_probabilities(tosses: int, max_heads: int) -> Floats:
    """Return the probabilities of 0 to ``max_heads`` heads in tosses of a fair coin.

    >>> head_probabilities(4, 2).round(4).tolist()
    [0.0625, 0.25, 0.375]

    Args:
        tosses: Number of tosses.
        max_heads: Maximum number of heads.
    """
    from scipy.stats import binom

    chances: Floats = binom.pmf(np.arange(max_heads + 1), tosses, 0.5)
    return chances


@dataclass(frozen=True)
class Difference:
    """One metric of two models and their difference.

    Args:
        first: Value of the first model.
        second: Value of the second model.
        difference: Second minus first.
        low: Lower limit of the difference.
        high: Upper limit of the difference.
        p: Two-sided p-value of no difference.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float


def paired_differences(
    actual: Ints,
    first: ArrayLike,
    second: ArrayLike,
    groups: ArrayLike,
    *,
    draws: int,
    confidence: float,
    top_k: int | None = None,
    averaged: int | None = None,
    width: float = 1.0,
) -> tuple[dict[str, Difference], list[Difference | None]]:
    """Return the differences between the metrics of two models, and between their F1 of each class.

    Two models mostly fail on the same images, so the difference has a narrower interval than either
    metric. The intervals of the metrics may overlap although one model is clearly better.

    The limits are percentiles of a paired bootstrap over groups; for the calibration error, they
    are mirrored at the measured difference as in :func:`pixmill.metrics.limits.score_limits`. The
    p-value is twice the share of draws on the other side of zero, with one added to both counts. If
    there are no such draws, it is the smaller of this value and Student's p-value for the mean and
    deviation of the draws, with one degree of freedom less than groups on which the models differ:
    many classes need p-values that a thousand draws cannot resolve.

    If the models differ on k groups, no exact paired test gives a p-value below 2 / 2^k, so
    p-values have this minimum. If the minimum is not significant (k below 6 at 95 % confidence),
    the limits are extended to include ± the share of groups that may differ although none was
    observed to. This is exact for accuracy: two models that are correct on 20 of 20 images may
    differ by 0.17. Identical probabilities have limits of zero.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 and 15.4;
    for the share, :func:`pixmill.metrics.limits.unanimous_limit`.

    Args:
        actual: Class indices, shape (images,), at least one.
        first: Probabilities of the first model, shape (images, classes).
        second: Probabilities of the second model, for the same images in the same order.
        groups: Group of each image, shape (images,); near-duplicates share a group.
        draws: Number of bootstrap samples.
        confidence: Confidence level, > 0 and < 1, such as 0.95.
        top_k: As for :func:`pixmill.metrics.scores.scores`.
        averaged: As for :func:`pixmill.metrics.scores.scores`.
        width: Factor of the distance between each draw and the measured difference, which widens
            the intervals and raises the p-values:
            :data:`pixmill.metrics.resampling.CROSS_FITTING_WIDTH` for cross-fitted predictions.

    Returns:
        The defined metrics of :func:`pixmill.metrics.scores.scores` by name; and the F1 of each
        class, ``None`` if it is undefined for one of the models.

    >>> import numpy as np
    >>> actual = np.arange(40) % 2
    >>> first = np.full((40, 2), 0.5)
    >>> second = np.where(actual[:, None] == [0, 1], 0.8, 0.2)
    >>> overall, f1 = paired_differences(
    ...     actual, first, second, np.arange(40), draws=1000, confidence=0.95
    ... )
    >>> overall["accuracy"].first, overall["accuracy"].second, overall["accuracy"].low > 0
    (0.5, 1.0, True)
    >>> f1[1].first, f1[1].second
    (0.0, 1.0)
    """
    both = [normalise(first), normalise(second)]
    if both[0].shape != both[1].shape:
        raise ValueError(
            f"expected the same images and classes of both, received {both[0].shape}, "
            f"{both[1].shape}"
        )
    comparison = Pairing(group_numbers(groups), confidence, np.array_equal(both[0], both[1]), width)
    options = {"top_k": top_k, "averaged": averaged}
    figures = [scores(actual, values, **options) for values in both]
    drawn = [
        resampled_scores(actual, values, comparison.group_of, draws=draws, **options)
        for values in both
    ]
    differ = _find_differing(actual, both, top_k)
    overall = comparison.differences(figures, [found for found, _ in drawn], differ)

    predicted = [values.argmax(axis=1) for values in both]
    names = [str(place) for place in range(both[0].shape[1])]
    before, after = (class_scores(actual, classes, names) for classes in predicted)
    f1 = []
    for place, name in enumerate(names):
        members = actual == place
        claims = [classes == place for classes in predicted]
        one = before[name]["f1"]
        other = after[name]["f1"]
        gaps = drawn[1][1]["f1"][place] - drawn[0][1]["f1"][place]
        # F1 is 2 J / (1 + J), where J is the Jaccard index of actual and predicted members.
        share = comparison.unobserved_share(members | claims[0] | claims[1])
        f1.append(
            comparison.difference(one, other, gaps, claims[0] != claims[1], 2 * share / (1 + share))
        )
    return overall, f1


def paired_coverage(
    right: Sequence[Bools],
    answered: Sequence[Bools],
    groups: ArrayLike,
    *,
    draws: int,
    confidence: float,
    identical: bool,
    width: float = 1.0,
) -> dict[str, Difference]:
    """Return the differences between coverage and covered accuracy of two models.

    ``coverage`` is the share of images that a model answers; ``covered_accuracy`` is the accuracy
    among these images. Both use the same draws of groups. Limits and p-values are as in
    :func:`paired_differences`; for the covered accuracy, the share of groups that may differ is
    relative to the groups that either model answers.

    Args:
        right: Whether the prediction of each model is correct, shape (images,) each.
        answered: Whether each model answers the image, shape (images,) each.
        groups: Group of each image, shape (images,); near-duplicates share a group.
        draws: Number of bootstrap samples.
        confidence: Confidence level, > 0 and < 1, such as 0.95.
        identical: Whether the models are identical, and cannot differ on other images.
        width: As for :func:`paired_differences`.

    Returns:
        The differences by name; without the covered accuracy if a model answers no image.

    >>> import numpy as np
    >>> right, answered = np.arange(40) < 38, [np.arange(40) < 10, np.arange(40) < 40]
    >>> found = paired_coverage(
    ...     [right] * 2, answered, range(40), draws=1000, confidence=0.95, identical=False
    ... )
    >>> {name: (item.first, item.second) for name, item in found.items()}
    {'coverage': (0.25, 1.0), 'covered_accuracy': (1.0, 0.95)}
    """
    comparison = Pairing(group_numbers(groups), confidence, identical, width)
    hits = [correct & sure for correct, sure in zip(right, answered, strict=True)]
    everyone = np.ones(len(comparison.group_of), bool)
    columns = [everyone, *answered, *hits]
    sums = np.stack([np.bincount(comparison.group_of, weights=column) for column in columns])
    whole = sums.sum(axis=1, keepdims=True)
    drawn = np.concatenate(
        [sums @ weights for weights in group_weights(sums.shape[1], draws)], axis=1
    )
    differ = answered[0] != answered[1]
    either = answered[0] | answered[1]
    found = {}
    with np.errstate(invalid="ignore"):
        for name, part, of, differing, among in (
            ("coverage", slice(1, 3), slice(0, 1), differ, everyone),
            ("covered_accuracy", slice(3, 5), slice(1, 3), differ | (hits[0] != hits[1]), either),
        ):
            first, second = (
                None if np.isnan(value) else float(value)
                for value in (whole[part] / whole[of])[:, 0]
            )
            gaps = np.subtract(*(drawn[part] / drawn[of])[::-1])
            share = comparison.unobserved_share(among)
            item = comparison.difference(first, second, gaps, differing, share)
            if item is not None:
                found[name] = item
    return found


@dataclass(frozen=True)
class Pairing:
    """Computes the difference of a metric, with its limits and p-value, from bootstrap draws.

    Args:
        group_of: Group number of each image, shape (images,).
        confidence: Confidence level of the limits.
        identical: Whether both models give the same probabilities.
        width: Factor of the distance between a draw and the measured difference.
    """

    group_of: Groups
    confidence: float
    identical: bool
    width: float

    def unobserved_share(self, among: Bools) -> float:
        """Return the share of groups that may differ although no observed group does."""
        groups = len(np.unique(self.group_of[among]))
        return (
            0.0 if self.identical or groups == 0 else 1 - unanimous_limit(groups, self.confidence)
        )

    def differences(
        self,
        figures: Sequence[Mapping[str, float | None]],
        drawn: Sequence[Mapping[str, Floats]],
        differ: Mapping[str, Bools],
    ) -> dict[str, Difference]:
        """Return the defined differences by name of the metric.

        Args:
            figures: Metrics of both models.
            drawn: Their values in each draw.
            differ: Whether the models differ on each image, by metric; ``loss`` for all others.
        """
        share = self.unobserved_share(np.ones(len(self.group_of), bool))
        overall = {}
        for name, before in drawn[0].items():
            first = figures[0][name]
            second = figures[1][name]
            gaps = drawn[1][name] - before
            if name == "ece" and first is not None and second is not None:
                gaps = 2 * (second - first) - gaps
            found = self.difference(first, second, gaps, differ.get(name, differ["loss"]), share)
            if found is not None:
                overall[name] = found
        return overall

    def difference(
        self, first: float | None, second: float | None, gaps: Floats, differ: Bools, share: float
    ) -> Difference | None:
        """Return the difference; ``None`` if it is undefined.

        Args:
            first: Value of the first model.
            second: Value of the second model.
            gaps: Difference in each draw.
            differ: Whether the models differ on each image.
            share: Minimum of the upper limit, and of minus the lower limit, if too few groups
                differ.
        """
        if first is None or second is None:
            return None
        gap = round(second - first, _DIGITS)
        differing = len(np.unique(self.group_of[differ]))
        gaps = (gap + self.width * (gaps - gap)).round(_DIGITS)
        limits = percentiles(gaps, self.confidence)
        if limits is None:
            return None
        (low, high) = limits
        # All signs of the differing groups equal: the smallest p-value of an exact paired test.
        min_p = 2.0 ** (1 - differing)
        if min_p > 1 - self.confidence:
            low = min(low, -share)
            high = max(high, share)
        p = min(1.0, max(_p_value(gaps, differing), min_p))
        low, high = (round(limit, _DIGITS) for limit in (min(low, gap), max(high, gap)))
        return Difference(first, second, gap, low, high, p)


def _find_differing(actual: Ints, both: Sequence[Floats], top_k: int | None) -> dict[str, Bools]:
    """Return whether two models differ on each image, by metric.

    ``loss`` applies to all other metrics.
    """
    first, second = (values.argmax(axis=1) for values in both)
    right = (first == actual) != (second == actual)
    answers = first != second
    differ = {
        "accuracy": right,
        "balanced_accuracy": right,
        "macro_f1": answers,
        "weighted_f1": answers,
        "loss": np.any(both[0] != both[1], axis=1),
    }
    if top_k is not None:
        one, other = (in_top_k(actual, values, top_k) for values in both)
        differ[f"top_{top_k}_accuracy"] = one != other
    return differ


def _p_value(gaps: Floats, differing: int) -> float:
    """Return the two-sided p-value of no difference.

    Args:
        gaps: Difference in each draw; NaN in some but not all.
        differing: Number of groups on which the models differ.
    """
    from scipy.special import stdtr

    gaps = gaps[~np.isnan(gaps)]
    tail = int(min(np.count_nonzero(gaps <= 0), np.count_nonzero(gaps >= 0)))
    p = 2 * (1 + tail) / (1 + len(gaps))
    deviation = float(gaps.std())
    if tail == 0 and differing > 1:
        p = min(
            p,
            2 * float(stdtr(differing - 1, -abs(gaps.mean()) / deviation))
            if deviation > 0
            else 0.0,
        )
    return p


def worse_than_rest(right: Bools, inside: Bools, groups: ArrayLike, *, draws: int) -> float:
    """Return the one-sided p-value of a slice having lower accuracy than the rest.

    The test permutes groups. If each image is a separate group, it is Fisher's exact test;
    otherwise permutations are drawn at random, and the p-value is (1 + those at least as extreme) /
    (1 + draws). A group on both sides counts as two groups.

    Sources: Fisher, "The Design of Experiments", 1935, chapter 2; Phipson and Smyth, "Permutation
    P-values Should Never Be Zero", Statistical Applications in Genetics and Molecular Biology 9,
    2010.

    Args:
        right: Whether each prediction is correct, shape (images,).
        inside: Whether each image is in the slice; some but not all are.
        groups: Group of each image; near-duplicates share a group.
        draws: Number of random permutations, if needed.
    """
    from scipy.stats import hypergeom

    number = 2 * group_numbers(groups) + inside
    group_of = group_numbers(number)
    sizes = np.bincount(group_of)
    hits = np.bincount(group_of, weights=right).astype(np.int64)
    chosen = np.bincount(group_of, weights=inside) > 0
    if sizes.max() == 1:
        return float(hypergeom.cdf(hits[chosen].sum(), len(sizes), hits.sum(), chosen.sum()))
    # Groups of equal size and hits are interchangeable, so a draw is a count of each kind.
    kinds, kind_of = np.unique(np.stack([sizes, hits]), axis=1, return_inverse=True)
    there = np.bincount(kind_of.ravel(), minlength=kinds.shape[1])
    generator = np.random.Generator(np.random.PCG64(_SEED))
    drawn = generator.multivariate_hypergeometric(
        there, int(chosen.sum()), size=draws, method="marginals"
    )
    gaps = _gap(drawn @ kinds[1], drawn @ kinds[0], hits.sum(), sizes.sum())
    observed = _gap(hits[chosen].sum(), sizes[chosen].sum(), hits.sum(), sizes.sum())
    return float((1 + np.count_nonzero(gaps <= observed + 1e-12)) / (1 + draws))


def holm(values: ArrayLike) -> Floats:
    """Return Holm-adjusted p-values, valid under any dependence.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
    Statistics 6, 1979.

    Args:
        values: One p-value per test.
    """
    p = np.asarray(values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return adjusted


def _gap(hits: ArrayLike, sizes: ArrayLike, all_hits: int, all_sizes: int) -> Floats:
    """Return the accuracy inside the slice minus the accuracy of the rest."""
    inside = np.asarray(hits, np.float64)
    size = np.asarray(sizes, np.float64)
    return inside / size - (all_hits - inside) / (all_sizes - size)
