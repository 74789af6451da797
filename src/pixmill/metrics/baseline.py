"""What no model at all would score, so that a figure means something."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["majority_accuracy"]


def majority_accuracy(training: npt.NDArray[np.integer], actual: npt.NDArray[np.integer]) -> float:
    """Return the accuracy of always saying the class that training saw most.

    Args:
        training: Class indices of the training part, at least one; of equally frequent classes the first counts.
        actual: Class indices of the part that is scored, at least one.
    """
    commonest = int(np.argmax(np.bincount(training)))
    return float(np.mean(actual == commonest))
