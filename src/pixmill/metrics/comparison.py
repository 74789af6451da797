"""Whether a difference is more than chance: between two models on the same images, or between some and the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pixmill.metrics.probabilities import normalised
from pixmill.metrics.resampling import group_numbers, percentiles, resampled_scores
from pixmill.metrics.scores import scores

__all__ = ["Difference", "McNemar", "holm", "mcnemar", "paired_differences", "worse_than_rest"]

_SEED = 19350101
"""Any fixed number: the same images give the same answer on every machine."""


@dataclass(frozen=True)
class McNemar:
    """Say on how many images two models differ, and how often chance alone would divide these so unevenly.

    Args:
        gained: Images that only the second is right of.
        lost: Images that only the first is right of.
        p: Of the exact test, which is never too small, and often too large where few images differ.
        mid_p: Counts the seen division by half: nearer to the truth, at the risk of being a little too small.
    """

    gained: int
    lost: int
    p: float
    mid_p: float


def mcnemar(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> McNemar:
    """Compare two models on the same images, each of which stands for itself.

    Near-duplicates are right or wrong together and make chance look smaller than it is: where there are many, take
    :func:`pixmill.metrics.paired_differences`.

    Sources: McNemar, "Note on the Sampling Error of the Difference Between Correlated Proportions or Percentages",
    Psychometrika 12, 1947; Fagerland, Lydersen and Laake, "The McNemar Test for Binary Matched-pairs Data: Mid-p and
    Asymptotic are Better than Exact Conditional", BMC Medical Research Methodology 13, 2013.

    Args:
        first: Whether the first model is right of each image, shape (images,).
        second: The same of the second.

    >>> import numpy as np
    >>> first, second = np.zeros(20, bool), np.zeros(20, bool)
    >>> first[:12], second[2:18] = True, True
    >>> result = mcnemar(first, second)
    >>> result.gained, result.lost, round(result.p, 3)
    (6, 2, 0.289)
    """
    from scipy.stats import binom

    first, second = np.asarray(first, bool), np.asarray(second, bool)
    gained, lost = int(np.sum(second & ~first)), int(np.sum(first & ~second))
    differing, fewer = gained + lost, min(gained, lost)
    tail = float(binom.cdf(fewer, differing, 0.5))
    p = min(1.0, 2 * tail)
    return McNemar(gained, lost, p, 1.0 if gained == lost else 2 * tail - float(binom.pmf(fewer, differing, 0.5)))


@dataclass(frozen=True)
class Difference:
    """Hold one figure of two models and what lies between them.

    Args:
        first: The first model's.
        second: The second's.
        difference: The second's less the first's.
        low: The lower limit of the difference.
        high: The upper limit.
        p: The chance of so large a difference, either way, between models that are alike (twice the share of the draws
            on the other side of zero, each with one more than was seen).
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float


def paired_differences(
    actual: npt.NDArray[np.integer],
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    draws: int,
    confidence: float,
    top_k: int | None = None,
) -> dict[str, Difference]:
    """Return by how much two models differ, by a bootstrap over groups in which both see the same images each time.

    Two models mostly fail on the same images, so the difference is known better than either figure: limits of single
    figures may overlap where one model is clearly better.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 and 15.4.

    Args:
        actual: Class indices, shape (images,), at least one.
        first: The first model's probabilities, shape (images, classes).
        second: The second's, of the same images in the same order.
        groups: Each image's group, shape (images,); images that are alike share one.
        draws: How often to resample.
        confidence: Share of the draws between the limits, > 0 and < 1, such as 0.95.
        top_k: As of :func:`pixmill.metrics.scores`.

    Returns:
        By name as of :func:`pixmill.metrics.scores`; figures that are undefined are left out.

    >>> import numpy as np
    >>> actual = np.arange(40) % 2
    >>> first = np.full((40, 2), 0.5)
    >>> second = np.where(actual[:, None] == [0, 1], 0.8, 0.2)
    >>> accuracy = paired_differences(actual, first, second, np.arange(40), draws=1000, confidence=0.95)["accuracy"]
    >>> accuracy.first, accuracy.second, accuracy.low > 0
    (0.5, 1.0, True)
    """
    both = [normalised(first), normalised(second)]
    if both[0].shape != both[1].shape:
        raise ValueError(f"expected the same images and classes of both, received {both[0].shape}, {both[1].shape}")
    figures = [scores(actual, values, top_k=top_k) for values in both]
    drawn = [resampled_scores(actual, values, groups, draws=draws, top_k=top_k)[0] for values in both]
    differences = {}
    for name, before in drawn[0].items():
        one, other = (row[name] for row in figures)
        gaps = drawn[1][name] - before
        limits = percentiles(gaps, confidence)
        if one is None or other is None or limits is None:
            continue
        gaps = gaps[~np.isnan(gaps)]
        tail = min(np.count_nonzero(gaps <= 0), np.count_nonzero(gaps >= 0))
        p = min(1.0, float(2 * (1 + tail) / (1 + len(gaps))))
        differences[name] = Difference(float(one), float(other), float(other - one), *limits, p)
    return differences


