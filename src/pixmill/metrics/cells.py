"""Metrics of yes or no for each label; unknown cells have no weight."""

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Floats, Ints

_EPSILON = float(np.finfo(np.float64).eps)
"""Minimum probability in logarithms."""


def cell_losses(cells: Ints, probabilities: ArrayLike) -> Floats:
    """Return the binary cross-entropy of each cell in nats; 0 for unknown ones.

    Args:
        cells: 1 for yes, 0 for no, -1 for unknown, shape (images, labels).
        probabilities: Probability of yes, same shape.
    """
    values = np.clip(np.asarray(probabilities, np.float64), _EPSILON, 1 - _EPSILON)
    losses: Floats = -np.log(np.where(cells == 1, values, 1 - values))
    losses[cells < 0] = 0
    return losses
