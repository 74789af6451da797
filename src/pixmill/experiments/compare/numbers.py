"""Metrics of both models on the common images, with their significance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
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
    head_of_table,
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
from pixmill.experiments.compare.scoring import Pair
from pixmill.experiments.compare.scorings import Scoring, scoring_of
from pixmill.experiments.compare.slices import compare_slices
from pixmill.metrics.resampling import CROSS_FITTING_WIDTH
from pixmill.metrics.significance import Difference, holm, mcnemar

LOWER_IS_BETTER = frozenset({"log_loss", "ece"})
"""Metrics whose best value is the lowest."""

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
    scoring: Scoring

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
    scoring = found.scoring
    ids = found.ids
    own = found.before.at(ids)
    common = found.after.at(ids)
    clusters = clusters_of((head.manifest, base.manifest), ids)
    pair = Pair(
        (base, head),
        found.labels,
        found.shared,
        own,
        common,
        clusters,
        evaluate,
        CROSS_FITTING_WIDTH if found.crossed else 1.0,
    )
    overall, of_labels = scoring.differences(pair)
    if settings.metric not in overall:
        raise NotComparableError(
            f"Not comparable: {METRIC_NAMES[settings.metric]} is undefined on the "
            f"{count(len(ids), found.image)} of both {name_of(base)} and {name_of(head)}."
        )
    on_test = None
    if 0 < len(found.tested) < len(ids):
        rows = ids.get_indexer(found.tested)
        tested = replace(
            pair,
            before=own.at(found.tested),
            after=common.at(found.tested),
            clusters=clusters[rows],
            width=1.0,
        )
        on_test = scoring.differences(tested)[0].get(settings.metric)
    right = (own.with_targets(common.actual).right, common.right)
    slices: tuple[SliceNumbers, ...] = ()
    if not np.array_equal(*pair.values):
        slices = compare_slices(
            common.actual,
            right,
            clusters,
            head.manifest,
            ids,
            found.labels,
            confidence=evaluate.confidence,
            width=pair.width,
        )
    details = scoring.details(pair, right)
    return Numbers(
        labels=found.labels,
        n=len(ids),
        clusters=len(np.unique(clusters)),
        metric=settings.metric,
        margin=settings.margin,
        confidence=evaluate.confidence,
        per_class=_per_class(pair, scoring, of_labels),
        mcnemar=mcnemar(*right),
        steps=_steps(found, settings.metric),
        flips=scoring.flips(own, common, found.labels),
        slices=slices,
        own_classes=(*_own_classes("head", head, found), *_own_classes("base", base, found)),
        image=found.image,
        cross_validated=len(ids) - len(found.tested),
        on_test=on_test,
        **{**details, "metrics": {**overall, **details["metrics"]}},
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
    found = _common_images(base, head)
    before = found.before.at(found.ids)
    return found.scoring.flips(before, found.after.at(found.ids), found.labels)


def _common_images(base: Revision, head: Revision) -> _Common:
    """Return classes, predictions, and the ids of the common images whose class both know."""
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
    if len(both) < 2:
        raise NotComparableError(f"Not comparable: fewer than two classes are in both; {alone}.")
    scoring = scoring_of(kinds[0].task)
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
    return _Common(labels, len(both), before, after, ids, tested, crossed, scoring)


def _own_classes(side: str, revision: Revision, found: _Common) -> list[dict[str, Any]]:
    """Return the scores of the classes that only this revision knows, on its own images."""
    shared = found.labels[: found.shared]
    own = [name for name in classes_of(revision) if name not in shared]
    if not own:
        return []
    labels = tuple(dict.fromkeys([*found.labels, *own]))
    answers = split_answers(revision, labels, "held out" if found.crossed else "test")
    scored = found.scoring.own(answers, labels)
    return [{"side": side, "name": name, **scored[name]} for name in labels if name in own]


def _per_class(
    pair: Pair, scoring: Scoring, found: Sequence[Difference | None]
) -> dict[str, ClassNumbers]:
    before = scoring.own(pair.before.with_targets(pair.after.actual), pair.labels)
    after = scoring.own(pair.after, pair.labels)
    adjusted = iter(holm([row.p for row in found if row is not None]).tolist())
    return {
        label: ClassNumbers(
            support=int(after[label]["support"] or 0),
            precision=(before[label]["precision"], after[label]["precision"]),
            recall=(before[label]["recall"], after[label]["recall"]),
            p_adjusted=None if row is None else next(adjusted),
            **{scoring.label_metric: row},
        )
        for label, row in zip(pair.labels, found, strict=False)  # those that both know
    }


def _steps(found: _Common, metric: str) -> tuple[Step, ...]:
    before = found.before
    after = found.after
    ids = found.ids
    own = before.at(ids)
    common = after.at(ids)
    changed = own.count_relabelled(common)
    path = [(f"before, on its own {found.image}s", before)]
    if len(before.ids) > len(ids):
        path.append((f"on the {count(len(ids), found.image)} of both", own))
    if changed:
        relabelled = own.with_targets(common.actual)
        path.append((f"with {count(changed, 'changed label')}", relabelled))
    path.append(("now, on the same images", common))
    if len(after.ids) > len(ids):
        path.append((f"now, on its own {found.image}s", after))
    if len(path) == 2:
        return ()
    steps = []
    for what, part in path:
        averaged = found.shared if len(part.ids) == len(ids) else None
        groups = np.zeros(len(part.ids), np.intp)
        value, _ = found.scoring.measure(metric, part, groups, averaged=averaged)
        if value is not None:
            steps.append(Step(what, len(part.ids), value))
    return tuple(steps)
