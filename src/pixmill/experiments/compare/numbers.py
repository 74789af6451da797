"""Metrics of both models on the common images, with their significance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.params import CompareParams, EvaluateParams
from pixmill.core.words import count
from pixmill.evaluate.predictions import is_cross_fitted
from pixmill.experiments.compare.answers import (
    Images,
    SplitAnswers,
    classes_of,
    clusters_of,
    describe_classes,
    name_of,
    predictions_of,
    split_answers,
)
from pixmill.experiments.compare.comparison import (
    ClassNumbers,
    NotComparableError,
    Numbers,
    Revision,
    SliceNumbers,
    Step,
)
from pixmill.experiments.compare.slices import compare_slices
from pixmill.metrics.confidence import coverage_curve, reliability
from pixmill.metrics.probabilities import losses
from pixmill.metrics.resampling import CROSS_FITTING_WIDTH
from pixmill.metrics.scores import class_scores, scores
from pixmill.metrics.significance import (
    Difference,
    holm,
    mcnemar,
    paired_coverage,
    paired_differences,
)

LOWER_IS_BETTER = frozenset({"log_loss", "ece"})
"""Metrics whose best value is the lowest."""

METRIC_NAMES = {
    "macro_f1": "macro-F1",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "weighted_f1": "weighted F1",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "log_loss": "log loss",
    "ece": "calibration error",
    "coverage": "coverage",
    "covered_accuracy": "covered accuracy",
}
"""Display names of the metrics, within a sentence."""


@dataclass(frozen=True)
class _Common:
    """The classes of either, those that both know first; predictions of both.

    And the common images.

    ``crossed`` states whether both have cross-fitted predictions; ``tested`` are the test images
    among the common ones.
    """

    labels: tuple[str, ...]
    shared: int
    before: SplitAnswers
    after: SplitAnswers
    ids: pd.Index
    tested: pd.Index
    crossed: bool

    @property
    def image(self) -> str:
        """The name of a common image, within a sentence."""
        return "held-out image" if self.crossed else "test image"


def compare_numbers(
    base: Revision, head: Revision, settings: CompareParams, evaluate: EvaluateParams
) -> Numbers:
    """Compare both models on the images that both held out and whose class both know.

    These are the test images of both, unless both have cross-fitted predictions of training images.

    Args:
        base: Revision to compare with.
        head: Revision under review; its order of classes is used.
        settings: Deciding metric and margin.
        evaluate: Confidence level, number of draws, and k of the top-k accuracy.

    Raises:
        NotComparableError: Predictions of a revision are missing or damaged, fewer than two classes
            are in both, no image is held out by both, or the deciding metric is undefined on these
            images.
    """
    found = _common_images(base, head)
    labels = found.labels
    shared = found.shared
    ids = found.ids
    own = found.before.at(ids)
    common = found.after.at(ids)
    actual = common.actual
    first = own.values
    second = common.values
    # With k classes, the top-k accuracy is always 1.
    top_k = evaluate.top_k if evaluate.top_k < shared else None
    clusters = clusters_of((head.manifest, base.manifest), ids)
    level = evaluate.confidence
    difference = partial(
        paired_differences, draws=evaluate.draws, confidence=level, averaged=shared
    )
    width = CROSS_FITTING_WIDTH if found.crossed else 1.0
    overall, of_class = difference(actual, first, second, clusters, top_k=top_k, width=width)
    if settings.metric not in overall:
        raise NotComparableError(
            f"Not comparable: {METRIC_NAMES[settings.metric]} is undefined on the "
            f"{count(len(ids), found.image)} of both {name_of(base)} and {name_of(head)}."
        )
    on_test = None
    if 0 < len(found.tested) < len(ids):
        rows = ids.get_indexer(found.tested)
        tested, _ = difference(actual[rows], first[rows], second[rows], clusters[rows])
        on_test = tested.get(settings.metric)
    predicted = (first.argmax(axis=1), second.argmax(axis=1))
    right = (predicted[0] == actual, predicted[1] == actual)
    slices: tuple[SliceNumbers, ...] = ()
    if not np.array_equal(first, second):
        slices = compare_slices(
            actual, right, clusters, head.manifest, ids, labels, confidence=level, width=width
        )
    answered, remark = _compare_coverage(
        (base, head), ids, (first, second), right, clusters, evaluate, width
    )
    return Numbers(
        labels=labels,
        n=len(ids),
        clusters=len(np.unique(clusters)),
        metric=settings.metric,
        margin=settings.margin,
        confidence=level,
        metrics={**overall, **answered},
        per_class=_per_class(actual, *predicted, labels, of_class[:shared]),
        mcnemar=mcnemar(*right),
        steps=_steps(found, settings.metric),
        confusion=(
            _confusion(actual, predicted[0], len(labels)),
            _confusion(actual, predicted[1], len(labels)),
        ),
        flips=_flips(common, first, labels),
        reliability=(reliability(actual, first), reliability(actual, second)),
        coverage=(
            coverage_curve(first.max(axis=1), right[0]),
            coverage_curve(second.max(axis=1), right[1]),
        ),
        remark=remark,
        slices=slices,
        own_classes=(*_own_classes("head", head, found), *_own_classes("base", base, found)),
        image=found.image,
        cross_validated=len(ids) - len(found.tested),
        on_test=on_test,
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


def _compare_coverage(
    revisions: Sequence[Revision],
    ids: pd.Index,
    values: Sequence[npt.NDArray[np.float64]],
    right: Sequence[npt.NDArray[np.bool_]],
    clusters: npt.ArrayLike,
    evaluate: EvaluateParams,
    width: float = 1.0,
) -> tuple[dict[str, Difference], str]:
    """Compare two models, each at its own threshold.

    Args:
        revisions: Base and head.
        ids: Ids of the common images.
        values: Calibrated probabilities of base and head, shape (images, classes).
        right: Mask of correct predictions of base and head, shape (images,).
        clusters: Cluster of each image.
        evaluate: Confidence level and number of draws.
        width: As for :func:`pixmill.metrics.significance.paired_differences`.

    Returns:
        Coverage and covered accuracy by name, as
        :func:`pixmill.metrics.significance.paired_coverage` returns them, and an empty remark.
        Nothing without both thresholds, and a remark if one model has a threshold.
    """
    answered = [find_answered(*each) for each in zip(revisions, (ids, ids), values, strict=True)]
    first, second = answered
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
    draws = evaluate.draws
    level = evaluate.confidence
    found = paired_coverage(
        right, (first, second), clusters, draws=draws, confidence=level, identical=same, width=width
    )
    return found, ""


def find_flips(base: Revision, head: Revision) -> pd.DataFrame:
    """Return :attr:`.Numbers.flips` without computing metrics.

    Args:
        base: Revision to compare with; only predictions are used.
        head: Revision under review; only predictions are used.

    Raises:
        NotComparableError: Predictions of a revision are missing or damaged, fewer than two classes
            are in both, or no image is held out by both.
    """
    found = _common_images(base, head)
    return _flips(found.after.at(found.ids), found.before.at(found.ids).values, found.labels)


def _common_images(base: Revision, head: Revision) -> _Common:
    """Return classes, predictions, and the ids of the common images whose class both know."""
    theirs = classes_of(base)
    ours = classes_of(head)
    both = [label for label in ours if label in theirs]
    alone = describe_classes((f"{name_of(base)} has", theirs), (f"{name_of(head)} has", ours))
    if len(both) < 2:
        raise NotComparableError(f"Not comparable: fewer than two classes are in both; {alone}.")
    labels = tuple(dict.fromkeys([*both, *ours, *theirs]))
    tables = [predictions_of(base), predictions_of(head)]
    crossed = all(map(is_cross_fitted, tables))
    images: Images = "held out" if crossed else "test"
    before = split_answers(base, labels, images)
    after = split_answers(head, labels, images)
    ids = after.ids.intersection(before.ids).sort_values()
    ids = ids[after.at(ids).actual < len(both)]
    if ids.empty:
        image = "image of the classes that both know" if alone else "image"
        where = "held out by" if crossed else "in the test split of"
        raise NotComparableError(
            f"Not comparable: no {image} is {where} both {name_of(base)} and {name_of(head)}."
        )
    tested = ids
    for table in tables:
        tested = tested[tested.isin(table.loc[table["split"] == "test", "id"])]
    return _Common(labels, len(both), before, after, ids, tested, crossed)


def _own_classes(side: str, revision: Revision, found: _Common) -> list[dict[str, Any]]:
    """Return the scores of the classes that only this revision knows, on its own images."""
    own = classes_of(revision)
    answers = found.after if side == "head" else found.before
    scored = class_scores(answers.actual, answers.values.argmax(axis=1), found.labels)
    return [
        {"side": side, "name": name, **scored[name]}
        for name in found.labels[found.shared :]
        if name in own
    ]


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


def _steps(found: _Common, metric: str) -> tuple[Step, ...]:
    before = found.before
    after = found.after
    ids = found.ids
    own = before.at(ids)
    common = after.at(ids)
    changed = int(np.sum(own.actual != common.actual))
    path = [(f"before, on its own {found.image}s", before)]
    if len(before.ids) > len(ids):
        path.append((f"on the {count(len(ids), found.image)} of both", own))
    if changed:
        relabelled = SplitAnswers(ids, common.actual, own.values)
        path.append((f"with {count(changed, 'changed label')}", relabelled))
    path.append(("now, on the same images", common))
    if len(after.ids) > len(ids):
        path.append((f"now, on its own {found.image}s", after))
    if len(path) == 2:
        return ()
    steps = []
    for what, part in path:
        averaged = found.shared if len(part.ids) == len(ids) else None
        value = scores(part.actual, part.values, averaged=averaged)[metric]
        if value is not None:
            steps.append(Step(what, len(part.ids), value))
    return tuple(steps)


def _confusion(
    actual: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.int64]:
    cells = np.bincount(actual * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)


def _flips(
    common: SplitAnswers, first: npt.NDArray[np.float64], labels: Sequence[str]
) -> pd.DataFrame:
    names = np.asarray(labels, dtype=object)
    columns = {"id": common.ids, "label": np.asarray(labels)[common.actual]}
    for name, values in (("base", first), ("head", common.values)):
        columns[f"{name}_predicted"] = names[values.argmax(axis=1)]
        columns[f"{name}_confidence"] = values.max(axis=1)
        columns[f"{name}_loss"] = losses(common.actual, values)
    table = pd.DataFrame(columns)
    table["gained"] = table["head_predicted"] == table["label"]
    table = table[table["gained"] != (table["base_predicted"] == table["label"])]
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
