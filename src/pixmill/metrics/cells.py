"""Metrics of yes or no for each label; unknown cells have no weight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Bools, Floats, Groups, Ints
from pixmill.metrics.confidence import BINS, confidence_bins
from pixmill.metrics.limits import class_limits, figure_limits, with_sides
from pixmill.metrics.resampling import (
    bounded_draws,
    group_numbers,
    group_weights,
    join,
    mean_defined,
    ranking_sums,
    weighted_areas,
)
from pixmill.metrics.scores import number

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_EPSILON = float(np.finfo(np.float64).eps)
"""Minimum probability in logarithms."""

_SINGLE = 4
"""Number of sums over all labels: images, exactly right ones, known cells, their loss."""


def cell_losses(cells: Ints, probabilities: ArrayLike) -> Floats:
    """Return the binary cross-entropy of each cell in nats; 0 for unknown ones.

    Args:
        cells: 1 for yes, 0 for no, -1 for unknown, shape (images, labels).
        probabilities: Probability of yes, same shape.
    """
    values = np.clip(np.asarray(probabilities, np.float64), _EPSILON, 1 - _EPSILON)
    losses: Floats = -np.log(np.where(cells == 1, values, 1 - values))
    losses[cells < 0] = 0
    return losses


def ranked_labels(cells: Ints) -> Bools:
    """Return which labels have a known yes and a known no, so an average precision."""
    found: Bools = (cells == 1).any(axis=0) & (cells == 0).any(axis=0)
    return found


def cell_scores(
    cells: Ints, probabilities: ArrayLike, thresholds: ArrayLike
) -> dict[str, float | int | None]:
    """Return the metrics of a split over all labels; ``None`` where undefined.

    Args:
        cells: 1 for yes, 0 for no, -1 for unknown, shape (images, labels).
        probabilities: Calibrated probability of yes, same shape.
        thresholds: Probability from which the answer is yes, by label.

    Returns:
        ``mean_average_precision``, the unweighted mean over labels with a known yes and a known
        no; ``exact_match``, the share of images whose known cells are all right; ``log_loss``, the
        mean binary cross-entropy of known cells in nats; ``ece`` over known cells, by the
        probability of the answer; ``n``, the number of images with a known cell.
    """
    found, _ = _once(cells, probabilities, thresholds)
    figures: dict[str, float | int | None] = {
        name: number(drawn[0]) for name, drawn in found.items()
    }
    return figures | {"n": int((np.asarray(cells) >= 0).any(axis=1).sum())}


def label_scores(
    cells: Ints, probabilities: ArrayLike, thresholds: ArrayLike, labels: Sequence[str]
) -> dict[str, dict[str, float | int | None]]:
    """Return the metrics of each label.

    Those are ``precision``, ``recall``, ``f1``, ``average_precision``, ``support`` (known yes) and
    ``known`` (known cells); ``None`` where undefined.

    Args:
        cells: As for :func:`cell_scores`.
        probabilities: As for :func:`cell_scores`.
        thresholds: As for :func:`cell_scores`.
        labels: The labels, in the order of the columns.
    """
    _, columns = _once(cells, probabilities, thresholds)
    return {
        label: {
            **{name: number(column[place, 0]) for name, column in columns.items()},
            "support": int((cells[:, place] == 1).sum()),
            "known": int((cells[:, place] >= 0).sum()),
        }
        for place, label in enumerate(labels)
    }


def resampled_cell_scores(
    cells: Ints,
    probabilities: ArrayLike,
    groups: ArrayLike,
    *,
    draws: int,
    thresholds: ArrayLike,
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return the metrics for bootstrap samples of the groups.

    The draws are those of :func:`pixmill.metrics.resampling.group_weights`, so for two models on
    the same images, draw i contains the same images.

    Args:
        cells: As for :func:`cell_scores`.
        probabilities: As for :func:`cell_scores`.
        groups: Group of each image, shape (images,); near-duplicates share a group.
        draws: Number of bootstrap samples; reduced for many cells, but not below 1,000.
        thresholds: As for :func:`cell_scores`.

    Returns:
        By name, those of :func:`cell_scores` but ``n``, shape (draws,), and those of
        :func:`label_scores` but the counts, shape (labels, draws); NaN where a metric is undefined
        in a draw.
    """
    group_of = group_numbers(groups)
    weights = group_weights(int(group_of.max()) + 1, bounded_draws(draws, cells.size))
    return _weighted(cells, probabilities, thresholds, group_of, weights)


