"""How far chance alone may have moved an accuracy, by resampling what was measured."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pixmill.metrics.resampling import SEED, group_numbers

__all__ = ["accuracy_interval", "alike_at_least", "share_interval"]


def accuracy_interval(
    right: npt.NDArray[np.bool_], groups: npt.ArrayLike, *, draws: int, confidence: float
) -> tuple[float, float]:
    """Return the limits of an accuracy by the percentile bootstrap over groups.

    Near-duplicates are right or wrong together, so what is drawn again is the group, not the picture. Groups of the
    same size with the same number right are alike: a draw is one multinomial count of such kinds of groups, which is
    the same distribution at a cost that does not grow with the number of pictures.

    Sources: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentiles); Davison and
    Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8 (clusters).

    Args:
        right: Whether each picture was predicted right, shape (pictures,), at least one.
        groups: Each picture's group, shape (pictures,); pictures that are alike share one.
        draws: How often to resample.
        confidence: Share of the draws between the limits, > 0 and < 1, such as 0.95.
    """
    group_of = group_numbers(groups)
    sizes = np.bincount(group_of)
    hits = np.bincount(group_of, weights=right).astype(np.int64)
    kinds, count = np.unique(np.stack([sizes, hits]), axis=1, return_counts=True)
    generator = np.random.Generator(np.random.PCG64(SEED))
    drawn = generator.multinomial(count.sum(), count / count.sum(), size=draws)
    accuracy = (drawn @ kinds[1]) / (drawn @ kinds[0])
    low, high = np.quantile(accuracy, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def share_interval(
    right: npt.NDArray[np.bool_], groups: npt.ArrayLike, *, draws: int, confidence: float
) -> tuple[float, float]:
    """Return the limits of a share of few pictures, of which all or none may be right.

    They are those of :func:`accuracy_interval`, except where all pictures are right, or none is: then no draw differs,
    and the limits are the exact ones of as many groups.

    Args:
        right: Whether each picture was predicted right, shape (pictures,), at least one.
        groups: Each picture's group, shape (pictures,); pictures that are alike share one.
        draws: How often to resample.
        confidence: Confidence of the limits, such as 0.95.
    """
    if right.all():
        return alike_at_least(len(np.unique(np.asarray(groups))), confidence), 1.0
    if not right.any():
        return 0.0, 1 - alike_at_least(len(np.unique(np.asarray(groups))), confidence)
    return accuracy_interval(right, groups, draws=draws, confidence=confidence)


def alike_at_least(groups: int, confidence: float) -> float:
    """Return which share of all groups is at least like those seen, which were all alike.

    Source: Clopper and Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial",
    Biometrika 26, 1934.

    Args:
        groups: How many were seen.
        confidence: Confidence of both limits together, such as 0.95; the other one is 1.
    """
    return float(((1 - confidence) / 2) ** (1 / groups))
