"""Rank all models by validation, and test which are significantly worse than the best."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from pixmill.core.files.workspace import Workspace
from pixmill.core.params import Params
from pixmill.core.process.progress import track
from pixmill.core.words import count
from pixmill.experiments.compare.answers import SplitAnswers, clusters_of
from pixmill.experiments.compare.class_scoring import DIGITS
from pixmill.experiments.compare.comparison import (
    LOWER_IS_BETTER,
    NotComparableError,
    Revision,
)
from pixmill.experiments.compare.numbers import METRIC_NAMES, SCORINGS, compare_numbers
from pixmill.experiments.compare.revisions import read_base, read_each
from pixmill.experiments.compare.shared_validation import as_revision, share_validation
from pixmill.experiments.compare.trained_models import NOT_OF_MODEL, SEED, TrainedModel, read_models
from pixmill.experiments.compare.verdict import give_verdict
from pixmill.metrics.arrays import Floats, Groups
from pixmill.metrics.limits import figure_limits
from pixmill.metrics.many_models import Gap, gaps_from_best, hash_answers
from pixmill.metrics.resampling import CROSS_FITTING_WIDTH, group_numbers, group_weights

_DRAWS = 1000
"""Bootstrap draws; a table of hundreds of models takes seconds."""

_MIN_SEEDS = 5
"""Seeds from which on trainings are resampled, too: fewer do not show their variance."""

Seeds = Literal["one", "many", "same"]


@dataclass(frozen=True)
class RankedModel:
    """A row: a model with one training, or several that differ only in their seed.

    Args:
        model: Representative training: the median on validation, or the worse of two.
        trainings: All trainings with their values on validation, best first.
        seeds: ``many`` trainings, or ``one``; ``same`` if the seed has no effect.
        params: Params that the model uses and in which the rows differ, by dotted name.
        n: Number of validation images, as :mod:`pixmill.experiments.compare.shared_validation`
            defines them.
        value: Mean of ``compare.metric`` on validation over the trainings; ``None`` for models
            listed below the table.
        low: Lower limit of the interval; with five or more seeds it includes the variance of new
            seeds.
        high: Upper limit of the interval.
        gap: Difference from the first row.
        why: Reason why the model cannot be compared with the others; ``None`` if it can.
    """

    model: TrainedModel
    trainings: tuple[tuple[TrainedModel, float], ...] = ()
    seeds: Seeds = "one"
    params: Mapping[str, Any] = field(default_factory=dict)
    n: int = 0
    value: float | None = None
    low: float | None = None
    high: float | None = None
    gap: Gap | None = None
    why: str | None = None

    @property
    def used(self) -> TrainedModel | None:
        """The training that is in use, if any."""
        return next(
            (each for each in (self.model, *(model for model, _ in self.trainings)) if each.in_use),
            None,
        )


@dataclass(frozen=True)
class Planned:
    """The comparison of the first row with the model in use on the test split.

    Args:
        base: Display name of the model in use.
        head: Display name of the training.
        sentence: The verdict.
        command: Command that shows the full comparison.
    """

    base: str
    head: str
    sentence: str
    command: str


@dataclass(frozen=True)
class Ranking:
    """A ranking of models.

    Args:
        metric: ``compare.metric``.
        confidence: Level of the intervals.
        rows: Comparable models, best first.
        others: Models that cannot be compared with them, newest first.
        planned: Comparison of the first row on the test split; ``None`` without rows, or if that
            model is in use.
        left_out: Whether older models were not read.
        limit: Maximum number of runs, and of experiments, that were read.
        notes: Further sentences for the reader.
        without_runs: Sentence with the reason why only experiments were compared; ``None`` if
            MLflow was read.
        command: Command that serves MLflow's pages on this machine; ``None`` if a server does, or
            without runs.
    """

    metric: str
    confidence: float
    rows: tuple[RankedModel, ...]
    others: tuple[RankedModel, ...]
    planned: Planned | None
    left_out: bool
    limit: int
    notes: tuple[str, ...]
    without_runs: str | None = None
    command: str | None = None

    @property
    def equal(self) -> int:
        """The number of rows with the value of the first."""
        return sum(row.value == self.rows[0].value for row in self.rows)


def compare_runs(
    workspace: Workspace,
    params: Params,
    *,
    limit: int = 500,
) -> Ranking:
    """Rank the newest runs and experiments, and the model in use, by ``compare.metric``.

    They are measured on the validation images that they share, with the labels of the newest.
    Trainings that differ only in ``train.seed`` are one model.

    Args:
        workspace: Workspace of the project.
        params: Params of the project; ``compare``, ``evaluate`` and ``classes`` are used.
        limit: Maximum number of runs, and of experiments, to read.

    Raises:
        PixmillError: There is neither an experiment nor a run.
    """
    metric = params.compare.metric
    confidence = params.evaluate.confidence
    base = read_base(workspace)
    found = read_models(workspace, limit=limit, base=base)
    models = found.models
    answers, reasons, note = share_validation(models, params.classes)
    others = [
        _unranked(model, reasons[model.revision]) for model in models if model.revision in reasons
    ]
    notes = [*found.notes, *filter(None, [note])]
    rows: list[RankedModel] = []
    planned = None
    compared = [model for model in models if model.revision in answers]
    if compared:
        newest = compared[0]
        truth = answers[newest.revision]
        manifest = _manifest_with(truth.ids, base, workspace, newest)
        notes += _describe_images(manifest, answers.values(), newest.name, truth)
        groups = group_numbers(clusters_of([manifest], truth.ids))
        trained_on = newest.predictions.loc[newest.predictions["split"] == "train", "id"]
        width = CROSS_FITTING_WIDTH if truth.ids.isin(trained_on).any() else 1.0
        rows, undefined = rank_models(
            compared, answers, truth, groups, metric=metric, confidence=confidence, width=width
        )
        others += undefined
        if rows and base is not None and not rows[0].used:
            planned = _compare_on_test(base, rows[0], manifest, params)
    shown = with_params(rows, sorted(others, key=lambda row: -row.model.started))
    return Ranking(
        metric,
        confidence,
        tuple(shown[: len(rows)]),
        tuple(shown[len(rows) :]),
        planned,
        found.left_out,
        limit,
        tuple(notes),
        found.without_runs,
        next((model.run.command for model in models if model.run), None),
    )


def _manifest_with(
    ids: pd.Index, base: Revision | None, workspace: Workspace, newest: TrainedModel
) -> pd.DataFrame | None:
    """Return a manifest with these images: that of the model in use, else of the newest model."""
    manifest = None if base is None else base.manifest
    if manifest is None or not ids.isin(manifest["id"]).all():
        return next(read_each(workspace, [newest.revision])).manifest
    return manifest


def _describe_images(
    manifest: pd.DataFrame | None,
    answers: Iterable[SplitAnswers],
    newest: str,
    truth: SplitAnswers,
) -> Iterator[str]:
    """Yield sentences about clusters and labels that are not known or differ."""
    if manifest is None:
        yield (
            "No manifest of the split is available, so near-duplicates count as independent images."
        )
    changed = max(each.count_relabelled(truth) for each in answers)
    if changed:
        images = count(changed, "validation image has", "validation images have")
        yield f"Up to {images} another label in an earlier run; the labels of {newest} count."


def rank_models(
    models: Sequence[TrainedModel],
    answers: Mapping[str, SplitAnswers],
    truth: SplitAnswers,
    groups: Groups,
    *,
    metric: str,
    confidence: float,
    width: float = 1.0,
) -> tuple[list[RankedModel], list[RankedModel]]:
    """Return the rows, best first, and the models for which the metric is undefined.

    The model in use precedes models of equal value.

    Args:
        models: Models; those of the same recipe are one row.
        answers: Predictions of the validation images, by revision.
        truth: The same images with the labels that count.
        groups: Group of each image; groups are resampled whole.
        metric: Metric to rank by.
        confidence: Level of the intervals.
        width: As for :func:`pixmill.metrics.significance.paired_differences`.
    """
    recipes, others = _measure_all(models, answers, truth, groups, metric, width)
    if not recipes:
        return [], others
    sign = -1 if metric in LOWER_IS_BETTER else 1
    made = []
    for place, trainings in enumerate(recipes):
        trainings.sort(key=lambda each: (-sign * each.value, each.model.started))
        column = _draw([each.drawn for each in trainings], place)
        hashes = hash_answers([each.deciding for each in trainings], groups)
        row = _make_row(trainings, metric, column, groups, confidence)
        first = min(each.model.started for each in trainings)
        # The model in use precedes models of equal value.
        made.append(((-sign * (row.value or 0), row.used is None, first), row, column, hashes))
    made.sort(key=lambda each: each[0])
    _, rows, columns, digests = zip(*made, strict=True)
    gaps = gaps_from_best(
        [row.value for row in rows],
        np.stack(columns, axis=1),
        np.stack(digests),
        confidence=confidence,
        lower_is_better=sign < 0,
    )
    return [replace(row, gap=gap) for row, gap in zip(rows, gaps, strict=True)], others


def _measure_all(
    models: Sequence[TrainedModel],
    answers: Mapping[str, SplitAnswers],
    truth: SplitAnswers,
    groups: Groups,
    metric: str,
    width: float,
) -> tuple[list[list[_Training]], list[RankedModel]]:
    """Return the measured trainings of each recipe, and models without a value."""
    weights = [*group_weights(int(groups.max()) + 1, _DRAWS)]
    scoring = SCORINGS[truth.task]
    recipes: dict[str, list[_Training]] = defaultdict(list)
    others = []
    for model in track(models, "Resample", len(models), unit="model"):
        own = answers[model.revision].with_targets(truth.actual)
        value, measured = scoring.measure(metric, own, groups, weights)
        if value is None:
            images = count(len(truth.ids), "validation image")
            others.append(_unranked(model, f"{METRIC_NAMES[metric]} is undefined on its {images}"))
            continue
        top = np.inf if metric == "log_loss" else 1
        drawn = np.clip(value + width * (measured - value), 0, top)
        deciding = scoring.deciding(metric, own)
        recipes[model.recipe or model.revision].append(_Training(model, value, drawn, deciding))
    return list(recipes.values()), others


def _make_row(
    trainings: Sequence[_Training],
    metric: str,
    drawn: Floats,
    groups: Groups,
    confidence: float,
) -> RankedModel:
    """Return the row of a recipe; ``trainings`` are sorted, ``drawn`` are draws of their mean."""
    mean = round(float(np.mean([each.value for each in trainings])), DIGITS)
    clusters = int(groups.max()) + 1
    low, high = figure_limits(metric, mean, drawn, clusters, confidence) or (None, None)
    return RankedModel(
        trainings[len(trainings) // 2].model,
        tuple((each.model, each.value) for each in trainings),
        _count_seeds([each.model for each in trainings]),
        n=len(groups),
        value=mean,
        low=low,
        high=high,
    )


@dataclass(frozen=True)
class _Training:
    """A model with its value, its draws, and what decides the metric."""

    model: TrainedModel
    value: float
    drawn: Floats
    deciding: Floats


def _draw(columns: Sequence[Floats], place: int) -> Floats:
    """Return the draws of the mean of several trainings.

    With five or more, each draw resamples the trainings, too.

    ``place`` seeds the draws, so that rows resample their trainings independently. A draw takes one
    training fewer than there are, which makes the variance of the mean unbiased (Rao and Wu,
    "Resampling Inference with Complex Survey Data", Journal of the American Statistical Association
    83, 1988).
    """
    drawn = np.stack(columns)
    number = len(columns)
    weights = np.full(drawn.T.shape, 1 / number)
    if number >= _MIN_SEEDS:
        generator = np.random.Generator(np.random.PCG64(place))
        weights = generator.multinomial(number - 1, weights[0], size=len(weights)) / (number - 1)
    return np.asarray((drawn.T * weights).sum(axis=1))


def _count_seeds(models: Sequence[TrainedModel]) -> Seeds:
    if len(models) > 1:
        return "many"
    model = models[0]
    # The loss of a logistic head has one minimum.
    fixed = (model.params.get("train.model"), model.params.get("train.features.head")) == (
        "features",
        "logistic",
    )
    return "same" if fixed or len(model.seeds) > 1 else "one"


def _unranked(model: TrainedModel, why: str) -> RankedModel:
    return RankedModel(model, seeds=_count_seeds([model]), why=why)


def _compare_on_test(
    base: Revision, row: RankedModel, manifest: pd.DataFrame | None, params: Params
) -> Planned:
    # Without cross-fitted predictions: they chose the model.
    tested = row.model.predictions[row.model.predictions["split"] == "test"]
    head = as_revision(replace(row.model, predictions=tested), manifest)
    try:
        numbers = compare_numbers(base, head, params.compare, params.evaluate)
        _, sentence = give_verdict(numbers)
    except NotComparableError as reason:
        sentence = str(reason)
    name = row.model.name
    if len(row.trainings) > 1:
        name += f" (the median of {len(row.trainings)} seeds)"
    title = f"the champion ({base.title})" if base.name.startswith("models:/") else base.title
    return Planned(
        title, name, sentence, shlex.join(["pixmill", "compare", base.name, row.model.revision])
    )


def with_params(
    rows: Sequence[RankedModel], others: Sequence[RankedModel] = ()
) -> list[RankedModel]:
    """Return the rows and the others, each with the used params in which the rows differ.

    Args:
        rows: The rows.
        others: Further models; they decide which params differ only without rows.
    """
    different = _find_different([row.model for row in rows or others])
    shown = []
    for row in (*rows, *others):
        model = row.model
        used = [name for name in different if name in model.params and name not in model.unused]
        shown.append(replace(row, params={name: model.params[name] for name in used}))
    return shown


def _find_different(models: Sequence[TrainedModel]) -> list[str]:
    """Return the params that some of the models use, and in which they differ."""
    names = {name for model in models for name in model.params.keys() - model.unused}
    found = []
    for name in sorted(names - {SEED}):
        values = [model.params.get(name, ...) for model in models]
        if not name.startswith(NOT_OF_MODEL) and values.count(values[0]) < len(values):
            found.append(name)
    return found
