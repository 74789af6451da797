"""Validation, normalisation, temperature scaling and loss of probabilities."""

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Floats, Ints, NDArray

_TOLERANCE = 1e-3
"""Tolerance of the sum of a row: far above ``float32`` rounding, far below real deviations."""

_EPSILON = float(np.finfo(np.float64).eps)
"""Minimum probability in logarithms."""


def softmax(logits: NDArray[np.floating]) -> Floats:
    """Return the probabilities of logits, computed in ``float64``.

    Args:
        logits: Shape (images, classes).
    """
    values = np.asarray(logits, dtype=np.float64)
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    result: Floats = raised / raised.sum(axis=1, keepdims=True)
    return result


def normalise(probabilities: ArrayLike) -> Floats:
    """Return probabilities as ``float64`` whose rows sum to one exactly.

    Models compute in ``float32``, so the sums of rows deviate from one by about 1e-7. Division by
    the sum keeps the order of classes. Rows that are exact to ``float64`` precision are unchanged.

    Args:
        probabilities: Shape (images, classes), at least one image and two classes.

    Raises:
        ValueError: The shape is wrong, or a row is not a distribution (negative, not finite, or not
            summing to one).
    """
    values = np.asarray(probabilities, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] < 1 or values.shape[1] < 2:
        raise ValueError(
            f"expected probabilities of shape (images, classes >= 2), received {values.shape}"
        )
    sums = values.sum(axis=1, keepdims=True)
    # This form also rejects NaN, for which every comparison is false.
    if not (np.all(values >= 0) and np.all(np.abs(sums - 1) <= _TOLERANCE)):
        raise ValueError("expected probabilities that are >= 0 and sum to one for each image")
    exact = np.abs(sums - 1) <= values.shape[1] * np.finfo(np.float64).eps
    if exact.all():
        return values
    return np.where(exact, values, values / sums)


def losses(actual: Ints, probabilities: ArrayLike) -> Floats:
    """Return the cross-entropy of each image in nats: -log of its true class's probability.

    Probabilities are clipped to the epsilon of ``float64`` (a loss of 36.04), as in scikit-learn's
    ``log_loss``, the mean of these losses.

    Args:
        actual: Class indices, shape (images,).
        probabilities: Shape (images, classes).
    """
    values = normalise(probabilities)
    of_actual = values[np.arange(len(actual)), actual]
    return -np.log(np.clip(of_actual, _EPSILON, 1 - _EPSILON))


def apply_temperature(probabilities: ArrayLike, temperature: float) -> Floats:
    """Return the softmax of the logits divided by the temperature.

    The predicted class does not change.

    Args:
        probabilities: Shape (images, classes).
        temperature: Above 0; values above 1 lower the confidence.
    """
    values = normalise(probabilities)
    if temperature == 1:
        return values
    return softmax(logits(values) / temperature)


def logits(values: Floats) -> Floats:
    """Return logarithms of probabilities, which equal the logits up to a constant per row.

    Args:
        values: As :func:`normalise` returns them.
    """
    return np.log(np.maximum(values, _EPSILON))


def check_unit_interval(values: Floats) -> Floats:
    """Return values that are all from 0 to 1.

    Raises:
        ValueError: Some are not.
    """
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("expected probabilities from 0 to 1")
    return values
