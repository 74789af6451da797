"""Whether a model's confidence can be taken at its word."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pixmill.metrics.probabilities import normalised

__all__ = ["BINS", "expected_calibration_error"]

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
    values = normalised(probabilities)
    confidence = values.max(axis=1)
    right = values.argmax(axis=1) == actual
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    # The gap of a bin times its pictures is a difference of sums, so an empty bin needs no special case.
    gaps = np.bincount(bin_of, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))
