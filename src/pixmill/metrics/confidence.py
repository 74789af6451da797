"""Calibration error, reliability diagram, and accuracy by coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Bools, Floats, Ints, NDArray
from pixmill.metrics.probabilities import normalise

if TYPE_CHECKING:
    import pandas as pd

_MAX_ROWS = 100
"""Maximum rows of a curve: one per percent of the images."""

BINS = 15
"""Number of bins of equal width, as in Guo et al. (2017)."""


def reliability(actual: Ints, probabilities: ArrayLike) -> pd.DataFrame:
    """Return accuracy by confidence, the table of a reliability diagram.

    Args:
        actual: Class indices, shape (images,).
        probabilities: Shape (images, classes).

    Returns:
        One row per non-empty bin: bounds ``low`` and ``high``, number of images ``n``, means
        ``confidence`` and ``accuracy``.
    """
    values = normalise(probabilities)
    return reliability_of(values.max(axis=1), values.argmax(axis=1) == actual)


def reliability_of(confidence: Floats, right: Bools) -> pd.DataFrame:
    """Return the result of :func:`reliability` for the answers.

    Args:
        confidence: Probability of each answer, shape (answers,).
        right: Whether it is right, same shape.
    """
    import pandas as pd  # which serving does not need

    bins, place, count = np.unique(
        confidence_bins(confidence), return_inverse=True, return_counts=True
    )
    return pd.DataFrame(
        {
            "low": bins / BINS,
            "high": (bins + 1) / BINS,
            "n": count,
            "confidence": np.bincount(place, weights=confidence) / count,
            "accuracy": np.bincount(place, weights=right) / count,
        }
    )


def confidence_bins(confidence: Floats) -> NDArray[np.int64]:
    """Return the bin of each confidence, from 0, as in :func:`confidence_gaps`."""
    found: NDArray[np.int64] = np.ceil(confidence * BINS).astype(np.int64) - 1
    return np.clip(found, 0, BINS - 1)


def confidence_gaps(actual: Ints, values: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return each image's bin from 0, and its correctness (0 or 1) minus its confidence.

    Bin m of 15 is ((m - 1) / 15, m / 15]. Sources: Naeini, Cooper and Hauskrecht, "Obtaining Well
    Calibrated Probabilities Using Bayesian Binning", AAAI 2015; Guo, Pleiss, Sun and Weinberger,
    "On Calibration of Modern Neural Networks", ICML 2017, equation 3.

    Args:
        actual: Class indices, shape (images,).
        values: Probabilities as :func:`pixmill.metrics.probabilities.normalise` returns them.
    """
    confidence = values.max(axis=1)
    return confidence_bins(confidence), (values.argmax(axis=1) == actual) - confidence


def by_confidence(
    confidence: Floats, right: Bools
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Return distinct confidences, highest first, with the predictions and hits above each.

    Args:
        confidence: Probability of each image's predicted class, shape (images,).
        right: Whether the prediction is correct, shape (images,).
    """
    levels, level_of = np.unique(-confidence, return_inverse=True)
    answers = np.cumsum(np.bincount(level_of))
    hits = np.cumsum(np.bincount(level_of, weights=right)).astype(np.int64)
    return -levels, answers, hits


def coverage_curve(confidence: Floats, right: Bools) -> pd.DataFrame:
    """Return coverage and covered accuracy by threshold: at most 100 rows, ordered by coverage.

    Source: El-Yaniv and Wiener, "On the Foundations of Noise-free Selective Classification", JMLR
    11, 2010.

    Args:
        confidence: Probability of each image's predicted class, shape (images,), at least one.
        right: Whether the prediction is correct, shape (images,).

    Returns:
        Columns ``coverage``, ``accuracy``, ``threshold`` and ``n``, the number of covered images.
    """
    import pandas as pd  # which serving does not need

    levels, answers, hits = by_confidence(confidence, right)
    answered = np.arange(1, _MAX_ROWS + 1) / _MAX_ROWS * len(right)
    rows = np.unique(np.minimum(np.searchsorted(answers, answered - 1e-9), len(answers) - 1))
    rows = rows[rows >= 0]
    return pd.DataFrame(
        {
            "coverage": answers[rows] / len(right),
            "accuracy": hits[rows] / answers[rows],
            "threshold": levels[rows],
            "n": answers[rows],
        }
    )
