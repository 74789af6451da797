"""What a comparison of two models is made from, whatever they answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.params import EvaluateParams
from pixmill.experiments.compare.answers import SplitAnswers
from pixmill.experiments.compare.comparison import Revision
from pixmill.metrics.arrays import Floats

DIGITS = 12
"""Digits of rounded values: equal values may differ by 1e-17, as sums in another order."""


@dataclass(frozen=True)
class Pair:
    """Predictions of two models on the same images.

    Args:
        revisions: Base and head.
        labels: Classes, those that both know first; or the labels of a comparison.
        shared: Number of those that both know.
        before: Predictions of the base.
        after: Predictions of the head, whose targets count.
        clusters: Cluster of each image.
        evaluate: Confidence level, number of draws, and k of the top-k accuracy.
        width: As for :func:`pixmill.metrics.significance.paired_differences`.
    """

    revisions: tuple[Revision, Revision]
    labels: tuple[str, ...]
    shared: int
    before: SplitAnswers
    after: SplitAnswers
    clusters: npt.NDArray[np.object_]
    evaluate: EvaluateParams
    width: float = 1.0

    @property
    def values(self) -> tuple[Floats, Floats]:
        """Probabilities of both."""
        return self.before.values, self.after.values


def sort_flips(table: pd.DataFrame) -> pd.DataFrame:
    """Return flips in the order of :attr:`.Numbers.flips`, with its columns."""
    wrong = table["base_loss"].where(table["gained"], table["head_loss"])
    table = table.assign(wrong=wrong).sort_values(
        ["gained", "wrong", "id"], ascending=[True, False, True]
    )
    order = [
        f"{revision}_{what}"
        for what in ("predicted", "confidence", "loss")
        for revision in ("base", "head")
    ]
    return table[["id", "label", *order, "gained"]].reset_index(drop=True)
