"""Differences between two models with several labels an image, on the same images."""

import numpy as np

from pixmill.metrics.arrays import ArrayLike
from pixmill.metrics.cells import CellAnswers
from pixmill.metrics.resampling import group_numbers
from pixmill.metrics.significance import Difference, Pairing


def paired_cell_differences(
    first: CellAnswers,
    second: CellAnswers,
    groups: ArrayLike,
    *,
    draws: int,
    confidence: float,
    width: float = 1.0,
) -> tuple[dict[str, Difference], list[Difference | None]]:
    """Return the differences between the metrics of two models, and by label.

    Limits and p-values are as in :func:`pixmill.metrics.significance.paired_differences`.

    Args:
        first: Answers of the first model.
        second: Those of the second model about the same cells.
        groups: Group of each image, shape (images,); near-duplicates share a group.
        draws: Number of bootstrap samples.
        confidence: Confidence level, > 0 and < 1, such as 0.95.
        width: As for :func:`pixmill.metrics.significance.paired_differences`.

    Returns:
        The defined metrics of :meth:`pixmill.metrics.cells.CellAnswers.scores` by name; and the
        average precision of each label, ``None`` without a known yes and a known no.

    >>> import numpy as np
    >>> cells = np.arange(80).reshape(40, 2) // 2 % 2
    >>> first = CellAnswers(cells, np.full((40, 2), 0.5), [0.5, 0.5])
    >>> second = CellAnswers(cells, np.where(cells == 1, 0.8, 0.2), [0.5, 0.5])
    >>> overall, of_labels = paired_cell_differences(
    ...     first, second, np.arange(40), draws=1000, confidence=0.95
    ... )
    >>> overall["exact_match"].first, overall["exact_match"].second, of_labels[1].low > 0
    (0.5, 1.0, True)
    """
    sides = (first, second)
    moved = first.known & (first.probabilities != second.probabilities)
    same = np.array_equal(first.probabilities, second.probabilities)
    identical = same and np.array_equal(first.thresholds, second.thresholds)
    pairing = Pairing(group_numbers(groups), confidence, identical, width)
    drawn = [side.resampled_scores(groups, draws=draws) for side in sides]
    overall = pairing.differences(
        [side.scores() for side in sides],
        [found for found, _ in drawn],
        {"exact_match": first.exact != second.exact, "loss": moved.any(axis=1)},
    )
    names = [str(place) for place in range(first.cells.shape[1])]
    before, after = (
        [row["average_precision"] for row in side.label_scores(names).values()] for side in sides
    )
    gaps = drawn[1][1]["average_precision"] - drawn[0][1]["average_precision"]
    columns = zip(before, after, gaps, moved.T, first.known.T, strict=True)
    of_labels = [
        pairing.difference(one, other, gap, differ, pairing.unobserved_share(known))
        for one, other, gap, differ, known in columns
    ]
    return overall, of_labels
