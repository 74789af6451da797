"""How much of a difference between two models on the same pictures is chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pixmill.metrics.probabilities import normalised
from pixmill.metrics.resampled import resampled_scores
from pixmill.metrics.resampling import percentiles
from pixmill.metrics.scores import scores

__all__ = ["Difference", "paired_differences"]


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
    """Return by how much two models differ, by a bootstrap over groups in which both see the same pictures each time.

    Two models mostly fail on the same pictures, so the difference is known better than either figure: limits of single
    figures may overlap where one model is clearly better.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 and 15.4.

    Args:
        actual: Class indices, shape (pictures,), at least one.
        first: The first model's probabilities, shape (pictures, classes).
        second: The second's, of the same pictures in the same order.
        groups: Each picture's group, shape (pictures,); pictures that are alike share one.
        draws: How often to resample.
        confidence: Share of the draws between the limits, > 0 and < 1, such as 0.95.
        top_k: As of :func:`pixmill.metrics.scores`.

    Returns:
        By name as of :func:`pixmill.metrics.scores`; figures that are undefined are left out.
    """
    both = [normalised(first), normalised(second)]
    if both[0].shape != both[1].shape:
        raise ValueError(f"expected the same pictures and classes of both, received {both[0].shape}, {both[1].shape}")
    figures = [scores(actual, values, top_k=top_k) for values in both]
    drawn = [resampled_scores(actual, values, groups, draws=draws, top_k=top_k).overall for values in both]
    found = {}
    for name, before in drawn[0].items():
        one, other = (row[name] for row in figures)
        gaps = drawn[1][name] - before
        limits = percentiles(gaps, confidence)
        if one is None or other is None or limits is None:
            continue
        gaps = gaps[~np.isnan(gaps)]
        tail = min(np.count_nonzero(gaps <= 0), np.count_nonzero(gaps >= 0))
        p = min(1.0, float(2 * (1 + tail) / (1 + len(gaps))))
        found[name] = Difference(float(one), float(other), float(other - one), *limits, p)
    return found
