"""The learning curve: accuracy on unseen images of models fitted to growing shares."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pixmill.core.files.writing import significant
from pixmill.images.parts import Part
from pixmill.metrics.arrays import Bools, Groups, Ints
from pixmill.metrics.growth import Growth
from pixmill.metrics.limits import accuracy_interval, unanimous_limit
from pixmill.metrics.resampling import group_numbers, mean_limits

SHARES = (0.1, 0.2, 0.4)

Predict = Callable[[Ints, Ints], Ints]
"""Fits a model to some rows of the images; returns the predicted classes of others."""

_DRAWS = 2000
_CONFIDENCE = 0.95
_GROWTH_POINTS = 2
"""Last points, which determine the growth: from 40 % on, since a learning curve flattens."""


@dataclass(frozen=True)
class LearningPoint:
    """The accuracy of a model fitted to a share of the images.

    Args:
        share: The share, > 0 to 1.
        images: Number of images.
        accuracy: Accuracy on the images that no share contains.
        low: Lower limit of the 95 % CI, by bootstrap over clusters of near-duplicates.
        high: Upper limit of the 95 % CI.
    """

    share: float
    images: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class LearningCurve:
    """The points, from the smallest share to all images, and the estimated growth."""

    points: tuple[LearningPoint, ...]
    growth: Growth

    def figures(self) -> dict[str, float]:
        """Return the gain from doubling the training set, with its limits."""
        return {
            "gain": self.growth.gain,
            "gain_low": self.growth.low,
            "gain_high": self.growth.high,
        }


def nested_rows(part: Part, labels: int, *, seed: int) -> Iterator[Ints]:
    """Yield the rows of growing, nested shares of a split, in whole clusters.

    Args:
        part: The images.
        labels: Number of classes.
        seed: Seed of the order of clusters within each class.
    """
    generator = np.random.default_rng(seed)
    clusters = group_numbers(part.rows["cluster"].astype(str))
    ranks = np.empty(len(part))
    for label in range(labels):
        rows = np.flatnonzero(part.targets == label)
        groups = group_numbers(clusters[rows])
        count = int(groups.max()) + 1 if len(rows) else 0
        # Ranks are between 0 and 1; the first cluster of each class is in every share.
        ranks[rows] = generator.permutation(count)[groups] / max(count, 1)
    # A cluster of several classes has its lowest rank.
    lowest = np.full(int(clusters.max()) + 1, np.inf)
    np.minimum.at(lowest, clusters, ranks)
    for share in SHARES:
        yield np.flatnonzero(lowest[clusters] < share)


def learning_curve(
    images: Part,
    predicted: Ints,
    labels: int,
    *,
    shared: int,
    fitted: int,
    seed: int,
    predict: Predict,
) -> LearningCurve | None:
    """Fit models to growing shares of the images, and measure them on unseen images.

    Args:
        images: The training and validation images.
        predicted: Class of each image as predicted by a model that has not seen it, which is the
            last point; -1 without such a prediction.
        labels: Number of classes.
        shared: Number of first images that the shares are drawn from: all with cross-fitting, else
            the training split.
        fitted: Number of images that each model of the last point was fitted to.
        seed: The seed of :func:`nested_rows`.
        predict: Fits a model to rows of the images, and predicts other rows.

    Returns:
        The curve; ``None`` if all shares consist of the same images, since there are few clusters.
    """
    shares = list(nested_rows(images.take(np.arange(shared)), labels, seed=seed))
    held_out = predicted >= 0
    held_out[shares[-1]] = False
    others = np.flatnonzero(held_out)
    if not others.size or len(shares[-1]) >= fitted:
        return None
    actual = images.targets[others]
    groups = images.rows["cluster"].astype(str).to_numpy()[others]
    # The same images, if few clusters make shares equal, are fitted once.
    sizes = {len(rows): rows for rows in shares}
    right = [predict(rows, others) == actual for rows in sizes.values()] + [
        predicted[others] == actual
    ]
    points = []
    for count, hits in zip([*sizes, fitted], right, strict=True):
        low, high = accuracy_interval(hits, groups, draws=_DRAWS, confidence=_CONFIDENCE)
        points.append(LearningPoint(count / shared, count, float(hits.mean()), low, high))
    last = slice(-_GROWTH_POINTS, None)
    return LearningCurve(
        tuple(points), _growth(points[last], np.array(right[last]), group_numbers(groups))
    )


def _growth(points: Sequence[LearningPoint], right: Bools, groups: Groups) -> Growth:
    doublings = np.log2([point.images for point in points])
    doublings = doublings - doublings.mean()
    slope = doublings / (doublings @ doublings)
    if (right == right[0]).all():
        # The bootstrap has no variance where no image differs; use the exact binomial limit.
        limit = 1 - unanimous_limit(int(groups.max()) + 1, _CONFIDENCE)
        return Growth(0.0, round(-limit, 6), round(limit, 6))
    low, high = mean_limits(slope @ right, groups, draws=_DRAWS, confidence=_CONFIDENCE)
    gain = float(slope @ [point.accuracy for point in points])
    # Rounding removes rests of 1e-15; adding 0 turns -0.0 into 0.0.
    return Growth(*(round(value, 6) + 0.0 for value in (gain, low, high)))


def learning_curve_csv(curve: LearningCurve | None) -> str:
    """Return one line per point, with six significant digits and Unix line ends.

    Without a curve, only the header.
    """
    lines = ["images,share,accuracy,low,high"]
    for point in curve.points if curve else ():
        figures = significant([point.images, point.share, point.accuracy, point.low, point.high])
        lines.append(",".join(map(str, figures)))
    return "\n".join(lines) + "\n"
