"""Whether some pictures of a part go worse than its others, beyond what chance does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pixmill.metrics.resampling import group_numbers

__all__ = ["holm", "worse_than_rest"]

_SEED = 19350101
"""Any fixed number: the same pictures give the same answer on every machine."""


def worse_than_rest(
    right: npt.NDArray[np.bool_], inside: npt.NDArray[np.bool_], groups: npt.ArrayLike, *, draws: int
) -> float | None:
    """Return how often chance alone would make some pictures go so much worse than the others: a one-sided p-value.

    What is shuffled is which groups are inside. Where each picture is a group by itself, that is Fisher's exact test;
    else shuffles are drawn at random, and the p-value is (1 + those at least as bad) / (1 + draws). A group that lies
    on both sides counts as inside with those of its pictures that are, and as another one with those that are not.

    Sources: Fisher, "The Design of Experiments", 1935, chapter 2; Phipson and Smyth, "Permutation P-values Should Never
    Be Zero", Statistical Applications in Genetics and Molecular Biology 9, 2010.

    Args:
        right: Whether each picture was predicted right, shape (pictures,).
        inside: Whether it is one of those in question.
        groups: Each picture's group; pictures that are alike share one.
        draws: How often to shuffle where that is needed.

    Returns:
        ``None`` where no picture is inside, or none outside.
    """
    from scipy.stats import hypergeom

    if inside.all() or not inside.any():
        return None
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
    seen = _gap(hits[chosen].sum(), sizes[chosen].sum(), hits.sum(), sizes.sum())
    return float((1 + np.count_nonzero(gaps <= seen + 1e-12)) / (1 + draws))


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
