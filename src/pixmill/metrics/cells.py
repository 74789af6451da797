"""Metrics of yes or no for each label; unknown cells have no weight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Bools, Floats, Groups, Ints
from pixmill.metrics.confidence import BINS, confidence_bins
from pixmill.metrics.limits import class_limits, figure_limits, with_sides
from pixmill.metrics.resampling import (
    Drawn,
    bounded_draws,
    class_figures,
    group_numbers,
    group_weights,
    join,
    mean_defined,
    ranking_sums,
    weighted_areas,
)
from pixmill.metrics.scores import Figures, number

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


@dataclass(frozen=True)
class CellAnswers:
    """What is known of images, and a model's answers.

    Args:
        cells: 1 for yes, 0 for no, -1 for unknown, shape (images, labels).
        probabilities: Calibrated probability of yes, same shape.
        thresholds: Probability from which the answer is yes, by label.
    """

    cells: Ints
    probabilities: Floats
    thresholds: ArrayLike

    @cached_property
    def known(self) -> Bools:
        """Which cells are known."""
        return np.asarray(self.cells >= 0)

    @cached_property
    def yes(self) -> Bools:
        """Which answers are yes."""
        return np.asarray(self.probabilities >= np.asarray(self.thresholds))

    @cached_property
    def right(self) -> Bools:
        """Which answers are those of the cells; none that is yes if the cell is unknown."""
        return np.asarray(self.yes == (self.cells == 1))

    @cached_property
    def certainty(self) -> Floats:
        """Probability of each answer."""
        return np.where(self.yes, self.probabilities, 1 - self.probabilities)

    @property
    def exact(self) -> Bools:
        """Of which images all known cells are right."""
        return np.asarray((self.right | ~self.known).all(axis=1))

    def scores(self) -> Figures:
        """Return the metrics over all labels; ``None`` where undefined.

        Returns:
            ``mean_average_precision``, the unweighted mean over labels with a known yes and a known
            no; ``exact_match``, the share of images whose known cells are all right; ``log_loss``,
            the mean binary cross-entropy of known cells in nats; ``ece`` over known cells, by the
            probability of the answer; ``n``, the number of images with a known cell.
        """
        figures: Figures = {name: number(drawn[0]) for name, drawn in self._once[0].items()}
        return figures | {"n": int(self.known.any(axis=1).sum())}

    def label_scores(self, labels: Sequence[str]) -> dict[str, Figures]:
        """Return the metrics of each label.

        Those are ``precision``, ``recall``, ``f1``, ``average_precision``, ``support`` (known yes)
        and ``known`` (known cells); ``None`` where undefined.

        Args:
            labels: The labels, in the order of the columns.
        """
        return {
            label: {
                **{name: number(column[place, 0]) for name, column in self._once[1].items()},
                "support": int((self.cells[:, place] == 1).sum()),
                "known": int(self.known[:, place].sum()),
            }
            for place, label in enumerate(labels)
        }

    def resampled_scores(self, groups: ArrayLike, *, draws: int) -> Drawn:
        """Return the metrics for bootstrap samples of the groups.

        The draws are those of :func:`pixmill.metrics.resampling.group_weights`, so for two models
        on the same images, draw i contains the same images.

        Args:
            groups: Group of each image, shape (images,); near-duplicates share a group.
            draws: Number of bootstrap samples; reduced for many cells, but not below 1,000.

        Returns:
            By name, those of :meth:`scores` but ``n``, shape (draws,), and those of
            :meth:`label_scores` but the counts, shape (labels, draws); NaN where a metric is
            undefined in a draw.
        """
        group_of = group_numbers(groups)
        draws = bounded_draws(draws, self.cells.size)
        return self._weighted(group_of, group_weights(int(group_of.max()) + 1, draws))

    def limited_scores(
        self, groups: ArrayLike, labels: Sequence[str], *, draws: int, confidence: float
    ) -> dict[str, Any]:
        """Return the result of :meth:`scores` with limits, and that of :meth:`label_scores`.

        The latter is under ``per_class``, with limits, too. They are as those of
        :func:`pixmill.metrics.limits.score_limits`, named ``<name>_low`` and ``<name>_high``.

        Args:
            groups: As for :meth:`resampled_scores`.
            labels: The labels, in the order of the columns.
            draws: As for :meth:`resampled_scores`.
            confidence: Confidence level, > 0 and < 1, such as 0.95.
        """
        figures = self.scores()
        rows = self.label_scores(labels)
        overall, of_labels = self.resampled_scores(groups, draws=draws)
        group_of = group_numbers(groups)
        claims = self.yes & self.known
        limits = class_limits(rows, of_labels, claims, self.cells == 1, group_of, confidence)
        count = int(group_of.max()) + 1
        pairs = {
            name: figure_limits(name, figures[name], drawn, count, confidence)
            for name, drawn in overall.items()
        }
        per_class = {label: row | with_sides(limits[label]) for label, row in rows.items()}
        return {**figures, **with_sides(pairs), "per_class": per_class}

    @cached_property
    def _once(self) -> Drawn:
        everyone = np.zeros(len(self.cells), np.int64)
        return self._weighted(everyone, [np.ones((1, 1))])

    def _weighted(self, group_of: Groups, weights: Iterable[Floats]) -> Drawn:
        """Return the metrics for counts of the groups, in chunks of shape (groups, draws)."""
        count = self.cells.shape[1]
        sums = self._sums(group_of)
        rankings = {}
        for place in np.flatnonzero(ranked_labels(self.cells)).tolist():
            known = self.known[:, place]
            rankings[place] = ranking_sums(
                self.cells[known, place] == 1, self.probabilities[known, place], group_of[known]
            )
        overall: list[dict[str, Floats]] = []
        of_labels: list[dict[str, Floats]] = []
        for drawn in weights:
            found = sums @ drawn
            images, exact, answers, loss = found[:_SINGLE]
            gaps = found[_SINGLE : _SINGLE + BINS]
            hits, support, claims = found[_SINGLE + BINS :].reshape(3, count, -1)
            average = np.full((count, drawn.shape[1]), np.nan)
            for place, ranking in rankings.items():
                # Groups without a known cell of the label after the last that has one.
                average[place] = weighted_areas(ranking, drawn[: ranking.shape[1]])[1]
            with np.errstate(invalid="ignore"):
                of_labels.append(
                    {**class_figures(hits, support, claims), "average_precision": average}
                )
                overall.append(
                    {
                        "mean_average_precision": mean_defined(average),
                        "exact_match": exact / images,
                        "log_loss": loss / answers,
                        "ece": np.abs(gaps).sum(axis=0) / answers,
                    }
                )
        return join(overall), join(of_labels)

    def _sums(self, group_of: Groups) -> Floats:
        """Return sums by group, shape (rows, groups), which determine all metrics but areas."""
        known = self.known
        yes = self.cells == 1
        gaps = np.zeros((len(known), BINS))
        places = (np.nonzero(known)[0], confidence_bins(self.certainty[known]))
        np.add.at(gaps, places, (self.right - self.certainty)[known])
        some = known.any(axis=1)
        columns = np.column_stack(
            [
                some,
                some & self.exact,
                known.sum(axis=1),
                cell_losses(self.cells, self.probabilities).sum(axis=1),
                gaps,
                yes & self.yes,
                yes,
                known & self.yes,
            ]
        ).astype(np.float64)
        sums = np.zeros((int(group_of.max()) + 1, columns.shape[1]))
        np.add.at(sums, group_of, columns)
        return sums.T
