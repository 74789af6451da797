"""Models that answer with one class an image: how they are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.params import EvaluateParams
from pixmill.experiments.compare.answers import SplitAnswers, clusters_of
from pixmill.experiments.compare.comparison import Revision
from pixmill.metrics.arrays import Bools, Floats, Groups, Ints
from pixmill.metrics.confidence import coverage_curve, reliability
from pixmill.metrics.probabilities import losses
from pixmill.metrics.resampling import CROSS_FITTING_WIDTH, weighted_scores
from pixmill.metrics.scores import class_scores
from pixmill.metrics.significance import (
    Difference,
    mcnemar,
    paired_coverage,
    paired_differences,
)

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


class ClassScoring:
    """One class an image."""

    def differences(self, pair: Pair) -> tuple[dict[str, Difference], list[Difference | None]]:
        """Return the differences, by F1 of each class."""
        evaluate = pair.evaluate
        overall, of_class = paired_differences(
            pair.after.actual,
            *pair.values,
            pair.clusters,
            draws=evaluate.draws,
            confidence=evaluate.confidence,
            # With k classes, the top-k accuracy is always 1.
            top_k=evaluate.top_k if evaluate.top_k < pair.shared else None,
            averaged=pair.shared,
            width=pair.width,
        )
        return overall, of_class[: pair.shared]

    def own(self, answers: SplitAnswers, labels: Sequence[str]) -> Mapping[str, dict[str, Any]]:
        """Return the scores of each class."""
        return class_scores(answers.actual, answers.said, labels)

    def details(self, pair: Pair) -> dict[str, Any]:
        """Return further fields of :class:`.Numbers`; ``metrics`` are added to the others."""
        actual = pair.after.actual
        metrics, remark = _compare_coverage(pair)
        return {
            "metrics": metrics,
            "remark": remark,
            "mcnemar": mcnemar(*pair.right),
            "confusion": tuple(
                _confusion(actual, each.said, len(pair.labels))
                for each in (pair.before, pair.after)
            ),
            "reliability": tuple(reliability(actual, each) for each in pair.values),
            "coverage": tuple(
                coverage_curve(each.max(axis=1), correct)
                for each, correct in zip(pair.values, pair.right, strict=True)
            ),
        }

    def flips(self, pair: Pair) -> pd.DataFrame:
        """Return the images that only one model predicts correctly."""
        names = np.asarray(pair.labels, dtype=object)
        columns = {"id": pair.ids, "label": np.asarray(pair.labels)[pair.after.actual]}
        for name, side in (("base", pair.before), ("head", pair.after)):
            columns[f"{name}_predicted"] = names[side.said]
            columns[f"{name}_confidence"] = side.values.max(axis=1)
            columns[f"{name}_loss"] = losses(side.actual, side.values)
        table = pd.DataFrame(columns)
        table["gained"] = table["head_predicted"] == table["label"]
        return sort_flips(table[table["gained"] != (table["base_predicted"] == table["label"])])

    def measure(
        self,
        metric: str,
        answers: SplitAnswers,
        groups: Groups,
        weights: Sequence[Floats] = (),
        averaged: int | None = None,
    ) -> tuple[float | None, Floats]:
        """Return a metric, ``None`` if it is undefined, and its values with weighted groups.

        Args:
            metric: Name of the metric.
            answers: Predictions of a model.
            groups: Group of each image, shape (images,).
            weights: Weights of the groups, each of shape (groups, draws). Default: none.
            averaged: As for :func:`pixmill.metrics.scores.scores`.
        """
        ones = np.ones((int(groups.max()) + 1, 1))
        areas = metric in ("roc_auc", "pr_auc")
        overall, _ = weighted_scores(
            answers.actual,
            answers.values,
            groups,
            [ones, *weights],
            areas=areas,
            averaged=averaged,
        )
        figure, *drawn = overall[metric]
        return None if np.isnan(figure) else round(float(figure), DIGITS), np.asarray(drawn)

    def deciding(self, metric: str, answers: SplitAnswers) -> Floats:
        """Return the part of each prediction that a metric depends on, in one or more columns."""
        if metric in ("accuracy", "balanced_accuracy"):
            return answers.right.astype(np.float64)
        is_f1 = metric in ("macro_f1", "weighted_f1")
        return answers.said.astype(np.float64) if is_f1 else answers.values


def find_answered(revision: Revision, ids: pd.Index, values: Floats) -> Bools | None:
    """Return which images a model answers: not below its threshold, nor unlike its training images.

    Args:
        revision: Revision with predictions.
        ids: Ids of the images.
        values: Calibrated probabilities, shape (images, classes).

    Returns:
        Mask of shape (images,); ``None`` if no threshold is recorded. A threshold of 0 means none,
        as in :class:`pixmill.metrics.Calibration`.
    """
    threshold = (revision.metrics or {}).get("threshold")
    predictions = revision.predictions
    if not threshold or predictions is None:
        return None
    answered: Bools = values.max(axis=1) >= threshold
    if "unlike" in predictions:
        answered &= ~ids.isin(predictions.loc[predictions["unlike"].eq(True), "id"])
    return answered


def _compare_coverage(pair: Pair) -> tuple[dict[str, Difference], str]:
    """Compare two models, each at its own threshold.

    Args:
        pair: Predictions of base and head.

    Returns:
        Coverage and covered accuracy by name, as
        :func:`pixmill.metrics.significance.paired_coverage` returns them, and an empty remark.
        Nothing without both thresholds, and a remark if one model has a threshold.
    """
    revisions = pair.revisions
    values = pair.values
    first = find_answered(revisions[0], pair.ids, values[0])
    second = find_answered(revisions[1], pair.ids, values[1])
    if first is None or second is None:
        lacking = "base" if first is None else "head"
        remark = (
            f"Coverage is not compared: plots/evaluate/full.json of the {lacking} has no "
            "confidence threshold."
        )
        return {}, "" if first is second else remark
    thresholds = [(revision.metrics or {}).get("threshold") for revision in revisions]
    same = (
        thresholds[0] == thresholds[1]
        and np.array_equal(values[0], values[1])
        and np.array_equal(first, second)
    )
    found = paired_coverage(
        pair.right,
        (first, second),
        pair.clusters,
        draws=pair.evaluate.draws,
        confidence=pair.evaluate.confidence,
        identical=same,
        width=pair.width,
    )
    return found, ""


def _confusion(actual: Ints, predicted: Ints, classes: int) -> Ints:
    cells = np.bincount(actual * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)
