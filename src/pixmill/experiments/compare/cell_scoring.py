"""Models that answer yes or no for each label of an image: how they are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.cells import UNKNOWN, YES
from pixmill.experiments.compare.answers import SplitAnswers
from pixmill.experiments.compare.comparison import LabelNumbers
from pixmill.experiments.compare.scoring import (
    DIGITS,
    Bools,
    Differences,
    Floats,
    Pair,
    Scoring,
    sort_flips,
)
from pixmill.metrics.cells import cell_losses, cell_scores, label_scores, resampled_cell_scores
from pixmill.metrics.many_models import SelectedValue
from pixmill.metrics.paired_cells import paired_cell_differences
from pixmill.metrics.significance import Difference, holm


class CellScoring(Scoring):
    """Yes or no for each label; unknown cells have no weight."""

    def labels(
        self,
        both: Sequence[str],
        ours: Sequence[str],  # noqa: ARG002 (another's label does not affect these)
        theirs: Sequence[str],  # noqa: ARG002
    ) -> tuple[str, ...]:
        """Return the labels that both know."""
        return tuple(both)

    def is_shared(self, actual: npt.NDArray[np.int64], shared: int) -> Bools:
        """Return which images have a known cell."""
        known: Bools = (actual[:, :shared] != UNKNOWN).any(axis=1)
        return known

    def differences(self, pair: Pair) -> Differences:
        """Return the differences, by average precision of each label."""
        return paired_cell_differences(
            pair.after.actual,
            pair.values,
            (_limits(pair.before), _limits(pair.after)),
            pair.clusters,
            draws=pair.evaluate.draws,
            confidence=pair.evaluate.confidence,
            width=pair.width,
        )

    def right(self, pair: Pair) -> tuple[Bools, Bools]:
        """Return which images are exactly right."""
        cells = pair.after.actual
        first, second = (
            ((_said(each) == (cells == YES)) | (cells == UNKNOWN)).all(axis=1)
            for each in (pair.before, pair.after)
        )
        return first, second

    def classes(self, actual: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return that images have no class."""
        return np.full(len(actual), -1)

    def of_labels(
        self, pair: Pair, found: Sequence[Difference | None]
    ) -> Mapping[str, LabelNumbers]:
        """Return the scores of each label."""
        cells = pair.after.actual
        before = self.own(pair.before.with_targets(cells), pair.labels)
        after = self.own(pair.after, pair.labels)
        adjusted = iter(holm([row.p for row in found if row is not None]).tolist())
        return {
            label: LabelNumbers(
                support=after[label]["support"],
                known=after[label]["known"],
                precision=(before[label]["precision"], after[label]["precision"]),
                recall=(before[label]["recall"], after[label]["recall"]),
                average_precision=row,
                p_adjusted=None if row is None else next(adjusted),
            )
            for label, row in zip(pair.labels, found, strict=True)
        }

    def own(self, answers: SplitAnswers, labels: Sequence[str]) -> Mapping[str, dict[str, Any]]:
        """Return the scores of each label."""
        return label_scores(answers.actual, answers.values, _limits(answers), labels)

    def details(self, pair: Pair, right: tuple[Bools, Bools]) -> dict[str, Any]:  # noqa: ARG002 (classes have some)
        """Return no further fields."""
        return {"metrics": {}}

    def flips(
        self, before: SplitAnswers, after: SplitAnswers, labels: Sequence[str]
    ) -> pd.DataFrame:
        """Return the cells that only one model has right."""
        cells = after.actual
        gained = _said(after) == (cells == YES)
        rows, columns = np.nonzero((_said(after) != _said(before)) & (cells != UNKNOWN))
        table: dict[str, Any] = {
            "id": after.ids[rows],
            "label": np.asarray(labels, object)[columns],
            "gained": gained[rows, columns],
        }
        for name, side in (("base", before), ("head", after)):
            said = _said(side)[rows, columns]
            values = side.values[rows, columns]
            table[f"{name}_predicted"] = np.where(said, "yes", "no").astype(object)
            table[f"{name}_confidence"] = np.where(said, values, 1 - values)
            table[f"{name}_loss"] = cell_losses(cells, side.values)[rows, columns]
        return sort_flips(pd.DataFrame(table))

    def value(self, metric: str, answers: SplitAnswers, averaged: int | None) -> float | None:  # noqa: ARG002 (classes need it)
        """Return a metric."""
        return cell_scores(answers.actual, answers.values, _limits(answers))[metric]

    def measure(
        self,
        metric: str,
        answers: SplitAnswers,
        groups: npt.NDArray[np.intp],
        weights: Sequence[Floats] = (),
    ) -> tuple[float | None, Floats]:
        """Return a metric and its values with weighted groups."""
        figure = self.value(metric, answers, None)
        drawn = np.empty(0)
        if weights:
            drawn = resampled_cell_scores(
                answers.actual,
                answers.values,
                groups,
                draws=sum(each.shape[1] for each in weights),
                thresholds=_limits(answers),
            )[metric]
        return None if figure is None else round(figure, DIGITS), drawn

    def deciding(self, metric: str, answers: SplitAnswers) -> Floats:
        """Return the answers, or their probabilities."""
        return _said(answers).astype(np.float64) if metric == "exact_match" else answers.values

    def selected(
        self,
        metric: str,  # noqa: ARG002
        answers: Sequence[SplitAnswers],  # noqa: ARG002
        groups: npt.NDArray[np.intp],  # noqa: ARG002
        *,
        draws: int,  # noqa: ARG002
        confidence: float,  # noqa: ARG002
        lower_is_better: bool,  # noqa: ARG002
    ) -> SelectedValue | None:
        """Return that it is unknown."""
        return None


def _limits(answers: SplitAnswers) -> Floats:
    assert answers.thresholds is not None
    return answers.thresholds


def _said(answers: SplitAnswers) -> Bools:
    """Return which answers are yes."""
    said: Bools = answers.values >= _limits(answers)
    return said
