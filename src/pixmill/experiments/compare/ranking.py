"""Rank all models of a project by validation, and test which are significantly worse than the best."""

import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.files.workspace import Workspace
from pixmill.core.params import Params
from pixmill.core.process.progress import track
from pixmill.core.words import count
from pixmill.experiments.compare.answers import SplitAnswers, clusters_of
from pixmill.experiments.compare.comparison import NotComparableError, Revision
from pixmill.experiments.compare.numbers import (
    LOWER_IS_BETTER,
    METRIC_NAMES,
    compare_numbers,
    give_verdict,
)
from pixmill.experiments.compare.revisions import read_base, read_each
from pixmill.experiments.compare.shared_validation import as_revision, share_validation
from pixmill.experiments.compare.trained_models import NOT_OF_MODEL, SEED, TrainedModel, read_models
from pixmill.metrics.limits import figure_limits
from pixmill.metrics.many_models import Gap, gaps_from_best, hash_answers
from pixmill.metrics.resampling import (
    CROSS_FITTING_WIDTH,
    group_numbers,
    group_weights,
    weighted_scores,
)

_DRAWS = 1000
"""Bootstrap draws; a table of hundreds of models takes seconds."""

_DIGITS = 12
"""Digits of rounded values: equal values may differ by 1e-17, as sums in another order."""

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
    """Rank the newest runs and experiments, and the model in use, by ``compare.metric`` on validation.

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
    if answers:
        newest = next(model for model in models if model.revision in answers)
        truth = answers[newest.revision]
        manifest = None if base is None else base.manifest
        if manifest is None or not truth.ids.isin(manifest["id"]).all():
            manifest = next(read_each(workspace, [newest.revision])).manifest
        if manifest is None:
            notes.append(
                "No manifest of the split is available, so near-duplicates count as independent "
                "images."
            )
        changed = max(int(np.sum(each.actual != truth.actual)) for each in answers.values())
        if changed:
            images = count(changed, "validation image has", "validation images have")
            notes.append(
                f"Up to {images} another label in an earlier run; the labels of {newest.name} "
                "count."
            )
        groups = group_numbers(clusters_of([manifest], truth.ids))
        compared = [model for model in models if model.revision in answers]
        crossed = truth.ids.isin(
            newest.predictions.loc[newest.predictions["split"] == "train", "id"]
        ).any()
        width = CROSS_FITTING_WIDTH if crossed else 1.0
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


def rank_models(
    models: Sequence[TrainedModel],
    answers: Mapping[str, SplitAnswers],
    truth: SplitAnswers,
    groups: npt.NDArray[np.intp],
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
    number = int(groups.max()) + 1
    weights = [*group_weights(number, _DRAWS)]
    recipes: dict[str, list[tuple[float, TrainedModel]]] = defaultdict(list)
    draws = {}
    others = []
    for model in track(models, "Resample", len(models), unit="model"):
        values = answers[model.revision].values
        value, measured = measure(metric, truth.actual, values, groups, weights)
        if value is None:
            images = count(len(truth.ids), "validation image")
            others.append(_unranked(model, f"{METRIC_NAMES[metric]} is undefined on its {images}"))
        else:
            recipes[model.recipe or model.revision].append((value, model))
            top = np.inf if metric == "log_loss" else 1
            draws[model.revision] = np.clip(value + width * (measured - value), 0, top)
    sign = -1 if metric in LOWER_IS_BETTER else 1
    rows: list[RankedModel] = []
    drawn = []
    hashes = []
    for trainings in recipes.values():
        trainings.sort(key=lambda each: (-sign * each[0], each[1].started))
        given = [answers[model.revision].values for _, model in trainings]
        column = _draw([draws[model.revision] for _, model in trainings], len(rows))
        value = round(float(np.mean([value for value, _ in trainings])), _DIGITS)
        low, high = figure_limits(metric, value, column, number, confidence) or (None, None)
        median = trainings[len(trainings) // 2][1]
        rows.append(
            RankedModel(
                median,
                tuple((model, value) for value, model in trainings),
                _count_seeds([model for _, model in trainings]),
                n=len(truth.ids),
                value=value,
                low=low,
                high=high,
            )
        )
        drawn.append(column)
        hashes.append(
            hash_answers(
                [_deciding_values(metric, truth.actual, values) for values in given], groups
            )
        )
    if not rows:
        return [], others

    def key(place: int) -> tuple[float, bool, float]:
        row = rows[place]
        return (
            -sign * (row.value or 0),
            row.used is None,
            min(model.started for model, _ in row.trainings),
        )

    order = sorted(range(len(rows)), key=key)
    gaps = gaps_from_best(
        [rows[place].value or 0 for place in order],
        np.stack([drawn[place] for place in order], axis=1),
        np.stack([hashes[place] for place in order]),
        confidence=confidence,
        lower_is_better=sign < 0,
    )
    return [replace(rows[place], gap=gap) for place, gap in zip(order, gaps, strict=True)], others


def measure(
    metric: str,
    actual: npt.NDArray[np.int64],
    values: npt.NDArray[np.float64],
    groups: npt.NDArray[np.intp],
    weights: Sequence[npt.NDArray[np.float64]] = (),
) -> tuple[float | None, npt.NDArray[np.float64]]:
    """Return a metric, ``None`` if it is undefined, and its values with weighted groups.

    Args:
        metric: Name of the metric.
        actual: True class indices, shape (images,).
        values: Probabilities, shape (images, classes).
        groups: Group of each image, shape (images,).
        weights: Weights of the groups, each of shape (groups, draws). Default: none.
    """
    ones = np.ones((int(groups.max()) + 1, 1))
    areas = metric in ("roc_auc", "pr_auc")
    overall, _ = weighted_scores(actual, values, groups, [ones, *weights], areas=areas)
    figure, *drawn = overall[metric]
    return None if np.isnan(figure) else round(float(figure), _DIGITS), np.asarray(drawn)


def _draw(columns: Sequence[npt.NDArray[np.float64]], place: int) -> npt.NDArray[np.float64]:
    """Return the draws of the mean of several trainings; with five or more, each draw resamples the trainings, too.

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


def _deciding_values(
    metric: str, actual: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the part of each image's prediction that a metric depends on, in one or more columns."""
    predicted = values.argmax(axis=1)
    if metric in ("accuracy", "balanced_accuracy"):
        return np.asarray(predicted == actual, np.float64)
    return predicted.astype(np.float64) if metric in ("macro_f1", "weighted_f1") else values


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
    name = (
        row.model.name
        if len(row.trainings) == 1
        else f"{row.model.name} (the median of {len(row.trainings)} seeds)"
    )
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
    compared = [row.model for row in rows or others]
    names = {name for model in compared for name in model.params if name not in model.unused} - {
        SEED
    }
    different = [
        name
        for name in sorted(names)
        if not name.startswith(NOT_OF_MODEL)
        and any(
            model.params.get(name, ...) != compared[0].params.get(name, ...) for model in compared
        )
    ]

    def given(model: TrainedModel) -> dict[str, Any]:
        return {
            name: model.params[name]
            for name in different
            if name in model.params and name not in model.unused
        }

    return [replace(row, params=given(row.model)) for row in (*rows, *others)]
