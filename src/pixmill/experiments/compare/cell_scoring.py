"""Models that answer yes or no for each label of an image: how they are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pixmill.experiments.compare.answers import SplitAnswers
from pixmill.experiments.compare.class_scoring import DIGITS, Pair, sort_flips
from pixmill.metrics.arrays import Floats, Groups
from pixmill.metrics.cells import CellAnswers, cell_losses
from pixmill.metrics.paired_cells import paired_cell_differences
from pixmill.metrics.significance import Difference


def _cells(answers: SplitAnswers) -> CellAnswers:
    return CellAnswers(answers.actual, answers.values, answers.thresholds)


class CellScoring:
    """Yes or no for each label; methods as of :class:`.ClassScoring`."""

    def differences(self, pair: Pair) -> tuple[dict[str, Difference], list[Difference | None]]:
        """Return the differences, by average precision of each label."""
        return paired_cell_differences(
            _cells(pair.before),
            _cells(pair.after),
            pair.clusters,
            draws=pair.evaluate.draws,
            confidence=pair.evaluate.confidence,
            width=pair.width,
        )

    def own(self, answers: SplitAnswers, labels: Sequence[str]) -> Mapping[str, dict[str, Any]]:
        """Return the scores of each label."""
        return _cells(answers).label_scores(labels)

    def details(self, pair: Pair) -> dict[str, Any]:  # noqa: ARG002 (classes have some)
        """Return no further fields."""
        return {}

    def flips(self, pair: Pair) -> pd.DataFrame:
        """Return the cells that only one model has right."""
        cells = pair.after.actual
        gained = pair.after.said == (cells == 1)
        rows, columns = np.nonzero((pair.after.said != pair.before.said) & (cells >= 0))
        table: dict[str, Any] = {
            "id": pair.ids[rows],
            "label": np.asarray(pair.labels, object)[columns],
            "gained": gained[rows, columns],
        }
        for name, side in (("base", pair.before), ("head", pair.after)):
            said = side.said[rows, columns]
            values = side.values[rows, columns]
            table[f"{name}_predicted"] = np.where(said, "yes", "no").astype(object)
            table[f"{name}_confidence"] = np.where(said, values, 1 - values)
            table[f"{name}_loss"] = cell_losses(cells, side.values)[rows, columns]
        return sort_flips(pd.DataFrame(table))

    def measure(
        self,
        metric: str,
        answers: SplitAnswers,
        groups: Groups,
        weights: Sequence[Floats] = (),
        averaged: int | None = None,  # noqa: ARG002 (classes need it)
    ) -> tuple[float | None, Floats]:
        """Return a metric and its values with weighted groups."""
        cells = _cells(answers)
        figure = cells.scores()[metric]
        drawn = np.empty(0)
        if weights:
            draws = sum(each.shape[1] for each in weights)
            drawn = cells.resampled_scores(groups, draws=draws)[0][metric]
        return None if figure is None else round(figure, DIGITS), drawn

    def deciding(self, metric: str, answers: SplitAnswers) -> Floats:
        """Return the known answers, or their probabilities."""
        given = answers.said if metric == "exact_match" else answers.values
        return np.where(answers.actual >= 0, given, 0).astype(np.float64)
