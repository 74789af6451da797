"""The interface of what differs between tasks when models are compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.params import EvaluateParams
from pixmill.experiments.compare.answers import SplitAnswers
from pixmill.experiments.compare.comparison import ClassNumbers, LabelNumbers, Revision
from pixmill.metrics.many_models import SelectedValue
from pixmill.metrics.significance import Difference

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

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


Differences = tuple[dict[str, Difference], list[Difference | None]]
"""Differences of the metrics by name, and of the metric of each label."""


class Scoring(ABC):
    """What is measured of the models of a task, and how."""

    @abstractmethod
    def labels(
        self, both: Sequence[str], ours: Sequence[str], theirs: Sequence[str]
    ) -> tuple[str, ...]:
        """Return the labels of a comparison, those that both know first."""

    @abstractmethod
    def is_shared(self, actual: npt.NDArray[np.int64], shared: int) -> Bools:
        """Return for which images the right answer is among the first labels."""

    @abstractmethod
    def differences(self, pair: Pair) -> Differences:
        """Return the differences between the metrics of two models."""

    @abstractmethod
    def right(self, pair: Pair) -> tuple[Bools, Bools]:
        """Return which images base and head answer right."""

    @abstractmethod
    def classes(self, actual: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the class of each image, by which images are sliced; -1 for several labels."""

    @abstractmethod
    def of_labels(
        self, pair: Pair, found: Sequence[Difference | None]
    ) -> Mapping[str, ClassNumbers] | Mapping[str, LabelNumbers]:
        """Return the scores of each label that both know."""

    @abstractmethod
    def own(self, answers: SplitAnswers, labels: Sequence[str]) -> Mapping[str, dict[str, Any]]:
        """Return the scores of each label by one model."""

    @abstractmethod
    def details(self, pair: Pair, right: tuple[Bools, Bools]) -> dict[str, Any]:
        """Return further fields of :class:`.Numbers`; ``metrics`` are added to the others."""

    @abstractmethod
    def flips(
        self, before: SplitAnswers, after: SplitAnswers, labels: Sequence[str]
    ) -> pd.DataFrame:
        """Return the predictions that only one of two models has right."""

    @abstractmethod
    def value(self, metric: str, answers: SplitAnswers, averaged: int | None) -> float | None:
        """Return a metric of one model; ``None`` if it is undefined.

        Args:
            metric: Name of the metric.
            answers: Its predictions.
            averaged: As for :func:`pixmill.metrics.scores.scores`.
        """

    @abstractmethod
    def measure(
        self,
        metric: str,
        answers: SplitAnswers,
        groups: npt.NDArray[np.intp],
        weights: Sequence[Floats] = (),
    ) -> tuple[float | None, Floats]:
        """Return a metric, ``None`` if it is undefined, and its values with weighted groups.

        Args:
            metric: Name of the metric.
            answers: Predictions of a model.
            groups: Group of each image, shape (images,).
            weights: Weights of the groups, each of shape (groups, draws). Default: none.
        """

    @abstractmethod
    def deciding(self, metric: str, answers: SplitAnswers) -> Floats:
        """Return the part of each prediction that a metric depends on, in one or more columns."""

    @abstractmethod
    def selected(
        self,
        metric: str,
        answers: Sequence[SplitAnswers],
        groups: npt.NDArray[np.intp],
        *,
        draws: int,
        confidence: float,
        lower_is_better: bool,
    ) -> SelectedValue | None:
        """Return :func:`pixmill.metrics.many_models.selected_value`; ``None`` if it is unknown."""


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
