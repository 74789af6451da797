"""Calibration of yes or no for each label: temperatures, and the thresholds of sure answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Bools, Floats, Groups, Ints
from pixmill.metrics.calibration import (
    LEVEL,
    cautious_temperature,
    min_answers,
    search_threshold,
)
from pixmill.metrics.resampling import group_numbers

_Side = tuple[bool, int]
"""Yes or no, and the place of the label."""

_Answers = tuple[Floats, Bools, Groups]


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
        """Return yes or no for calibrated probabilities, shape (..., labels)."""
        return probabilities >= np.asarray(self.thresholds)

    def sure(self, probabilities: Floats, unlike: bool | Bools = False) -> tuple[Bools, Bools]:
        """Return which answers are sure, and for which an accuracy is promised.

        Args:
            probabilities: Calibrated, shape (..., labels).
            unlike: Whether the image is unlike the training images; no answer is then sure.
        """
        yes = self.answers(probabilities)
        # A missing limit is NaN, which nothing reaches.
        limits = np.where(yes, np.array(self.sure_yes, float), np.array(self.sure_no, float))
        reached = np.where(yes, probabilities >= limits, probabilities <= limits)
        return reached & ~np.asarray(unlike), ~np.isnan(limits)

    def is_unlike(self, novelty: float | None) -> bool | None:
        """Return whether an image of this novelty is unlike the training images.

        ``None`` if unknown. One whose novelty overflows to NaN is.
        """
        if novelty is None or self.novelty_limit is None:
            return None
        return not novelty <= self.novelty_limit


def calibrate_cells(
    probabilities: ArrayLike,
    cells: Ints,
    groups: ArrayLike,
    target: float,
    thresholds: Sequence[float],
) -> CellCalibration:
    """Fit temperatures and thresholds on images that the model was not trained on.

    A label's temperature is the one nearest to that of all labels together that its own cells do
    not contradict, so few cells change little; see
    :func:`pixmill.metrics.calibration.cautious_temperature`. For sure answers see
    :func:`sure_limits`.

    Args:
        probabilities: Uncalibrated, shape (images, labels).
        cells: 1 for yes, 0 for no, -1 for unknown, same shape.
        groups: Group of each image, shape (images,); near-duplicates share a group and count once.
        target: Accuracy that sure answers should reach, > 0 and < 1.
        thresholds: Probability from which the answer is yes, by label.
    """
    values = np.asarray(probabilities, np.float64)
    members = group_numbers(groups)
    temperatures = _temperatures(values, cells, members)
    none = (None,) * len(thresholds)
    calibration = CellCalibration(temperatures, tuple(thresholds), none, none, target)
    yes, no = sure_limits(calibration.apply(values), cells, members, target, thresholds)
    return replace(calibration, sure_yes=yes, sure_no=no)


def _temperatures(values: Floats, cells: Ints, members: Groups) -> tuple[float, ...] | None:
    """Return the temperature of each label; ``None`` if the cells do not contradict 1."""
    together = _temperature(values, cells, members, 1.0)
    centre = together or 1.0
    each = [
        _temperature(values[:, [place]], cells[:, [place]], members, centre)
        for place in range(cells.shape[1])
    ]
    if together is None and not any(each):
        return None
    return tuple(float(f"{found or centre:.6g}") for found in each)


def _temperature(values: Floats, cells: Ints, members: Groups, centre: float) -> float | None:
    rows, columns = np.nonzero(cells >= 0)
    if len(rows) == 0:
        return None
    yes = values[rows, columns]
    both = np.column_stack([1 - yes, yes])
    count = len(np.unique(members[rows]))
    return cautious_temperature(cells[rows, columns], both, count, centre)


def sure_limits(
    probabilities: Floats,
    cells: Ints,
    groups: ArrayLike,
    target: float,
    thresholds: Sequence[float],
) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
    """Return from where a yes is sure, and up to where a no is, by label; ``None`` if nowhere.

    The promise is that of each side of a label: of its sure yes, and of its sure no, the target
    share is right. Otherwise, always answering no about a rare label would be accurate enough. The
    probability that any promise is broken is at most 5 %, by Holm's procedure over the sides that
    have enough answers: each is tested by
    :func:`pixmill.metrics.calibration.search_threshold` at an equal part of the level, and those
    that pass all tests need theirs no longer, and the others are tested again at larger parts.

    Source: Bretz, Maurer, Brannath and Posch, "A Graphical Approach to Sequentially Rejective
    Multiple Test Procedures", Statistics in Medicine 28, 2009.

    Args:
        probabilities: Calibrated, shape (images, labels).
        cells: As for :func:`calibrate_cells`.
        groups: As for :func:`calibrate_cells`.
        target: As for :func:`calibrate_cells`.
        thresholds: As for :func:`calibrate_cells`.
    """
    members = group_numbers(groups)
    # Fewer cannot prove the target, whatever is right: no test, so no part of the level.
    answers = {
        key: given
        for key, given in _sides(probabilities, cells, members, thresholds)
        if len(np.unique(given[2])) >= min_answers(target)
    }
    limits = _by_holm(answers, target)
    places = range(len(thresholds))
    below = [limits.get((False, place)) for place in places]
    return (
        tuple(limits.get((True, place)) for place in places),
        tuple(None if limit is None else round(1 - limit, 6) for limit in below),
    )


def _by_holm(answers: Mapping[_Side, _Answers], target: float) -> dict[_Side, float | None]:
    """Return the limit of each side that has a test; ``None`` where it fails."""
    limits: dict[_Side, float | None] = {}
    waiting = list(answers)
    before = len(waiting) + 1
    while 0 < len(waiting) < before:
        before = len(waiting)
        found = {key: search_threshold(*answers[key], target, LEVEL / before) for key in waiting}
        limits |= {key: limit for key, (limit, _) in found.items()}
        waiting = [key for key in waiting if not found[key][1]]
    return limits


def _sides(
    probabilities: Floats, cells: Ints, members: Groups, thresholds: Sequence[float]
) -> Iterator[tuple[_Side, _Answers]]:
    """Yield side and label, with the confidence, correctness and group of its known answers."""
    for side in (True, False):
        for place, threshold in enumerate(thresholds):
            values = probabilities[:, place]
            chosen = ((values >= threshold) == side) & (cells[:, place] >= 0)
            confidence = (values if side else 1 - values)[chosen]
            yield (side, place), (confidence, cells[chosen, place] == side, members[chosen])
