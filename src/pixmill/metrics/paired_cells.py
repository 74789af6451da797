"""Differences between two models with several labels an image, on the same images."""

from collections.abc import Sequence

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Floats, Ints
from pixmill.metrics.cells import cell_scores, label_scores, resampled_cell_scores
from pixmill.metrics.resampling import group_numbers
from pixmill.metrics.significance import Difference, Pairing

LABEL_METRIC = "average_precision"
"""The metric of a label."""


def paired_cell_differences(
    cells: Ints,
    probabilities: Sequence[Floats],
    thresholds: Sequence[Floats],
    groups: ArrayLike,
    *,
    draws: int,
    confidence: float,
    width: float = 1.0,
) -> tuple[dict[str, Difference], list[Difference | None]]:
    """Return the differences between the metrics of two models, and by label.

    Limits and p-values are as in :func:`pixmill.metrics.significance.paired_differences`.

    Args:
        cells: 1 for yes, 0 for no, -1 for unknown, shape (images, labels).
        probabilities: Probability of yes by each model, same shape.
        thresholds: Probability from which each model's answer is yes, by label.
        groups: Group of each image, shape (images,); near-duplicates share a group.
        draws: Number of bootstrap samples.
        confidence: Confidence level, > 0 and < 1, such as 0.95.
        width: As for :func:`pixmill.metrics.significance.paired_differences`.

    Returns:
        The defined metrics of :func:`pixmill.metrics.cells.cell_scores` by name; and the average
        precision of each label, ``None`` without a known yes and a known no.

    >>> import numpy as np
    >>> cells = np.arange(80).reshape(40, 2) // 2 % 2
    >>> first = np.full((40, 2), 0.5)
    >>> second = np.where(cells == 1, 0.8, 0.2)
    >>> overall, of_labels = paired_cell_differences(
    ...     cells, [first, second], [[0.5, 0.5]] * 2, np.arange(40), draws=1000, confidence=0.95
    ... )
    >>> overall["exact_match"].first, overall["exact_match"].second, of_labels[1].low > 0
    (0.5, 1.0, True)
    """
    sides = list(zip(probabilities, thresholds, strict=True))
    identical = all(np.array_equal(a, b) for a, b in (probabilities, thresholds))
    pairing = Pairing(group_numbers(groups), confidence, identical, width)
    drawn = [
        resampled_cell_scores(cells, values, groups, draws=draws, thresholds=limits)
        for values, limits in sides
    ]
    known = cells >= 0
    right = [(((values >= limits) == cells) | ~known).all(axis=1) for values, limits in sides]
    moved = known & (probabilities[0] != probabilities[1])
    overall = pairing.differences(
        [cell_scores(cells, *side) for side in sides],
        [found for found, _ in drawn],
        {"exact_match": right[0] != right[1], "loss": moved.any(axis=1)},
    )
    names = [str(place) for place in range(cells.shape[1])]
    first, second = (label_scores(cells, *side, names) for side in sides)
    gaps = drawn[1][1][LABEL_METRIC] - drawn[0][1][LABEL_METRIC]
    of_labels = [
        pairing.difference(
            first[name][LABEL_METRIC],
            second[name][LABEL_METRIC],
            gaps[place],
            moved[:, place],
            pairing.unobserved_share(known[:, place]),
        )
        for place, name in enumerate(names)
    ]
    return overall, of_labels
