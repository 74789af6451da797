"""The regularization path: validation loss of the logistic regression for several values of C."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pixmill.images.parts import Part
from pixmill.metrics.calibration import best_temperature
from pixmill.metrics.probabilities import apply_temperature, losses
from pixmill.metrics.resampling import group_numbers, mean_limits

FACTORS = (1 / 16, 1 / 4, 1, 4, 16)
"""Multiples of the C in use that are compared, ascending."""

_MAX_COST = 6000 * 3344
"""Maximum cost of a path; with more it takes minutes, and the strength of the penalty matters less."""

_DRAWS = 2000
_CONFIDENCE = 1 - 0.05 / (len(FACTORS) - 1)
"""Confidence level of each interval: 95 % for all together (Bonferroni)."""

Array = npt.NDArray[np.float64]
FitEach = Callable[[Sequence[float]], Array]
"""Fits a model for each C; returns logarithms of validation probabilities, of shape (values, images, labels)."""


@dataclass(frozen=True)
class Strength:
    """The result of one value of C.

    Args:
        c: Inverse of the regularization strength.
        loss: Mean log-loss on the validation split, after temperature scaling.
        accuracy: Accuracy on the validation split.
    """

    c: float
    loss: float
    accuracy: float


@dataclass(frozen=True)
class RegularizationPath:
    """The results of several values of C.

    Args:
        points: The results, by ascending C.
        used: The C of the model.
        best: The C with the lowest loss if it is significantly lower; otherwise ``used``.
        gain: Loss of ``used`` minus the lowest loss of the others, in nats.
        low: Lower limit of the CI of the gain, by paired bootstrap over clusters.
        high: Upper limit of the CI of the gain.
    """

    points: tuple[Strength, ...]
    used: float
    best: float
    gain: float
    low: float
    high: float

    def figures(self) -> dict[str, Any]:
        """Return the entry ``inverse_regularization`` of ``plots/train/full.json``."""
        points = {f"{point.c:g}": {"log_loss": point.loss, "accuracy": point.accuracy} for point in self.points}
        limits = {"gain": self.gain, "gain_low": self.low, "gain_high": self.high}
        return {"used": self.used, "best": self.best, **limits, "validation": points}

    def sentence(self) -> str:
        """Return the conclusion as a sentence."""
        interval = f"{100 * _CONFIDENCE:g} % CI {self.low:.3f} to {self.high:.3f}"
        if self.best != self.used:
            return (
                f"With train.features.inverse_regularization: {self.best:g}, the validation log-loss is "
                f"{self.gain:.3f} lower ({interval})."
            )
        return (
            f"No other value of train.features.inverse_regularization from {self.points[0].c:g} to "
            f"{self.points[-1].c:g} is significantly better on validation than {self.used:g}."
        )


def is_affordable(images: int, width: int, labels: int) -> bool:
    """Return whether a path takes about a minute at most.

    Args:
        images: Number of training images.
        width: Number of features.
        labels: Number of classes.
    """
    # Measured: reading the features takes as long as computing the products for 50 classes.
    return images * width * (1 + labels / 50) <= _MAX_COST


def regularization_path(validation: Part, used: float, fit_each: FitEach) -> RegularizationPath:
    """Compare values of C, from a sixteenth to sixteen times the C in use, on the validation split.

    Losses are compared after temperature scaling, which corrects the overconfidence of a weak penalty.

    Args:
        validation: The validation split.
        used: The C of the model.
        fit_each: Fits a model for each C, and predicts the validation split.
    """
    values = [used * factor for factor in FACTORS]
    targets, clusters = validation.targets, group_numbers(validation.rows["cluster"].astype(str))
    points, by_image = [], []
    for c, logarithms in zip(values, fit_each(values), strict=True):
        probabilities = np.exp(logarithms)
        temperature = best_temperature(targets, probabilities) or 1.0
        by_image.append(losses(targets, apply_temperature(probabilities, temperature)))
        hits = logarithms.argmax(axis=1) == targets
        points.append(Strength(c, round(float(by_image[-1].mean()), 6), float(hits.mean())))
    own = FACTORS.index(1)
    # If every prediction is correct, more confidence always lowers the loss: no temperature is the best.
    others = [place for place in range(len(points)) if place != own]
    imperfect = [place for place in others if points[place].accuracy < 1]
    other = min(imperfect or others, key=lambda place: points[place].loss)
    decreases = by_image[own] - by_image[other]
    low, high = mean_limits(decreases, clusters, draws=_DRAWS, confidence=_CONFIDENCE)
    # Adding 0 turns -0.0 into 0.0.
    gain, low, high = (round(float(value), 6) + 0.0 for value in (decreases.mean(), low, high))
    best = points[other].c if low > 0 and imperfect and points[own].accuracy < 1 else used
    return RegularizationPath(tuple(points), used, best, gain, low, high)
