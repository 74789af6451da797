"""Calibration: temperature scaling, and a confidence threshold below which the model answers "not sure"."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pixmill.metrics.probabilities import logits, normalised, tempered

__all__ = ["Calibration", "best_temperature", "by_confidence", "calibrate", "sure_enough"]

_LARGEST = 20.0
"""A temperature beyond this, or below its inverse, counts as infinite."""

_PRECISION = 1_000_000
"""Thresholds are rounded down to multiples of 1 / this, so that they do not change when written."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Hold a model's temperature and confidence threshold.

    >>> calibration = Calibration(temperature=2.0, threshold=0.7)
    >>> calibration.apply([[0.9, 0.1]]).round(2)
    array([[0.75, 0.25]])
    >>> calibration.is_sure(0.75), calibration.is_sure(0.69)
    (True, False)

    Args:
        temperature: Divisor of the logits; ``None`` if there is no optimum: the probabilities then stay unchanged.
            Above 1 the model was overconfident.
        threshold: The minimum calibrated confidence of a sure prediction; 0: all are sure; ``None``: none is, since
            no threshold reaches the target.
        target_accuracy: The accuracy that sure predictions should reach, for which the threshold was chosen.
    """

    temperature: float | None = None
    threshold: float | None = 0.0
    target_accuracy: float = 0.95

    def apply(self, probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return calibrated probabilities, whose rows sum to one; the predicted class does not change.

        Args:
            probabilities: Uncalibrated, shape (images, classes).
        """
        return tempered(probabilities, self.temperature or 1.0)

    def is_sure(self, confidence: float) -> bool:
        """Tell whether a prediction with this calibrated confidence is sure."""
        return self.threshold is not None and confidence >= self.threshold


def calibrate(probabilities: npt.ArrayLike, actual: npt.NDArray[np.integer], target: float) -> Calibration:
    """Fit the temperature and the threshold on images that the model was not trained on.

    Both are rounded to six digits, so that they do not change when written.

    Args:
        probabilities: Uncalibrated, shape (images, classes).
        actual: Class indices, shape (images,), at least one.
        target: The accuracy that sure predictions should reach, > 0 and < 1.
    """
    best = best_temperature(actual, probabilities)
    temperature = None if best is None else float(f"{best:.6g}")
    calibrated = tempered(probabilities, temperature or 1.0)
    right = calibrated.argmax(axis=1) == actual
    return Calibration(temperature, sure_enough(calibrated.max(axis=1), right, target), target)


def best_temperature(actual: npt.NDArray[np.integer], probabilities: npt.ArrayLike) -> float | None:
    """Return the temperature that minimises the log-loss of these images; measure the result on another split.

    There is none if the loss has no minimum: the model is right on every image, so that more confidence always helps,
    or it is no better than chance.

    Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.

    Args:
        actual: Class indices, shape (images,), at least one.
        probabilities: Shape (images, classes).

    >>> import numpy as np
    >>> actual = np.array([0, 0, 0, 1])
    >>> too_sure = np.array([[0.99, 0.01]] * 4)  # three in four are correct
    >>> round(best_temperature(actual, too_sure), 2)
    4.18
    """
    from scipy.optimize import brentq

    scores = logits(normalised(probabilities))
    scores -= scores.max(axis=1, keepdims=True)
    truth = scores[np.arange(len(actual)), actual]

    def slope(inverse: float) -> float:
        # Derivative of the mean loss with respect to the inverse temperature, in which the loss is convex.
        raised = np.exp(inverse * scores)
        expected = (raised * scores).sum(axis=1) / raised.sum(axis=1)
        return float(np.mean(expected - truth))

    if slope(1 / _LARGEST) >= 0 or slope(_LARGEST) <= 0:
        return None
    return 1 / float(brentq(slope, 1 / _LARGEST, _LARGEST, xtol=1e-12, rtol=1e-12))


def sure_enough(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], target: float) -> float | None:
    """Return the lowest confidence threshold whose answers reach the target accuracy, or ``None`` if there is none.

    The lowest threshold has the highest coverage. It is 0 if all answers together reach the target. Thresholds with so
    few answers that a single error would miss the target (1 / (1 - target), such as 20) are not considered.

    Args:
        confidence: The probability of each image's predicted class, shape (images,).
        right: Whether that class is the true one.
        target: The accuracy that the answers should reach, > 0 and < 1.
    """
    levels, answers, hits = by_confidence(confidence, right)
    fewest = min(math.ceil(round(1 / (1 - target), 9)), len(right) + 1)
    enough = (hits >= target * answers - 1e-9) & (answers >= fewest)
    if not enough.any():
        return None
    place = int(np.flatnonzero(enough)[-1])
    if place == len(levels) - 1:
        return 0.0
    return math.floor(float(levels[place]) * _PRECISION) / _PRECISION


def by_confidence(
    confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return each distinct confidence, highest first, with the number of answers and of correct ones at or above it.

    Args:
        confidence: The probability of each image's predicted class, shape (images,).
        right: Whether that class is the true one.
    """
    levels, level_of = np.unique(-confidence, return_inverse=True)
    answers = np.cumsum(np.bincount(level_of))
    hits = np.cumsum(np.bincount(level_of, weights=right)).astype(np.int64)
    return -levels, answers, hits