def worse_than_rest(
    right: npt.NDArray[np.bool_], inside: npt.NDArray[np.bool_], groups: npt.ArrayLike, *, draws: int
) -> float:
    """Return how often chance alone would make some images go so much worse than the others: a one-sided p-value.

    What is shuffled is which groups are inside. Where each image is a group by itself, that is Fisher's exact test;
    else shuffles are drawn at random, and the p-value is (1 + those at least as bad) / (1 + draws). A group that lies
    on both sides counts as inside with those of its images that are, and as another one with those that are not.

    Sources: Fisher, "The Design of Experiments", 1935, chapter 2; Phipson and Smyth, "Permutation P-values Should Never
    Be Zero", Statistical Applications in Genetics and Molecular Biology 9, 2010.

    Args:
        right: Whether each image was predicted right, shape (images,).
        inside: Whether it is one of those in question, some but not all.
        groups: Each image's group; images that are alike share one.
        draws: How often to shuffle where that is needed.
    """
    from scipy.stats import hypergeom

    number = 2 * group_numbers(groups) + inside
    _, group_of = np.unique(number, return_inverse=True)
    sizes = np.bincount(group_of)
    hits = np.bincount(group_of, weights=right).astype(np.int64)
    chosen = np.bincount(group_of, weights=inside) > 0
    if sizes.max() == 1:
        return float(hypergeom.cdf(hits[chosen].sum(), len(sizes), hits.sum(), chosen.sum()))
    # Groups of one size with as many hits are alike, so only how many of each kind are inside is drawn.
    kinds, kind_of = np.unique(np.stack([sizes, hits]), axis=1, return_inverse=True)
    there = np.bincount(kind_of.ravel(), minlength=kinds.shape[1])
    generator = np.random.Generator(np.random.PCG64(_SEED))
    drawn = generator.multivariate_hypergeometric(there, int(chosen.sum()), size=draws, method="marginals")
    gaps = _gap(drawn @ kinds[1], drawn @ kinds[0], hits.sum(), sizes.sum())
    observed = _gap(hits[chosen].sum(), sizes[chosen].sum(), hits.sum(), sizes.sum())
    return float((1 + np.count_nonzero(gaps <= observed + 1e-12)) / (1 + draws))


def holm(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return p-values as they count when this many questions were asked, whatever they have to do with each other.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6, 1979.

    Args:
        values: One p-value a question.
    """
    p = np.asarray(values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return adjusted


def _gap(hits: npt.ArrayLike, sizes: npt.ArrayLike, all_hits: int, all_sizes: int) -> npt.NDArray[np.float64]:
    """Return the accuracy of those inside less that of the others."""
    inside, size = np.asarray(hits, np.float64), np.asarray(sizes, np.float64)
    result: npt.NDArray[np.float64] = inside / size - (all_hits - inside) / (all_sizes - size)
    return result
