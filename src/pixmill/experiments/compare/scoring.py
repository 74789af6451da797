"""What a comparison of two models is made from, whatever they answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.params import EvaluateParams
from pixmill.experiments.compare.answers import SplitAnswers, clusters_of
from pixmill.experiments.compare.comparison import Revision
from pixmill.metrics.arrays import Bools, Floats
from pixmill.metrics.resampling import CROSS_FITTING_WIDTH

DIGITS = 12
"""Digits of rounded values: equal values may differ by 1e-17, as sums in another order."""


@dataclass(frozen=True)
class Pair:
    """Predictions of two models on the images that both held out.

    Args:
        revisions: Base and head.
        labels: Classes, those that both know first; or the labels that both know.
        shared: Number of those that both know.
        own: Predictions of each on its own images.
        ids: The common images.
        tested: Those that are test images of both.
        crossed: Whether both have cross-fitted predictions.
        evaluate: Confidence level, number of draws, and k of the top-k accuracy.
    """

    revisions: tuple[Revision, Revision]
    labels: tuple[str, ...]
    shared: int
    own: tuple[SplitAnswers, SplitAnswers]
    ids: pd.Index
    tested: pd.Index
    crossed: bool
    evaluate: EvaluateParams

    @cached_property
    def after(self) -> SplitAnswers:
        """Predictions of the head on the common images."""
        return self.own[1].at(self.ids)

    @cached_property
    def before(self) -> SplitAnswers:
        """Those of the base, with the targets of the head."""
        return self.own[0].at(self.ids).with_targets(self.after.actual)

    @property
    def values(self) -> tuple[Floats, Floats]:
        """Probabilities of both."""
        return self.before.values, self.after.values

    @property
    def right(self) -> tuple[Bools, Bools]:
        """Which images each has right."""
        return self.before.right, self.after.right

    @cached_property
    def clusters(self) -> npt.NDArray[np.object_]:
        """Cluster of each image."""
        base, head = self.revisions
        return clusters_of((head.manifest, base.manifest), self.ids)

    @property
    def width(self) -> float:
        """As for :func:`pixmill.metrics.significance.paired_differences`."""
        return CROSS_FITTING_WIDTH if self.crossed else 1.0

    @property
    def image(self) -> str:
        """The name of a common image, within a sentence."""
        return "held-out image" if self.crossed else "test image"


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
