"""The learning curve: the model fitted to growing shares of the training split, to see if more images would help."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pixmill.core.files.writing import significant
from pixmill.images.parts import Part
from pixmill.metrics.growth import Growth
from pixmill.metrics.limits import accuracy_interval
from pixmill.metrics.resampling import group_numbers, group_weights, percentiles

SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)

Answer = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.integer]]

_DRAWS, _CONFIDENCE = 2000, 0.95
_LAST = 3
"""Points used to estimate the growth: those from 40 % on, since a learning curve flattens."""


@dataclass(frozen=True)
class LearningPoint:
    """The validation accuracy of a model fitted to a share of the training split.

    Args:
        share: The share, > 0 to 1.
        images: How many images that is.
        accuracy: Accuracy on the validation split.
        low: Lower limit of its 95 % CI, by bootstrap over clusters of near-duplicates.
        high: Upper limit.
    """

    share: float
    images: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class LearningCurve:
    """The points, from the smallest share to all images, and the growth."""

    points: tuple[LearningPoint, ...]
    growth: Growth

    def figures(self) -> dict[str, float]:
        """Return the gain from doubling the training set, with its limits."""
        return {"gain": self.growth.gain, "gain_low": self.growth.low, "gain_high": self.growth.high}


def nested_rows(part: Part, labels: int, *, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the rows of growing shares of a split, each within the next, by whole clusters of near-duplicates.

    Args:
        part: The training split.
        labels: How many classes there are.
        seed: Seed of the order in which clusters are taken, class by class.
    """
    generator = np.random.default_rng(seed)
    clusters = group_numbers(part.rows["cluster"].astype(str))
    ranks = np.empty(len(part))
    for label in range(labels):
        rows = np.flatnonzero(part.targets == label)
        _, groups = np.unique(clusters[rows], return_inverse=True)
        count = int(groups.max()) + 1 if len(rows) else 0
        # A cluster's rank lies between 0 and 1; each class's first cluster is in every share.
        ranks[rows] = generator.permutation(count)[groups] / max(count, 1)
    # A cluster with two labels takes the lower rank.
    lowest = np.full(int(clusters.max()) + 1, np.inf)
    np.minimum.at(lowest, clusters, ranks)
    for share in SHARES:
        yield np.flatnonzero(lowest[clusters] < share)


def learning_curve(training: Part, validation: Part, labels: int, *, seed: int, answer: Answer) -> LearningCurve | None:
    """Fit a model to growing shares of the training split, and measure each on the validation split.

    Args:
        training: The training split.
        validation: The validation split.
        labels: How many classes there are.
        seed: The seed of :func:`nested_rows`.
        answer: Fits a model to some rows of the training split, and returns its classes for the validation split.

    Returns:
        The curve; ``None`` where the clusters are so few that all shares hold the same images.
    """
    groups = validation.rows["cluster"].astype(str)
    points: list[LearningPoint] = []
    right = []
    for rows in nested_rows(training, labels, seed=seed):
        if points and points[-1].images == len(rows):  # Shares are nested, so these are the same images.
            continue
        hits = answer(rows) == validation.targets
        low, high = accuracy_interval(hits, groups, draws=_DRAWS, confidence=_CONFIDENCE)
        points.append(LearningPoint(len(rows) / len(training), len(rows), float(hits.mean()), low, high))
        right.append(hits)
    if len(points) == 1:
        return None
    return LearningCurve(tuple(points), _growth(points[-_LAST:], np.array(right[-_LAST:]), group_numbers(groups)))


def _growth(points: Sequence[LearningPoint], right: npt.NDArray[np.bool_], groups: npt.NDArray[np.intp]) -> Growth:
    doublings = np.log2([point.images for point in points])
    doublings = doublings - doublings.mean()
    slope = doublings / (doublings @ doublings)
    count = int(groups.max()) + 1
    if (right == right[0]).all():
        # No bootstrap tells how rare a difference is that never occurred: the exact binomial limit does.
        limit = 1 - ((1 - _CONFIDENCE) / 2) ** (1 / count)
        return Growth(0.0, round(-limit, 6), round(limit, 6))
    sizes = np.bincount(groups)
    hits = np.array([np.bincount(groups, weights=row, minlength=count) for row in right])
    drawn = np.concatenate([slope @ (hits @ weights) / (sizes @ weights) for weights in group_weights(count, _DRAWS)])
    low, high = percentiles(drawn, _CONFIDENCE) or (0.0, 0.0)
    gain = float(slope @ [point.accuracy for point in points])
    # Sums of floats that should cancel leave 1e-15; adding 0 turns -0.0 into 0.0.
    return Growth(*(round(figure, 6) + 0.0 for figure in (gain, low, high)))


def learning_curve_csv(curve: LearningCurve | None) -> str:
    """Return one line per point, to six significant digits, with Unix line ends; without a curve only the header."""
    lines = ["images,share,accuracy,low,high"]
    for point in curve.points if curve else ():
        figures = significant([point.images, point.share, point.accuracy, point.low, point.high])
        lines.append(",".join(map(str, figures)))
    return "\n".join(lines) + "\n"
