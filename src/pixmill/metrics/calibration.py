"""Calibration: a temperature that makes a model as sure as it is right, and a threshold below which it is not sure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pixmill.metrics.probabilities import logits, normalised, tempered

__all__ = ["Calibration", "best_temperature", "by_confidence", "calibrate", "sure_enough"]

_LARGEST = 20.0
"""A temperature beyond this, or below its inverse, is no longer told from one without end."""

_PRECISION = 1_000_000
"""A threshold is rounded down to a whole number of such parts of one, so that it stays the same when it is written."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Say how far a model's probabilities can be taken at their word.

    >>> calibration = Calibration(temperature=2.0, threshold=0.7)
    >>> calibration.apply([[0.9, 0.1]]).round(2)
    array([[0.75, 0.25]])
    >>> calibration.is_sure(0.75), calibration.is_sure(0.69)
    (True, False)

    Args:
        temperature: What the logits are divided by; ``None`` where none is best: the probabilities then stay as they
            are. Above 1 the model was too sure.
        threshold: The calibrated confidence from which on an answer is sure; 0: all are; ``None``: none is, since no
            threshold gives the target.
        target_accuracy: The share of sure answers that shall be right, which the threshold was found for.
    """

    temperature: float | None = None
    threshold: float | None = 0.0
    target_accuracy: float = 0.95

    def apply(self, probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return calibrated probabilities, whose rows sum to one; which class is first stays.

        Args:
            probabilities: The model's own, shape (images, classes).
        """
        return tempered(probabilities, self.temperature or 1.0)

    def is_sure(self, confidence: float) -> bool:
        """Tell whether an answer of some calibrated confidence is sure."""
        return self.threshold is not None and confidence >= self.threshold


def calibrate(probabilities: npt.ArrayLike, actual: npt.NDArray[np.integer], target: float) -> Calibration:
    """Find the temperature and the threshold on images that the model was not fitted to.

    Both are rounded to six digits first, so that they mean the same once they are written.

    Args:
        probabilities: The model's own, shape (images, classes).
        actual: Class indices, shape (images,), at least one.
        target: The share of sure answers that shall be right, > 0 and < 1.
    """
    best = best_temperature(actual, probabilities)
    temperature = None if best is None else float(f"{best:.6g}")
    calibrated = tempered(probabilities, temperature or 1.0)
    right = calibrated.argmax(axis=1) == actual
    return Calibration(temperature, sure_enough(calibrated.max(axis=1), right, target), target)


def best_temperature(actual: npt.NDArray[np.integer], probabilities: npt.ArrayLike) -> float | None:
    """Return the temperature at which the log-loss of these images is least; measure it on images of another part.

    There is none where the loss goes on falling without end: the model is right of every image, so that being ever
    surer only pays, or is no better than chance.

    Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.

    Args:
        actual: Class indices, shape (images,), at least one.
        probabilities: Shape (images, classes).

    >>> import numpy as np
    >>> actual = np.array([0, 0, 0, 1])
    >>> too_sure = np.array([[0.99, 0.01]] * 4)  # of which three in four are right
    >>> round(best_temperature(actual, too_sure), 2)
    4.18
    """
    from scipy.optimize import brentq

    scores = logits(normalised(probabilities))
    scores -= scores.max(axis=1, keepdims=True)
    truth = scores[np.arange(len(actual)), actual]

    def slope(inverse: float) -> float:
        # Of the mean loss by the inverse of the temperature, in which it is convex: so this never falls.
        raised = np.exp(inverse * scores)
        expected = (raised * scores).sum(axis=1) / raised.sum(axis=1)
        return float(np.mean(expected - truth))

    if slope(1 / _LARGEST) >= 0 or slope(_LARGEST) <= 0:
        return None
    return 1 / float(brentq(slope, 1 / _LARGEST, _LARGEST, xtol=1e-12, rtol=1e-12))


def sure_enough(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], target: float) -> float | None:
    """Return the least confidence from which on a share of all answers is right, or ``None`` where there is none.

    The least is the one that leaves the fewest images without an answer. It is 0 where all answers together are right
    often enough. So few answers that one mistake more would miss the target (1 / (1 - target), such as 20) show
    nothing, and do not count.

    Args:
        confidence: The probability of each image's predicted class, shape (images,).
        right: Whether that class is the true one.
        target: The share of answers that shall be right, > 0 and < 1.
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
    """Return each confidence that occurs, highest first, with the answers and the right ones from it on.

    Args:
        confidence: The probability of each image's predicted class, shape (images,).
        right: Whether that class is the true one.
    """
    levels, level_of = np.unique(-confidence, return_inverse=True)
    answers = np.cumsum(np.bincount(level_of))
    hits = np.cumsum(np.bincount(level_of, weights=right)).astype(np.int64)
    return -levels, answers, hits
