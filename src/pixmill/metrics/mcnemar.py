"""Whether of two models on the same pictures one is right more often, by the pictures on which they differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["McNemar", "mcnemar"]


@dataclass(frozen=True)
class McNemar:
    """Say on how many pictures two models differ, and how often chance alone would divide these so unevenly.

    Args:
        gained: Pictures that only the second is right of.
        lost: Pictures that only the first is right of.
        p: Of the exact test, which is never too small, and often too large where few pictures differ.
        mid_p: Counts the seen division by half: nearer to the truth, at the risk of being a little too small.
    """

    gained: int
    lost: int
    p: float
    mid_p: float


def mcnemar(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> McNemar:
    """Compare two models on the same pictures, each of which stands for itself.

    Near-duplicates are right or wrong together and make chance look smaller than it is: where there are many, take
    :func:`pixmill.metrics.paired_differences`.

    Sources: McNemar, "Note on the Sampling Error of the Difference Between Correlated Proportions or Percentages",
    Psychometrika 12, 1947; Fagerland, Lydersen and Laake, "The McNemar Test for Binary Matched-pairs Data: Mid-p and
    Asymptotic are Better than Exact Conditional", BMC Medical Research Methodology 13, 2013.

    Args:
        first: Whether the first model is right of each picture, shape (pictures,).
        second: The same of the second.
    """
    from scipy.stats import binom

    first, second = np.asarray(first, bool), np.asarray(second, bool)
    if first.shape != second.shape:
        raise ValueError(f"expected the same pictures of both, received {first.shape} and {second.shape}")
    gained, lost = int(np.sum(second & ~first)), int(np.sum(first & ~second))
    differing, fewer = gained + lost, min(gained, lost)
    tail = float(binom.cdf(fewer, differing, 0.5))
    p = min(1.0, 2 * tail)
    return McNemar(gained, lost, p, 1.0 if gained == lost else 2 * tail - float(binom.pmf(fewer, differing, 0.5)))