def limited_cell_scores(
    cells: Ints,
    probabilities: ArrayLike,
    groups: ArrayLike,
    labels: Sequence[str],
    *,
    thresholds: ArrayLike,
    draws: int,
    confidence: float,
) -> dict[str, Any]:
    """Return the result of :func:`cell_scores` with limits, and that of :func:`label_scores`.

    The latter is under ``per_class``, with limits, too. They are as those of
    :func:`pixmill.metrics.limits.score_limits`, named ``<name>_low`` and ``<name>_high``.

    Args:
        cells: As for :func:`resampled_cell_scores`.
        probabilities: As for :func:`resampled_cell_scores`.
        groups: As for :func:`resampled_cell_scores`.
        labels: The labels, in the order of the columns.
        thresholds: As for :func:`resampled_cell_scores`.
        draws: As for :func:`resampled_cell_scores`.
        confidence: Confidence level, > 0 and < 1, such as 0.95.
    """
    figures = cell_scores(cells, probabilities, thresholds)
    rows = label_scores(cells, probabilities, thresholds, labels)
    overall, of_labels = resampled_cell_scores(
        cells, probabilities, groups, draws=draws, thresholds=thresholds
    )
    group_of = group_numbers(groups)
    claims = (np.asarray(probabilities) >= np.asarray(thresholds)) & (cells >= 0)
    limits = class_limits(rows, of_labels, claims, cells == 1, group_of, confidence)
    count = int(group_of.max()) + 1
    pairs = {
        name: figure_limits(name, figures[name], drawn, count, confidence)
        for name, drawn in overall.items()
    }
    per_class = {label: row | with_sides(limits[label]) for label, row in rows.items()}
    return {**figures, **with_sides(pairs), "per_class": per_class}


def _once(
    cells: Ints, probabilities: ArrayLike, thresholds: ArrayLike
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    everyone = np.zeros(len(cells), np.int64)
    return _weighted(cells, probabilities, thresholds, everyone, [np.ones((1, 1))])


def _weighted(
    cells: Ints,
    probabilities: ArrayLike,
    thresholds: ArrayLike,
    group_of: Groups,
    weights: Iterable[Floats],
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return the metrics for counts of the groups, in chunks of shape (groups, draws)."""
    values = np.asarray(probabilities, np.float64)
    count = values.shape[1]
    sums = _sums(cells, values, thresholds, group_of)
    rankings = {
        place: _ranking(cells[:, place], values[:, place], group_of)
        for place in np.flatnonzero(ranked_labels(cells)).tolist()
    }
    overall: list[dict[str, Floats]] = []
    of_labels: list[dict[str, Floats]] = []
    for drawn in weights:
        found = sums @ drawn
        images, exact, known, loss = found[:_SINGLE]
        gaps = found[_SINGLE : _SINGLE + BINS]
        hits, support, claims = found[_SINGLE + BINS :].reshape(3, count, -1)
        average = np.full((count, drawn.shape[1]), np.nan)
        for place, ranking in rankings.items():
            # Groups without a known cell of the label after the last that has one.
            average[place] = weighted_areas(ranking, drawn[: ranking.shape[1]])[1]
        with np.errstate(invalid="ignore"):
            of_labels.append(
                {
                    "precision": hits / claims,
                    "recall": hits / support,
                    "f1": 2 * hits / (support + claims),
                    "average_precision": average,
                }
            )
            overall.append(
                {
                    "mean_average_precision": mean_defined(average),
                    "exact_match": exact / images,
                    "log_loss": loss / known,
                    "ece": np.abs(gaps).sum(axis=0) / known,
                }
            )
    return join(overall), join(of_labels)


def _sums(cells: Ints, values: Floats, thresholds: ArrayLike, group_of: Ints) -> Floats:
    """Return sums by group, shape (rows, groups), which determine all metrics but areas."""
    known = cells >= 0
    answered = values >= np.asarray(thresholds)
    yes = cells == 1
    right = answered == yes
    certainty = np.where(answered, values, 1 - values)
    bin_of = confidence_bins(certainty)
    gaps = np.zeros((len(cells), BINS))
    rows = np.nonzero(known)[0]
    np.add.at(gaps, (rows, bin_of[known]), (right - certainty)[known])
    some = known.any(axis=1)
    columns = np.column_stack(
        [
            some,
            some & (right | ~known).all(axis=1),
            known.sum(axis=1),
            cell_losses(cells, values).sum(axis=1),
            gaps,
            yes & answered,
            yes,
            known & answered,
        ]
    ).astype(np.float64)
    sums = np.zeros((int(group_of.max()) + 1, columns.shape[1]))
    np.add.at(sums, group_of, columns)
    found: Floats = sums.T
    return found


def _ranking(cells: Ints, values: Floats, group_of: Groups) -> csr_array:
    known = cells >= 0
    return ranking_sums(cells[known] == 1, values[known], group_of[known])
