"""Models that answer with one class an image: how they are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.experiments.compare.answers import SplitAnswers
from pixmill.experiments.compare.comparison import ClassNumbers, Revision
from pixmill.experiments.compare.scoring import (
    DIGITS,
    Bools,
    Differences,
    Floats,
    Pair,
    Scoring,
    sort_flips,
)
from pixmill.metrics.confidence import coverage_curve, reliability
from pixmill.metrics.many_models import SelectedValue, selected_value
from pixmill.metrics.probabilities import losses
from pixmill.metrics.resampling import weighted_scores
from pixmill.metrics.scores import class_scores, scores
from pixmill.metrics.significance import (
    Difference,
    holm,
    paired_coverage,
    paired_differences,
)


class ClassScoring(Scoring):
    """One class an image."""

    def labels(
        self, both: Sequence[str], ours: Sequence[str], theirs: Sequence[str]
    ) -> tuple[str, ...]:
        """Return the classes of either: an answer with another's class is an error."""
        return tuple(dict.fromkeys([*both, *ours, *theirs]))

    def is_shared(self, actual: npt.NDArray[np.int64], shared: int) -> Bools:
        """Return which images are of one of the first classes."""
        return actual < shared

    def differences(self, pair: Pair) -> Differences:
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

    def right(self, pair: Pair) -> tuple[Bools, Bools]:
        """Return which images have the right class."""
        first, second = (each.argmax(axis=1) == pair.after.actual for each in pair.values)
        return first, second

    def classes(self, actual: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the classes."""
        return actual

    def of_labels(
        self, pair: Pair, found: Sequence[Difference | None]
    ) -> Mapping[str, ClassNumbers]:
        """Return the scores of each class that both know."""
        first, second = (each.argmax(axis=1) for each in pair.values)
        return _per_class(pair.after.actual, first, second, pair.labels, found)

    def own(self, answers: SplitAnswers, labels: Sequence[str]) -> Mapping[str, dict[str, Any]]:
        """Return the scores of each class."""
        return class_scores(answers.actual, answers.values.argmax(axis=1), labels)

    def details(self, pair: Pair, right: tuple[Bools, Bools]) -> dict[str, Any]:
        """Return confusion, reliability and coverage."""
        actual = pair.after.actual
        metrics, remark = _compare_coverage(pair, right)
        return {
            "metrics": metrics,
            "remark": remark,
            "confusion": tuple(
                _confusion(actual, each.argmax(axis=1), len(pair.labels)) for each in pair.values
            ),
            "reliability": tuple(reliability(actual, each) for each in pair.values),
            "coverage": tuple(
                coverage_curve(each.max(axis=1), correct)
                for each, correct in zip(pair.values, right, strict=True)
            ),
        }

    def flips(
        self, before: SplitAnswers, after: SplitAnswers, labels: Sequence[str]
    ) -> pd.DataFrame:
        """Return the images that only one model predicts correctly."""
        names = np.asarray(labels, dtype=object)
        columns = {"id": after.ids, "label": np.asarray(labels)[after.actual]}
        for name, values in (("base", before.values), ("head", after.values)):
            columns[f"{name}_predicted"] = names[values.argmax(axis=1)]
            columns[f"{name}_confidence"] = values.max(axis=1)
            columns[f"{name}_loss"] = losses(after.actual, values)
        table = pd.DataFrame(columns)
        table["gained"] = table["head_predicted"] == table["label"]
        return sort_flips(table[table["gained"] != (table["base_predicted"] == table["label"])])

    def value(self, metric: str, answers: SplitAnswers, averaged: int | None) -> float | None:
        """Return a metric."""
        return scores(answers.actual, answers.values, averaged=averaged)[metric]

    def measure(
        self,
        metric: str,
        answers: SplitAnswers,
        groups: npt.NDArray[np.intp],
        weights: Sequence[Floats] = (),
    ) -> tuple[float | None, Floats]:
        """Return a metric and its values with weighted groups."""
        ones = np.ones((int(groups.max()) + 1, 1))
        areas = metric in ("roc_auc", "pr_auc")
        overall, _ = weighted_scores(
            answers.actual, answers.values, groups, [ones, *weights], areas=areas
        )
        figure, *drawn = overall[metric]
        return None if np.isnan(figure) else round(float(figure), DIGITS), np.asarray(drawn)

    def deciding(self, metric: str, answers: SplitAnswers) -> Floats:
        """Return whether the class is right, the class, or its probabilities."""
        predicted = answers.values.argmax(axis=1)
        if metric in ("accuracy", "balanced_accuracy"):
            return np.asarray(predicted == answers.actual, np.float64)
        is_f1 = metric in ("macro_f1", "weighted_f1")
        return predicted.astype(np.float64) if is_f1 else answers.values

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
        """Return the expected metric of the best model."""
        return selected_value(
            metric,
            answers[0].actual,
            [each.values for each in answers],
            groups,
            draws=draws,
            confidence=confidence,
            lower_is_better=lower_is_better,
        )


def find_answered(
    revision: Revision, ids: pd.Index, values: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_] | None:
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
    answered: npt.NDArray[np.bool_] = values.max(axis=1) >= threshold
    if "unlike" in predictions:
        answered &= ~ids.isin(predictions.loc[predictions["unlike"].eq(True), "id"])
    return answered


def _compare_coverage(pair: Pair, right: tuple[Bools, Bools]) -> tuple[dict[str, Difference], str]:
    """Compare two models, each at its own threshold.

    Args:
        pair: Predictions of base and head.
        right: Mask of correct predictions of base and head, shape (images,).

    Returns:
        Coverage and covered accuracy by name, as
        :func:`pixmill.metrics.significance.paired_coverage` returns them, and an empty remark.
        Nothing without both thresholds, and a remark if one model has a threshold.
    """
    revisions = pair.revisions
    values = pair.values
    ids = pair.after.ids
    first = find_answered(revisions[0], ids, values[0])
    second = find_answered(revisions[1], ids, values[1])
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
        right,
        (first, second),
        pair.clusters,
        draws=pair.evaluate.draws,
        confidence=pair.evaluate.confidence,
        identical=same,
        width=pair.width,
    )
    return found, ""


def _per_class(
    actual: npt.NDArray[np.int64],
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64],
    labels: Sequence[str],
    f1: Sequence[Difference | None],
) -> dict[str, ClassNumbers]:
    before = class_scores(actual, first, labels)
    after = class_scores(actual, second, labels)
    adjusted = iter(holm([row.p for row in f1 if row is not None]).tolist())
    return {
        label: ClassNumbers(
            support=int(after[label]["support"] or 0),
            precision=(before[label]["precision"], after[label]["precision"]),
            recall=(before[label]["recall"], after[label]["recall"]),
            f1=row,
            p_adjusted=None if row is None else next(adjusted),
        )
        for label, row in zip(labels, f1, strict=False)  # those that both know
    }


def _confusion(
    actual: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.int64]:
    cells = np.bincount(actual * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)
