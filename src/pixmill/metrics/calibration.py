"""Whether a model's confidence can be taken at its word."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.metrics.probabilities import normalised

__all__ = ["BINS", "confidence_gaps", "expected_calibration_error", "reliability"]

BINS = 15
"""Bins of equal width, as in Guo et al. (2017)."""


def expected_calibration_error(
    actual: npt.NDArray[np.integer], probabilities: npt.ArrayLike, *, bins: int = BINS
) -> float:
    """Return the mean gap between confidence and accuracy: 0 is perfect, 0.1 is ten percentage points.

    Pictures are binned by the probability of their predicted class; a bin's gap counts by its pictures.

    Sources: Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015;
    Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, equation 3.

    Args:
        actual: Class indices, shape (pictures,).
        probabilities: Shape (pictures, classes).
        bins: How many bins; bin m of M holds the confidences in ((m - 1) / M, m / M].
    """
    bin_of, gap, _ = confidence_gaps(actual, normalised(probabilities), bins=bins)
    # The gap of a bin times its pictures is a difference of sums, so an empty bin needs no special case.
    gaps = np.bincount(bin_of, weights=gap, minlength=bins)
    return float(np.abs(gaps).sum() / len(gap))


def reliability(actual: npt.NDArray[np.integer], probabilities: npt.ArrayLike, *, bins: int = BINS) -> pd.DataFrame:
    """Return how right the model was where it was how sure: the table behind a reliability diagram.

    Args:
        actual: Class indices, shape (pictures,).
        probabilities: Shape (pictures, classes).
        bins: How many bins, as of :func:`expected_calibration_error`.

    Returns:
        One row a bin that has pictures: ``low`` and ``high``, its confidences; ``n``, its pictures; ``confidence`` and
        ``accuracy``, their means.
    """
    values = normalised(probabilities)
    bin_of, _, _ = confidence_gaps(actual, values, bins=bins)
    count = np.bincount(bin_of, minlength=bins)
    there = np.flatnonzero(count)
    confidence = np.bincount(bin_of, weights=values.max(axis=1), minlength=bins)[there] / count[there]
    right = np.bincount(bin_of, weights=values.argmax(axis=1) == actual, minlength=bins)[there]
    return pd.DataFrame(
        {
            "low": there / bins,
            "high": (there + 1) / bins,
            "n": count[there],
            "confidence": confidence,
            "accuracy": right / count[there],
        }
    )


def confidence_gaps(
    actual: npt.NDArray[np.integer], values: npt.NDArray[np.float64], *, bins: int = BINS
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], int]:
    """Return each picture's bin from 0, how much less sure than right (0 or 1) the model was of it, and the bins.

    Args:
        actual: Class indices, shape (pictures,).
        values: Probabilities as :func:`pixmill.metrics.normalised` returns them.
        bins: How many bins.
    """
    confidence = values.max(axis=1)
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return bin_of, (values.argmax(axis=1) == actual) - confidence, bins
