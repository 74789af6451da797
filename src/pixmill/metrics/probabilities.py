"""A model's probabilities: checked, summing to one, at another temperature, and the loss that they cost."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["logits", "losses", "normalised", "tempered"]

_TOLERANCE = 1e-3
"""How far from one a row may sum: far above the rounding of ``float32``, far below any other meaning."""

_EPSILON = float(np.finfo(np.float64).eps)
"""What a class that was given nothing counts as."""


def normalised(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return probabilities as ``float64`` whose rows sum to one to the last bits.

    A model computes in ``float32``, so its rows miss one by about 1e-7. Dividing by the sum keeps their order. Rows
    that already are as exact as ``float64`` allows come back as they are.

    Args:
        probabilities: Shape (images, classes), at least one image and two classes.

    Raises:
        ValueError: The shape is another, or a row is no distribution (negative, not finite, or not summing to one).
    """
    values = np.asarray(probabilities, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] < 1 or values.shape[1] < 2:
        raise ValueError(f"expected probabilities of shape (images, classes >= 2), received {values.shape}")
    sums = values.sum(axis=1, keepdims=True)
    # Written so that a not-a-number, for which every comparison is false, is refused too.
    if not (np.all(values >= 0) and np.all(np.abs(sums - 1) <= _TOLERANCE)):
        raise ValueError("expected probabilities that are >= 0 and sum to one for each image")
    exact = np.abs(sums - 1) <= values.shape[1] * np.finfo(np.float64).eps
    result: npt.NDArray[np.float64] = np.where(exact, values, values / sums)
    return result


def losses(actual: npt.NDArray[np.integer], probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return each image's cross-entropy in nats: minus the logarithm of what its true class was given.

    A true class that was given nothing counts as one that was given ``float64``'s epsilon (a loss of 36.04), as in
    scikit-learn's ``log_loss``, whose value is the mean of these.

    Args:
        actual: Class indices, shape (images,).
        probabilities: Shape (images, classes).
    """
    values = normalised(probabilities)
    given = values[np.arange(len(actual)), actual]
    result: npt.NDArray[np.float64] = -np.log(np.clip(given, _EPSILON, 1 - _EPSILON))
    return result


def tempered(probabilities: npt.ArrayLike, temperature: float) -> npt.NDArray[np.float64]:
    """Return probabilities at another temperature: above 1 less sure, below 1 surer; which class is first stays.

    They are those that the model's softmax would give, had its logits been divided by the temperature.

    Args:
        probabilities: Shape (images, classes).
        temperature: Above 0; 1 changes nothing.
    """
    values = normalised(probabilities)
    if temperature == 1:
        return values
    scaled = logits(values) / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: npt.NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return result


def logits(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return logarithms of probabilities: the logits but for what is common to a row.

    Args:
        values: As :func:`normalised` returns them.
    """
    result: npt.NDArray[np.float64] = np.log(np.maximum(values, _EPSILON))
    return result
