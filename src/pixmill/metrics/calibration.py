"""Calibration: temperature scaling, and a confidence threshold below which the model answers "not sure"."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pixmill.metrics.probabilities import apply_temperature, logits, losses, normalise

_LARGEST = 20.0
"""A temperature beyond this, or below its inverse, counts as infinite."""

_PRECISION = 1_000_000
"""Thresholds are rounded down to multiples of 1 / this, so that they do not change when written."""

_LEVEL = 0.95
"""Confidence with which the images must show that a temperature or a threshold holds for others, too."""

_FIRST = 0.35
"""Share of the answers with which the search for a threshold begins. With a smaller one, a single error among the most
confident often ends it; with a larger one, it finds nothing for models that are right on few images."""

_MOST = 0.95
"""The largest share of the answers that may be sure: among the least confident rest are most images of other kinds
(Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples", ICLR 2017)."""

_FALSE_MARKS = 0.01
"""Share of images like those of training that may be called unlike them."""

_FEWEST_GROUPS = 100
"""Of fewer, no quantile of 99 % is known."""

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
        temperature: Divisor of the logits; ``None`` if the images did not determine one: the probabilities then stay
            unchanged. Above 1 the model was overconfident.
        threshold: The minimum calibrated confidence of a sure prediction, > 0; ``None``: the images did not show one,
            so no prediction is called sure or not sure. (0, which stood for "all are sure" in models that were trained
            before, is read as ``None``: it was shown only for confidences that the images had.)
        target_accuracy: The accuracy that sure predictions should reach, for which the threshold was chosen.
        novelty_limit: The novelty above which an image is unlike the training images, see :func:`novelty_limit`;
            ``None``: there were too few images, or the model tells no novelty.
    """

    temperature: float | None = None
    threshold: float | None = None
    target_accuracy: float = 0.95
    novelty_limit: float | None = None

    def __post_init__(self) -> None:
        if self.threshold == 0:
            object.__setattr__(self, "threshold", None)

    def apply(self, probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return calibrated probabilities, whose rows sum to one; the predicted class does not change.

        Args:
            probabilities: Uncalibrated, shape (images, classes).
        """
        return apply_temperature(probabilities, self.temperature or 1.0)

    def is_sure(self, confidence: float, *, unlike: bool | None = None) -> bool | None:
        """Tell whether a prediction is sure; ``None`` if there is no threshold.

        Args:
            confidence: Its calibrated confidence.
            unlike: Whether the image is unlike the training images; of these, no confidence is trusted.
        """
        if unlike:
            return False
        return None if self.threshold is None else confidence >= self.threshold

    def is_unlike(self, novelty: float | None) -> bool | None:
        """Tell whether an image of this novelty is unlike the training images; ``None`` if that is not known."""
        return None if novelty is None or self.novelty_limit is None else novelty > self.novelty_limit


def calibrate(
    probabilities: npt.ArrayLike, actual: npt.NDArray[np.integer], groups: npt.ArrayLike, target: float
) -> Calibration:
    """Fit the temperature and the threshold on images that the model was not trained on.

    A temperature is given only if it fits significantly better than none (likelihood-ratio test, 5 %): one that is
    fitted to few images is mostly noise. Both are rounded to six digits, so that they do not change when written.

    Args:
        probabilities: Uncalibrated, shape (images, classes).
        actual: Class indices, shape (images,), at least one.
        groups: Each image's group, shape (images,); near-duplicates share one, and count once in both tests.
        target: The accuracy that sure predictions should reach, > 0 and < 1.
    """
    best = best_temperature(actual, probabilities)
    if best is not None:
        gain = losses(actual, probabilities) - losses(actual, apply_temperature(probabilities, best))
        if 2 * len(np.unique(np.asarray(groups))) * gain.mean() <= _CHI_SQUARE:
            best = None
    temperature = None if best is None else float(f"{best:.6g}")
    calibrated = apply_temperature(probabilities, temperature or 1.0)
    right = calibrated.argmax(axis=1) == actual
    return Calibration(temperature, sure_enough(calibrated.max(axis=1), right, groups, target), target)


def novelty_limit(novelty: npt.NDArray[np.floating], groups: npt.ArrayLike) -> float | None:
    """Return the novelty that at most one in a hundred images like these exceeds; ``None`` for less than 100 groups.

    It is the smallest for which that holds on average over draws of the images, whatever their distribution (split
    conformal prediction; Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005).

    Args:
        novelty: Of images that the model was not trained on, shape (images,).
        groups: Each image's group; of near-duplicates, only the most unlike one counts.

    >>> novelty_limit(np.arange(200) / 1000, np.arange(200))
    0.198
    """
    highest: dict[str, float] = {}
    for group, value in zip(np.asarray(groups).astype(str).tolist(), novelty.tolist(), strict=True):
        highest[group] = max(value, highest.get(group, 0.0))
    count = len(highest)
    if count < _FEWEST_GROUPS:
        return None
    place = math.ceil((count + 1) * (1 - _FALSE_MARKS))
    # Rounded up, so that it does not change when written.
    return math.ceil(sorted(highest.values())[min(place, count) - 1] * _PRECISION) / _PRECISION


def best_temperature(actual: npt.NDArray[np.integer], probabilities: npt.ArrayLike) -> float | None:
    """Return the temperature that minimises the log-loss of these images; measure the result on another split.

    There is none if the loss has no minimum: the model is right on every image, so that more confidence always helps,
    or it is no better than chance.

    Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.

    Args:
        actual: Class indices, shape (images,), at least one.
        probabilities: Shape (images, classes).

    >>> import numpy as np
    >>> actual = np.array([0, 0, 0, 1])
    >>> too_sure = np.array([[0.99, 0.01]] * 4)  # three in four are correct
    >>> round(best_temperature(actual, too_sure), 2)
    4.18
    """
    from scipy.optimize import brentq

    scores = logits(normalise(probabilities))
    scores -= scores.max(axis=1, keepdims=True)
    truth = scores[np.arange(len(actual)), actual]

    def slope(inverse: float) -> float:
        # Derivative of the mean loss with respect to the inverse temperature, in which the loss is convex.
        raised = np.exp(inverse * scores)
        expected = (raised * scores).sum(axis=1) / raised.sum(axis=1)
        return float(np.mean(expected - truth))

    if slope(1 / _LARGEST) >= 0 or slope(_LARGEST) <= 0:
        return None
    return 1 / float(brentq(slope, 1 / _LARGEST, _LARGEST, xtol=1e-12, rtol=1e-12))


def sure_enough(
    confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], groups: npt.ArrayLike, target: float
) -> float | None:
    """Return the lowest confidence threshold whose answers are shown to reach the target, or ``None`` if none is.

    The lowest threshold has the highest coverage. Shown means that the one-sided 95 % lower confidence limit of the
    answers' accuracy (exact binomial) is at least the target. Testing every confidence would find a threshold by luck
    far more often than in 5 % of cases, so they are tested in a fixed sequence (Angelopoulos et al., section 2.2): from
    the most confident 35 % of the answers downwards, wherever the test allows one more error, and no further than the
    first that fails; below the last that passes, it continues until the next error that is not allowed.

    The least confident twentieth of the answers is never sure, even if all answers together reach the target: an image
    of none of the classes often has such a confidence, and its answer is wrong.

    Source: Clopper and Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial",
    Biometrika 26, 1934; Angelopoulos, Bates, Candes, Jordan and Lei, "Learn then Test: Calibrating Predictive
    Algorithms to Achieve Risk Control", Annals of Applied Statistics 19, 2025.

    Args:
        confidence: The probability of each image's predicted class, shape (images,).
        right: Whether that class is the true one.
        groups: Each image's group, shape (images,); the answers count as many times as they have groups.
        target: The accuracy that the answers should reach, > 0 and < 1.
    """
    from scipy.stats import binom

    levels, answers, hits = by_confidence(confidence, right)
    _, group_of = np.unique(np.asarray(groups), return_inverse=True)
    highest = np.zeros(group_of.max() + 1)
    np.maximum.at(highest, group_of, confidence)
    independent = len(highest) - np.searchsorted(np.sort(highest), levels)
    # Rounded down, so that groups never make the evidence stronger than it is.
    errors = independent - np.floor(hits / answers * independent + 1e-9)
    allowed = binom.ppf(1 - _LEVEL, independent, 1 - target)
    allowed -= binom.cdf(allowed, independent, 1 - target) > 1 - _LEVEL
    floor = np.quantile(confidence, 1 - _MOST, method="lower")
    enough = (errors <= allowed) & (levels >= floor)
    tested = np.flatnonzero((np.diff(allowed, prepend=-1) > 0) & (independent >= _FIRST * len(highest)))
    passed = int(np.argmin(np.append(enough[tested], False)))
    if passed == 0:
        return None
    place = int(tested[passed - 1])
    place += int(np.argmin(np.append(enough[place:], False))) - 1
    return math.floor(float(levels[place]) * _PRECISION) / _PRECISION


def fewest_answers(target: float) -> int:
    """Return how many answers it takes to show a target accuracy if all of them are right.

    >>> fewest_answers(0.95), fewest_answers(0.99)
    (59, 299)

    Args:
        target: The accuracy that the answers should reach, > 0 and < 1.
    """
    return math.ceil(math.log(1 - _LEVEL) / math.log(target))


def by_confidence(
    confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return each distinct confidence, highest first, with the number of answers and of correct ones at or above it.

    Args:
        confidence: The probability of each image's predicted class, shape (images,).
        right: Whether that class is the true one.
    """
    levels, level_of = np.unique(-confidence, return_inverse=True)
    answers = np.cumsum(np.bincount(level_of))
    hits = np.cumsum(np.bincount(level_of, weights=right)).astype(np.int64)
    return -levels, answers, hits
