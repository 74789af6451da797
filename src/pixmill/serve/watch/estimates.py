"""What the answers of a model say about its new images without labels, if they are like the old."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Bools, Floats
from pixmill.serve.watch.difference import fit_score

_Z = 1.96
"""Quantile for limits of 95 %."""

_DRAWS = 300

_CLEAR = 2.33
"""Standard errors of a clear difference: a one-sided test at 1 %."""


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
    # Two more right and wrong answers, since few errors tell little about their spread; as by A.
    # Agresti and B. Coull, "Approximate is better than exact", The American Statistician 52, 1998.
    errors = np.r_[right - known, 1 - known.mean(), 1 - known.mean(), -known.mean(), -known.mean()]
    value = right.mean() + confidence.mean() - known.mean()
    width = _Z * np.sqrt(errors.var() * (1 / len(known) + 1 / len(confidence)))
    return Estimate(*(float(np.clip(value + sign * width, 0, 1)) for sign in (0, -1, 1)))


def estimate_shares(new: Floats, known: Floats, targets: Floats) -> list[Estimate]:
    """Return the share of each class among new images, by inverting the confusion matrix.

    Mean probabilities stand for counts. Source: Z. Lipton et al., "Detecting and correcting for
    label shift with black box predictors", ICML 2018. It assumes that each class looks as before.
    The limits are about just these images.

    Args:
        new: Calibrated probabilities, shape (images, classes).
        known: Those of the test images.
        targets: 1 for the class of each test image, else 0, shape (images, classes).
    """
    random = np.random.default_rng(0)
    draws = [_invert(new.mean(axis=0), known, targets)]
    for _ in range(_DRAWS):
        rows = random.integers(len(known), size=len(known))
        mean = new[random.integers(len(new), size=len(new))].mean(axis=0)
        draws.append(_invert(mean, known[rows], targets[rows]))
    low, high = np.quantile(draws[1:], [0.025, 0.975], axis=0)
    return [Estimate(*map(float, each)) for each in zip(draws[0], low, high, strict=True)]


def _invert(mean: Floats, known: Floats, targets: Floats) -> Floats:
    """Return the shares, from 0 to 1 with sum 1, that explain mean probabilities best."""
    from scipy.optimize import nnls

    counts = targets.sum(axis=0)
    # A class without test images, or that the model never doubts, is as its mean probability says.
    confusion = np.where(counts > 0, known.T @ targets / np.maximum(counts, 1), np.eye(len(counts)))
    found = nnls(confusion, mean)[0]
    shares: Floats = found / max(found.sum(), 1e-9)
    return shares


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
