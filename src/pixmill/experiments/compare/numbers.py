"""Metrics of both models on the common images, with their significance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.params import CompareParams, EvaluateParams
from pixmill.core.words import count
from pixmill.evaluate.predictions import is_cross_fitted
from pixmill.experiments.compare.answers import (
    Images,
    classes_of,
    describe_classes,
    head_of_table,
    name_of,
    predictions_of,
    split_answers,
)
from pixmill.experiments.compare.cell_scoring import CellScoring
from pixmill.experiments.compare.class_scoring import ClassScoring, Pair
from pixmill.experiments.compare.comparison import (
    ClassNumbers,
    NotComparableError,
    Numbers,
    Revision,
    SliceNumbers,
    Step,
)
from pixmill.experiments.compare.slices import compare_slices
from pixmill.metrics.significance import Difference, holm

METRIC_NAMES = {
    "macro_f1": "macro-F1",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "weighted_f1": "weighted F1",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "mean_average_precision": "mean average precision",
    "exact_match": "exact match",
    "log_loss": "log loss",
    "ece": "calibration error",
    "coverage": "coverage",
    "covered_accuracy": "covered accuracy",
}
"""Display names of the metrics, within a sentence."""


Scoring = ClassScoring | CellScoring
"""How the models of a task are compared."""

SCORINGS: dict[str, Scoring] = {"one_label": ClassScoring(), "labels": CellScoring()}
"""Scorings by task, as in params.yaml."""


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
    pair = _pair(base, head, evaluate)
    scoring = SCORINGS[pair.after.task]
    overall, of_labels = scoring.differences(pair)
    if settings.metric not in overall:
        raise NotComparableError(
            f"Not comparable: {METRIC_NAMES[settings.metric]} is undefined on the "
            f"{count(len(pair.ids), pair.image)} of both {name_of(base)} and {name_of(head)}."
        )
    on_test = None
    if 0 < len(pair.tested) < len(pair.ids):
        tested = replace(pair, ids=pair.tested, crossed=False)
        on_test = scoring.differences(tested)[0].get(settings.metric)
    slices: tuple[SliceNumbers, ...] = ()
    if not (np.array_equal(*pair.values) and np.array_equal(*pair.right)):
        slices = compare_slices(
            pair.after.actual,
            pair.right,
            pair.clusters,
            head.manifest,
            pair.ids,
            pair.labels,
            confidence=evaluate.confidence,
            width=pair.width,
        )
    details = scoring.details(pair)
    return Numbers(
        labels=pair.labels,
        n=len(pair.ids),
        clusters=len(np.unique(pair.clusters)),
        metric=settings.metric,
        margin=settings.margin,
        confidence=evaluate.confidence,
        metrics=overall | details.pop("metrics", {}),
        per_class=_per_class(pair, scoring, of_labels),
        steps=_steps(pair, scoring, settings.metric),
        flips=scoring.flips(pair),
        slices=slices,
        own_classes=tuple(_own_classes(pair, scoring)),
        image=pair.image,
        cross_validated=len(pair.ids) - len(pair.tested),
        on_test=on_test,
        **details,
    )


def find_flips(base: Revision, head: Revision) -> pd.DataFrame:
    """Return :attr:`.Numbers.flips` without computing metrics.

    Args:
        base: Revision to compare with; only predictions are used.
        head: Revision under review; only predictions are used.

    Raises:
        NotComparableError: Predictions of a revision are missing or damaged, fewer than two classes
            are in both, or no image is held out by both.
    """
    pair = _pair(base, head, EvaluateParams())
    return SCORINGS[pair.after.task].flips(pair)


def _pair(base: Revision, head: Revision, evaluate: EvaluateParams) -> Pair:
    """Return the predictions of both, and the common images whose class both know."""
    theirs = classes_of(base)
    ours = classes_of(head)
    both = [label for label in ours if label in theirs]
    alone = describe_classes((f"{name_of(base)} has", theirs), (f"{name_of(head)} has", ours))
    tables = [predictions_of(base), predictions_of(head)]
    kinds = [head_of_table(table) for table in tables]
    if kinds[0] is not kinds[1]:
        raise NotComparableError(
            f"Not comparable: the task is {kinds[0].task} in {name_of(base)}, and {kinds[1].task} "
            f"in {name_of(head)}."
        )
    # One of several labels can be right or wrong; one class cannot.
    if len(both) < (2 if kinds[0].is_exclusive else 1):
        raise NotComparableError(f"Not comparable: fewer than two classes are in both; {alone}.")
    # An answer with another's class is an error; with another's label it has no effect.
    labels = tuple(dict.fromkeys([*both, *(ours + theirs if kinds[0].is_exclusive else ())]))
    crossed = all(map(is_cross_fitted, tables))
    images: Images = "held out" if crossed else "test"
    before = split_answers(base, labels, images)
    after = split_answers(head, labels, images)
    ids = after.ids.intersection(before.ids).sort_values()
    ids = ids[after.at(ids).known(len(both))]
    if ids.empty:
        image = "image of the classes that both know" if alone else "image"
        where = "held out by" if crossed else "in the test split of"
        raise NotComparableError(
            f"Not comparable: no {image} is {where} both {name_of(base)} and {name_of(head)}."
        )
    tested = ids
    for table in tables:
        tested = tested[tested.isin(table.loc[table["split"] == "test", "id"])]
    own = (before, after)
    return Pair((base, head), labels, len(both), own, ids, tested, crossed, evaluate)


def _own_classes(pair: Pair, scoring: Scoring) -> Iterator[dict[str, Any]]:
    """Yield the scores of the classes that only one revision knows, on its own images."""
    shared = pair.labels[: pair.shared]
    base, head = pair.revisions
    for side, revision in (("head", head), ("base", base)):
        own = [name for name in classes_of(revision) if name not in shared]
        if own:
            labels = tuple(dict.fromkeys([*pair.labels, *own]))
            answers = split_answers(revision, labels, "held out" if pair.crossed else "test")
            scored = scoring.own(answers, labels)
            yield from (
                {"side": side, "name": each, **scored[each]} for each in labels if each in own
            )


def _per_class(
    pair: Pair, scoring: Scoring, found: Sequence[Difference | None]
) -> dict[str, ClassNumbers]:
    before = scoring.own(pair.before, pair.labels)
    after = scoring.own(pair.after, pair.labels)
    adjusted = iter(holm([row.p for row in found if row is not None]).tolist())
    return {
        label: ClassNumbers(
            support=int(after[label]["support"] or 0),
            precision=(before[label]["precision"], after[label]["precision"]),
            recall=(before[label]["recall"], after[label]["recall"]),
            score=row,
            p_adjusted=None if row is None else next(adjusted),
        )
        for label, row in zip(pair.labels, found, strict=False)  # those that both know
    }


def _steps(pair: Pair, scoring: Scoring, metric: str) -> tuple[Step, ...]:
    base, head = pair.own
    own = base.at(pair.ids)
    changed = own.count_relabelled(pair.after)
    path = [(f"before, on its own {pair.image}s", base)]
    if len(base.ids) > len(pair.ids):
        path.append((f"on the {count(len(pair.ids), pair.image)} of both", own))
    if changed:
        path.append((f"with {count(changed, 'changed label')}", pair.before))
    path.append(("now, on the same images", pair.after))
    if len(head.ids) > len(pair.ids):
        path.append((f"now, on its own {pair.image}s", head))
    if len(path) == 2:
        return ()
    steps = []
    for what, part in path:
        averaged = pair.shared if len(part.ids) == len(pair.ids) else None
        groups = np.zeros(len(part.ids), np.intp)
        value, _ = scoring.measure(metric, part, groups, averaged=averaged)
        if value is not None:
            steps.append(Step(what, len(part.ids), value))
    return tuple(steps)
