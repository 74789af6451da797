"""Calibration: temperature scaling, and the confidence threshold of sure predictions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Bools, Floats, Ints, NDArray
from pixmill.metrics.confidence import by_confidence
from pixmill.metrics.probabilities import apply_temperature, losses, normalise
from pixmill.metrics.resampling import group_numbers

_MAX_TEMPERATURE = 20.0
"""Temperatures above this value, or below its inverse, count as infinite."""

_STEPS_PER_UNIT = 1_000_000
"""Thresholds are rounded to multiples of 1 / this number, which JSON represents exactly enough."""

LEVEL = 1 - 0.95
"""Probability that a threshold does not reach the target accuracy."""

_MIN_SHARE = 0.35
"""Share of the predictions at which the search for a threshold starts.

From a smaller share, one error among the most
confident predictions often ends the search; from a larger one, it finds no threshold for models of
low accuracy.
"""

_MAX_SHARE = 0.95
"""Maximum share of sure predictions: most images of no class are among the least confident rest.

Source: Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution
Examples", ICLR 2017.
"""

_CLOSE = 0.05
"""Calibration error above which confidence should not be read as a probability."""

_MULTIPLES = (2, 3, 4, 6, 10, 20)
_TARGETS = tuple(aim / 20 for aim in range(19, 9, -1))
"""Multiples of the number of images, and targets, that :func:`threshold_hints` tries."""

_FALSE_ALARM_RATE = 0.01
"""Share of images like the training images that may be marked as unlike them."""

_MIN_GROUPS = 100
"""Minimum number of groups for a 99 % quantile."""

_SPREAD = 0.3
"""Standard deviation of the prior of the logarithm of a temperature."""

_CHI_SQUARE = 3.841459
"""The 95 % quantile of the chi-square distribution with one degree of freedom."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A model's temperature and confidence threshold.

    >>> calibration = Calibration(temperature=2.0, threshold=0.7)
    >>> calibration.apply([[0.9, 0.1]]).round(2)
    array([[0.75, 0.25]])
    >>> calibration.is_sure(0.75), calibration.is_sure(0.69)
    (True, False)

    Args:
        temperature: Divisor of the logits; ``None`` leaves probabilities unchanged, if the images
            do not determine a temperature. Above 1, the model is overconfident.
        threshold: Minimum calibrated confidence of a sure prediction, > 0; ``None`` if the images
            do not determine a threshold. 0, which earlier versions wrote for "all are sure", is
            read as ``None``.
        target_accuracy: Accuracy that sure predictions should reach.
        novelty_limit: Novelty above which an image is unlike the training images, see
            :func:`novelty_limit`; ``None`` if there were too few images, or the model has no
            novelty.
    """

    temperature: float | None = None
    threshold: float | None = None
    target_accuracy: float = 0.95
    novelty_limit: float | None = None

    def __post_init__(self) -> None:
        if self.threshold == 0:
            object.__setattr__(self, "threshold", None)

    def apply(self, probabilities: ArrayLike) -> Floats:
        """Return calibrated probabilities, whose rows sum to one.

        The predicted class does not change.

        Args:
            probabilities: Uncalibrated probabilities, shape (images, classes).
        """
        return apply_temperature(probabilities, self.temperature or 1.0)

    def is_sure(self, confidence: float, *, unlike: bool | None = None) -> bool | None:
        """Return whether a prediction is sure; ``None`` if there is no threshold.

        Args:
            confidence: Calibrated confidence.
            unlike: Whether the image is unlike the training images; its prediction is then never
                sure.
        """
        if unlike:
            return False
        return None if self.threshold is None else confidence >= self.threshold

    def is_unlike(self, novelty: float | None) -> bool | None:
        """Return whether an image of this novelty is unlike the training images.

        ``None`` if unknown. One whose novelty overflows to NaN is.
        """
        if novelty is None or self.novelty_limit is None:
            return None
        return not novelty <= self.novelty_limit


def calibrate(
    probabilities: ArrayLike, actual: Ints, groups: ArrayLike, target: float
) -> Calibration:
    """Fit temperature and threshold on images that the model was not trained on.

    The temperature is that of :func:`cautious_temperature`. Both are rounded to six digits, as they
    are written.

    Args:
        probabilities: Uncalibrated probabilities, shape (images, classes).
        actual: Class indices, shape (images,), at least one.
        groups: Group of each image, shape (images,); near-duplicates share a group and count once
            for both.
        target: Accuracy that sure predictions should reach, > 0 and < 1.
    """
    best = cautious_temperature(actual, probabilities, len(np.unique(np.asarray(groups))))
    temperature = None if best is None else float(f"{best:.6g}")
    calibrated = apply_temperature(probabilities, temperature or 1.0)
    right = calibrated.argmax(axis=1) == actual
    return Calibration(
        temperature, best_threshold(calibrated.max(axis=1), right, groups, target), target
    )


def novelty_limit(novelty: NDArray[np.floating], groups: ArrayLike) -> float | None:
    """Return the novelty that at most one in a hundred similar images exceeds.

    ``None`` for less than 100 groups.

    This is the smallest value for which that holds on average over draws of the images, for any
    distribution.

    Source: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005 (split
    conformal prediction).

    Args:
        novelty: Novelty of images that the model was not trained on, shape (images,).
        groups: Group of each image; only the highest novelty of a group counts.

    >>> novelty_limit(np.arange(200) / 1000, np.arange(200))
    0.198
    """
    highest: dict[str, float] = {}
    for group, value in zip(np.asarray(groups).astype(str).tolist(), novelty.tolist(), strict=True):
        highest[group] = max(value, highest.get(group, 0.0))
    count = len(highest)
    if count < _MIN_GROUPS:
        return None
    place = math.ceil((count + 1) * (1 - _FALSE_ALARM_RATE))
    # Rounded up to the digits that are written.
    return (
        math.ceil(sorted(highest.values())[min(place, count) - 1] * _STEPS_PER_UNIT)
        / _STEPS_PER_UNIT
    )


def cautious_temperature(
    actual: Ints, probabilities: ArrayLike, count: int, centre: float = 1.0
) -> float | None:
    """Return the temperature nearest to 1 that these images do not contradict.

    ``None`` if they do not contradict 1.

    They contradict a temperature outside of the 95 % interval of the penalised likelihood: the
    log-loss of ``count`` images plus that of a log-normal prior with median 1. Few images therefore
    give no temperature or one near 1, and many the one of the lowest log-loss. A temperature fitted
    to few images is mostly noise: one of 0.14, from 27 images, ruined a model. It is finite even if
    every prediction is correct.

    The prior was chosen by simulation (``benchmarks/temperature.py``).

    Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
    section 4.2.

    Args:
        actual: Class indices, shape (images,), at least one.
        probabilities: Shape (images, classes).
        count: Number of independent images, at most that of all.
        centre: Temperature that takes the place of 1. Default: 1.
    """
    from scipy.optimize import brentq, minimize_scalar

    values = normalise(probabilities)
    start = math.log(centre)

    def loss(logarithm: float) -> float:
        of_images = losses(actual, apply_temperature(values, math.exp(logarithm)))
        return float(count * of_images.mean() + ((logarithm - start) / _SPREAD) ** 2 / 2)

    limit = math.log(_MAX_TEMPERATURE)
    found = minimize_scalar(loss, bounds=(-limit, limit), method="bounded", options={"xatol": 1e-9})
    # Limits of the likelihood-ratio interval: twice the difference of the losses is chi-square.
    highest = float(found.fun) + _CHI_SQUARE / 2
    if loss(start) <= highest:
        return None
    return math.exp(
        brentq(lambda logarithm: loss(logarithm) - highest, *sorted((start, float(found.x))))
    )


def best_threshold(
    confidence: Floats, right: Bools, groups: ArrayLike, target: float
) -> float | None:
    """Return the lowest confidence threshold whose covered accuracy reaches the target.

    ``None`` if there is none.

    The lowest threshold has the highest coverage. A threshold reaches the target if the one-sided
    95 % lower confidence limit of its covered accuracy (exact binomial) is at least the target.
    Testing every confidence would find a threshold by chance in far more than 5 % of cases.
    Instead, thresholds are tested in a fixed sequence (Angelopoulos et al., section 2.2): from the
    most confident 35 % of the predictions downwards, at each count where the test allows one more
    error, up to the first failure. Below the last success, the threshold is lowered until the next
    error that is not allowed.

    The least confident twentieth of the predictions is never sure, even if all predictions together
    reach the target: an image of none of the classes often has such a confidence.

    Source: Clopper and Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the Case
    of the Binomial", Biometrika 26, 1934; Angelopoulos, Bates, Candes, Jordan and Lei, "Learn then
    Test: Calibrating Predictive Algorithms to Achieve Risk Control", Annals of Applied Statistics
    19, 2025.

    Args:
        confidence: Probability of each image's predicted class, shape (images,).
        right: Whether the prediction is correct, shape (images,).
        groups: Group of each image, shape (images,); predictions of a group count once.
        target: Accuracy that covered predictions should reach, > 0 and < 1.
    """
    return search_threshold(confidence, right, groups, target, LEVEL)[0]


def search_threshold(
    confidence: Floats, right: Bools, groups: ArrayLike, target: float, level: float
) -> tuple[float | None, bool]:
    """Return the result of :func:`best_threshold`, and whether all its tests succeeded.

    Args:
        confidence: As for :func:`best_threshold`.
        right: As for :func:`best_threshold`.
        groups: As for :func:`best_threshold`.
        target: As for :func:`best_threshold`.
        level: Probability that the threshold does not reach the target.
    """
    from scipy.stats import binom

    levels, answers, hits = by_confidence(confidence, right)
    group_of = group_numbers(groups)
    highest = np.zeros(group_of.max() + 1)
    np.maximum.at(highest, group_of, confidence)
    independent = len(highest) - np.searchsorted(np.sort(highest), levels)
    # Rounded down, since groups must not strengthen the evidence.
    errors = independent - np.floor(hits / answers * independent + 1e-9)
    # The most errors at which the lower limit still reaches the target; ppf may be one too many.
    allowed = binom.ppf(level, independent, 1 - target)
    allowed -= binom.cdf(allowed, independent, 1 - target) > level
    floor = np.quantile(confidence, 1 - _MAX_SHARE, method="lower")
    enough = (errors <= allowed) & (levels >= floor)
    # Testing only where one more error is allowed keeps the sequence short, and the error rate low.
    tested = np.flatnonzero(
        (np.diff(allowed, prepend=-1) > 0) & (independent >= _MIN_SHARE * len(highest))
    )
    passed = int(np.argmin(np.append(enough[tested], False)))
    if passed == 0:
        return None, False
    place = int(tested[passed - 1])
    place += int(np.argmin(np.append(enough[place:], False))) - 1
    limit = math.floor(float(levels[place]) * _STEPS_PER_UNIT) / _STEPS_PER_UNIT
    return limit, passed == len(tested)


def threshold_hints(
    confidence: Floats, right: Bools, groups: ArrayLike, target: float
) -> tuple[int | None, float | None]:
    """Return how many such images would have a threshold, and the highest target of these.

    The number is that of images predicted exactly as well as these, so about right; ``None`` above
    twenty times as many images. The target is a multiple of 0.05; ``None`` if there is none of at
    least one half.

    Args:
        confidence: Probability of each image's predicted class, shape (images,).
        right: Whether the prediction is correct, shape (images,).
        groups: Group of each image, shape (images,); predictions of a group count once.
        target: Accuracy without a threshold, > 0 and < 1.
    """
    members = group_numbers(groups)

    def reached(times: int, aim: float) -> bool:
        copies = (members + (members.max() + 1) * np.arange(times)[:, None]).ravel()
        return (
            best_threshold(np.tile(confidence, times), np.tile(right, times), copies, aim)
            is not None
        )

    images = next((times * len(right) for times in _MULTIPLES if reached(times, target)), None)
    return images, next((aim for aim in _TARGETS if aim < target and reached(1, aim)), None)


def min_answers(target: float) -> int:
    """Return the minimum number of predictions, all correct, that proves a target accuracy.

    >>> min_answers(0.95), min_answers(0.99)
    (59, 299)

    Args:
        target: Accuracy that covered predictions should reach, > 0 and < 1.
    """
    return math.ceil(math.log(LEVEL) / math.log(target))


def calibration_verdict(metrics: Mapping[str, Any]) -> str:
    """Return whether the confidence of a split fits its accuracy, in words.

    ``well calibrated`` if the calibration error and the distance of the mean confidence to both
    ends of the confidence interval of the accuracy are at most 0.05; ``overconfident`` or
    ``underconfident`` if the mean is outside of the interval; otherwise ``no miscalibration
    shown``. Values are rounded as displayed.

    Args:
        metrics: ``accuracy_low``, ``accuracy_high``, ``confidence`` and ``ece``.
    """
    low, high, mean, error = (
        round(float(metrics[name]), 3)
        for name in ("accuracy_low", "accuracy_high", "confidence", "ece")
    )
    if max(error, high - mean, mean - low) <= _CLOSE:
        return "well calibrated"
    return (
        "overconfident"
        if mean > high
        else "underconfident"
        if mean < low
        else "no miscalibration shown"
    )
