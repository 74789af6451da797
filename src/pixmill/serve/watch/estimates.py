"""What the answers of a model say about its new images without labels, if they are like the old."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Bools, Floats
from pixmill.serve.watch.difference import fit_score

_Z = 1.96
"""Quantile for limits of 95 %."""

_CLEAR = 1.645
"""Standard errors of a clear difference: a one-sided test at 5 %."""


class Estimate(NamedTuple):
    """An estimate with 95 % limits."""

    value: float
    low: float
    high: float


def estimate_accuracy(confidence: ArrayLike, known: ArrayLike, right: ArrayLike) -> Estimate:
    """Return the accuracy on new images: that on the test images, plus the change of confidence.

    Source: D. Guillory et al., "Predicting with confidence on unseen distributions", ICCV 2021. It
    assumes that confidence and errors go together as on the test images. The limits are about the
    share of right answers among just these images.

    Args:
        confidence: Calibrated confidence of the new images.
        known: That of the test images.
        right: Whether each answer about a test image is right.
    """
    confidence, known, right = (np.asarray(each, float) for each in (confidence, known, right))
    value = right.mean() + confidence.mean() - known.mean()
    return _limit(value, right - known, right.mean(), len(confidence))


def estimate_share(new: Floats, known: Floats, has: Bools) -> Estimate:
    """Return the share of a label among new images, by how the model confuses it with the others.

    Mean probabilities stand for counts. Source: Z. Lipton et al., "Detecting and correcting for
    label shift with black box predictors", ICML 2018, for one label against the rest. It assumes
    that images with and without it look as before. The limits are about just these images.

    Args:
        new: Calibrated probabilities of the label.
        known: Those of the test images.
        has: Whether each test image has it; those where nobody knows it are left out.
    """
    if not len(has):
        return Estimate(float(new.mean()), 0, 1)
    share = has.mean()
    if not 0 < share < 1:
        return estimate_accuracy(new, known, has)
    # Of a model that cannot tell the label, a small gap would explain any share.
    gap = max(known[has].mean() - known[~has].mean(), 0.1)
    value = float(np.clip(share + (new.mean() - known.mean()) / gap, 0, 1))
    weights = np.where(has, value / share, (1 - value) / (1 - share))
    errors = has - known / gap
    return _limit(value, weights * (errors - errors.mean()), share, len(new))


def _limit(value: float, errors: Floats, mean: float, images: int) -> Estimate:
    """Return an estimate by its errors about test images, of which the mean is estimated."""
    # Two more right and wrong answers, since few errors tell little about their spread; as by A.
    # Agresti and B. Coull, "Approximate is better than exact", The American Statistician 52, 1998.
    spread = np.r_[errors, 1 - mean, 1 - mean, -mean, -mean].var()
    width = _Z * np.sqrt(spread * (1 / len(errors) + 1 / images))
    return Estimate(*(float(np.clip(value + sign * width, 0, 1)) for sign in (0, -1, 1)))


def explain_by_shares(
    old: Floats, test: Floats, weights: Floats, new: Floats, trains: Bools
) -> bool:
    """Return whether most of what tells new images from old ones is gone once these have weights.

    Args:
        old: Features of the images that a classifier of old against new is fitted to.
        test: Those of the test images.
        weights: Of old and test images: the new share of their class by the old one.
        new: Features of the new images since the change.
        trains: Which of them the classifier is fitted to.
    """
    before = _distance(old, test, np.ones(len(weights)), new, trains)
    return before > _CLEAR and _distance(old, test, weights, new, trains) < before / 2


def _distance(old: Floats, test: Floats, weights: Floats, new: Floats, trains: Bools) -> float:
    """Return by how many standard errors new images have higher scores than test images."""
    of_test = weights[len(old) :]
    score = fit_score(old, new[trains], weights[: len(old)])
    scores = score(test)
    ranked = score(new[~trains])
    order = np.argsort(scores)
    below = np.r_[0, of_test[order].cumsum()] / of_test.sum()
    wins = below[np.searchsorted(scores[order], ranked)].mean()
    size = of_test.sum() ** 2 / (of_test**2).sum()
    spread = np.sqrt((size + len(ranked) + 1) / (12 * size * max(1, len(ranked))))
    return float((wins - 0.5) / spread)
