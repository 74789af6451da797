"""Calibration of yes or no for each label: temperatures, and the thresholds of sure answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class CellCalibration:
    """Temperature and thresholds of each label, in the order of the outputs.

    Args:
        temperatures: Divisor of each label's logit; ``None`` leaves all unchanged.
        thresholds: Probability from which the answer is yes.
        sure_yes: Probability from which a yes is sure; ``None`` where no accuracy is promised.
        sure_no: Probability up to which a no is sure; ``None`` where no accuracy is promised.
        target_accuracy: Accuracy that the sure answers of each label should reach, yes and no
            alike.
        novelty_limit: Novelty above which an image is unlike the training images; ``None`` if
            unknown.
    """

    temperatures: tuple[float, ...] | None
    thresholds: tuple[float, ...]
    sure_yes: tuple[float | None, ...]
    sure_no: tuple[float | None, ...]
    target_accuracy: float = 0.95
    novelty_limit: float | None = None

    def __post_init__(self) -> None:
        for name in ("temperatures", "thresholds", "sure_yes", "sure_no"):
            values = getattr(self, name)
            object.__setattr__(self, name, None if values is None else tuple(values))

    def apply(self, probabilities: ArrayLike) -> Floats:
        """Return calibrated probabilities.

        Args:
            probabilities: Uncalibrated, shape (images, labels).
        """
        from scipy.special import expit, logit

        values = np.asarray(probabilities, np.float64)
        if self.temperatures is None:
            return values
        found: Floats = expit(logit(values) / np.asarray(self.temperatures))
        return found

    def answers(self, probabilities: Floats) -> Bools:
        """Return yes or no for calibrated probabilities, shape (images, labels)."""
        yes: Bools = probabilities >= np.asarray(self.thresholds)
        return yes

    def sure(self, probabilities: Floats, *, unlike: bool | None = None) -> list[bool | None]:
        """Return whether each answer about an image is sure; ``None`` without a promise.

        Args:
            probabilities: Calibrated, shape (labels,).
            unlike: Whether the image is unlike the training images; no answer is then sure.
        """
        found: list[bool | None] = []
        yes = self.answers(probabilities[None])[0]
        for place, value in enumerate(probabilities.tolist()):
            limit = self.sure_yes[place] if yes[place] else self.sure_no[place]
            if limit is None:
                found.append(None)
            else:
                found.append(not unlike and (value >= limit if yes[place] else value <= limit))
        return found

    def is_unlike(self, novelty: float | None) -> bool | None:
        """Return whether an image of this novelty is unlike the training images.

        ``None`` if unknown.
        """
        if novelty is None or self.novelty_limit is None:
            return None
        return novelty > self.novelty_limit


def calibrate_cells(
    probabilities: ArrayLike,
    cells: Ints,
    groups: ArrayLike,
    target: float,
    thresholds: Sequence[float],
) -> CellCalibration:
    """Fit temperatures and thresholds on images that the model was not trained on.

    Args:
        probabilities: Uncalibrated, shape (images, labels).
        cells: 1 for yes, 0 for no, -1 for unknown, same shape.
        groups: Group of each image, shape (images,).
        target: Accuracy that sure answers should reach, > 0 and < 1.
        thresholds: Probability from which the answer is yes, by label.
    """
    none = (None,) * len(thresholds)
    return CellCalibration(None, tuple(thresholds), none, none, target)
