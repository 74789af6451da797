"""Predictions where the classes have other shares than the model assumes, or some do not occur."""

from dataclasses import dataclass

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Floats, Ints
from pixmill.metrics.calibration import best_threshold, novelty_limit, threshold_hints

_TINY = 1e-12
"""Minimum of probabilities and shares that are divided by."""


_MIN_OUTSIDE = 0.5
"""Classes that do not occur must be more probable than those that do."""


@dataclass(frozen=True, slots=True)
class PriorShift:
    """How probabilities change, and when they are sure.

    Args:
        ratios: Share of each class over the share that the model assumes, up to a factor; 0 for
            those that do not occur.
        threshold: Minimum confidence of a sure prediction; ``None`` if none is proven.
        outside_limit: Probability of the classes that do not occur, as the model gives it, above
            which an image is of none of the others; ``None`` if there were too few images.
        missing: About how many more images with these shares, predicted as well, would prove a
            threshold; ``None`` if there is one, or if a multiple of these images would not.
    """

    ratios: tuple[float, ...]
    threshold: float | None
    outside_limit: float | None
    missing: int | None = None

    def apply(self, probabilities: Floats) -> Floats:
        """Return the probabilities of the classes that occur; rows sum to one, and others are 0.

        By Bayes' theorem, if the images of a class look as before: the probability of each class is
        multiplied by its ratio.

        Source: Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a Classifier to New a
        Priori Probabilities: A Simple Procedure", Neural Computation 14, 2002.

        Args:
            probabilities: Calibrated, shape (..., classes).
        """
        found: Floats = np.maximum(probabilities, _TINY) * self.ratios
        found /= found.sum(axis=-1, keepdims=True)
        return found

    def outside(self, probabilities: Floats) -> Floats:
        """Return the probability of the classes that do not occur, shape (...).

        Args:
            probabilities: As for :meth:`apply`.
        """
        total: Floats = probabilities[..., np.equal(self.ratios, 0)].sum(axis=-1)
        return total


def fit_prior_shift(
    probabilities: Floats,
    actual: Ints,
    groups: ArrayLike,
    target: float,
    shares: Floats,
    *,
    relative: bool = False,
) -> PriorShift:
    """Fit the shift on images that the model was not trained on.

    The model assumes the mean of its probabilities. Other estimates are no better:
    ``benchmarks/prior.py``.

    The threshold is that of :func:`pixmill.metrics.calibration.best_threshold` for the largest
    sample whose classes have these shares. There is none if a class that occurs has no images.

    The limit for classes that do not occur is conformal: at most one in a hundred images of the
    others exceeds it, see :func:`pixmill.metrics.calibration.novelty_limit`. It is at least 0.5.

    Args:
        probabilities: Calibrated, shape (images, classes); images in random order, as by id.
        actual: Class indices, shape (images,).
        groups: Group of each image; near-duplicates share a group and count once.
        target: Accuracy that sure predictions should reach, > 0 and < 1.
        shares: Share of each class, up to a factor; 0 if it does not occur. Shape (classes,).
        relative: Whether the shares are multiples of those that the model assumes.
    """
    assumed = np.maximum(probabilities.mean(axis=0), _TINY)
    if relative:
        shares = shares * assumed
    shares = shares / shares.max()
    occurs = shares > 0
    members = np.asarray(groups)
    shift = PriorShift(tuple((shares / assumed).tolist()), None, None)
    inside = occurs[actual]
    limit = novelty_limit(shift.outside(probabilities[inside]), members[inside])
    if limit is not None:
        limit = max(limit, _MIN_OUTSIDE)
    sample = _sample(actual, shares)
    threshold = missing = None
    if len(sample):
        given = shift.apply(probabilities[sample])
        right = given.argmax(axis=1) == actual[sample]
        outcomes = (given.max(axis=1), right, members[sample], target)
        threshold = best_threshold(*outcomes)
        if threshold is None and (needed := threshold_hints(*outcomes)[0]) is not None:
            missing = needed - len(sample)
    return PriorShift(shift.ratios, threshold, limit, missing)


def _sample(actual: Ints, shares: Floats) -> Ints:
    """Return as many images as possible whose classes have these shares: the first of each."""
    import pandas as pd  # which serving else does not need

    counts = np.bincount(actual, minlength=len(shares))
    occurs = shares > 0
    most = shares * (counts[occurs] / np.maximum(shares[occurs], _TINY)).min()
    places = pd.Series(actual).groupby(actual).cumcount().to_numpy()
    return np.flatnonzero(places + 1 <= most[actual] + 1e-9)
