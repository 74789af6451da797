"""One number that makes a model as sure as it is right."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pixmill.metrics.probabilities import normalised

__all__ = ["best_temperature", "tempered"]

_LARGEST = 20.0
"""A temperature beyond this, or below its inverse, is no longer told from one without end."""

_EPSILON = float(np.finfo(np.float64).eps)
"""What a class that was given nothing counts as, as in :func:`pixmill.metrics.losses`."""


def tempered(probabilities: npt.ArrayLike, temperature: float) -> npt.NDArray[np.float64]:
    """Return probabilities at another temperature: above 1 less sure, below 1 surer; which class is first stays.

    They are those that the model's softmax would give, had its logits been divided by the temperature.

    Args:
        probabilities: Shape (pictures, classes).
        temperature: Above 0; 1 changes nothing.
    """
    values = normalised(probabilities)
    if temperature == 1:
        return values
    logits = _logits(values) / temperature
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: npt.NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return result


def best_temperature(actual: npt.NDArray[np.integer], probabilities: npt.ArrayLike) -> float | None:
    """Return the temperature at which the log-loss of these pictures is least; measure it on pictures of another part.

    There is none where the loss goes on falling without end: the model is right of every picture, so that being ever
    surer only pays, or is no better than chance.

    Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.

    Args:
        actual: Class indices, shape (pictures,), at least one.
        probabilities: Shape (pictures, classes).
    """
    from scipy.optimize import brentq

    logits = _logits(normalised(probabilities))
    logits -= logits.max(axis=1, keepdims=True)
    truth = logits[np.arange(len(actual)), actual]

    def slope(inverse: float) -> float:
        # Of the mean loss by the inverse of the temperature, in which it is convex: so this never falls.
        raised = np.exp(inverse * logits)
        expected = (raised * logits).sum(axis=1) / raised.sum(axis=1)
        return float(np.mean(expected - truth))

    if slope(1 / _LARGEST) >= 0 or slope(_LARGEST) <= 0:
        return None
    return 1 / float(brentq(slope, 1 / _LARGEST, _LARGEST, xtol=1e-12, rtol=1e-12))


def _logits(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return logarithms, which are the logits but for what is common to a row."""
    logits: npt.NDArray[np.float64] = np.log(np.maximum(values, _EPSILON))
    return logits
