"""All models of a project, best first on validation: which are significantly worse than the best."""

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
from pixmill.experiments.compare.comparison import NotComparableError, Revision
from pixmill.experiments.compare.git_revisions import commit_page
from pixmill.experiments.compare.numbers import (
    LOWER_IS_BETTER,
    METRIC_NAMES,
    SplitAnswers,
    clusters_of,
    compare_numbers,
    give_verdict,
)
from pixmill.experiments.compare.recorded_sweeps import RecordedSweep
from pixmill.experiments.compare.revisions import read_base, read_each
from pixmill.experiments.compare.shared_validation import as_revision, share_validation
from pixmill.experiments.compare.trained_models import TrainedModel, read_models
from pixmill.experiments.compare.training_files import NO_ORIGIN, SEED
from pixmill.metrics.limits import figure_limits
from pixmill.metrics.many_models import Gap, gaps_from_best, hash_answers
from pixmill.metrics.resampling import group_numbers, group_weights, weighted_scores

_DRAWS = 1000
"""Bootstrap draws: they settle a table of hundreds of models within seconds."""

_DIGITS = 12
"""Values are rounded to as many: equal ones may differ by 1e-17, as they are sums in another order."""

_SEEDS = 5
"""Seeds from which on the luck of a training is resampled, too: fewer tell too little of it."""

Seeds = Literal["one", "many", "same"]


@dataclass(frozen=True)
class RankedModel:
    """A row: a model, by one training or by several that differ in their seed alone.

    Args:
        model: The training that stands for it: of several the median on validation, of two the worse.
        trainings: All of them with their values on validation, best first.
        seeds: ``many`` trainings, or ``one``; ``same`` where the seed decides nothing.
        params: Those in which the rows differ and that its model uses, by dotted name.
        n: Validation images.
        value: ``compare.metric`` on validation, the mean of its trainings; ``None`` where it has no place in the table.
        low: The lower limit; from five seeds on for new seeds, too.
        high: The upper limit.
        gap: Its distance from the first row.
        why: Why it cannot be compared with the others; ``None`` if it can.
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
        """Its training that is in use, if one is."""
        return next((each for each in (self.model, *(model for model, _ in self.trainings)) if each.in_use), None)


@dataclass(frozen=True)
class Planned:
    """The one comparison on the test split: of the first row with what is in use, unless it is the same.

    Args:
        base: What it is compared with, for people.
        head: The training that is compared, for people.
        sentence: The verdict.
        command: What tells more.
    """

    base: str
    head: str
    sentence: str
    command: str


@dataclass(frozen=True)
class Ranking:
    """All models, best first.

    Args:
        metric: ``compare.metric``.
        confidence: Level of the limits.
        rows: Best first.
        others: Those that cannot be compared with them, newest first.
        planned: The comparison of the first row on the test split; ``None`` without rows, and if it is in use.
        left_out: Whether there are older ones, in neither.
        limit: How many runs, and how many experiments, were read at most.
        notes: What else there is to know, one sentence each.
        without_runs: Why only experiments were compared, as a sentence, if MLflow could not be read.
        command: What serves the pages of runs on this machine; ``None`` if a server does, or there are none.
        commits: What the address of a commit's page begins with; ``None`` if unknown.
        sweeps: Sweeps, newest first; their trials have no place in the table.
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
    commits: str | None = None
    sweeps: tuple[RecordedSweep, ...] = ()

    @property
    def equal(self) -> int:
        """How many rows have the same value as the first."""
        return sum(row.value == self.rows[0].value for row in self.rows)


def compare_runs(
    workspace: Workspace,
    params: Params,
    *,
    limit: int = 500,
    since: float = 0,
    all_projects: bool = False,
) -> Ranking:
    """Rank the newest runs and experiments, and the model in use, by ``compare.metric`` on validation.

    They are measured on the validation images that most of them have, with the labels of the newest. Trainings that
    differ in ``train.seed`` alone are one model.

    Args:
        workspace: The project's workspace.
        params: Its params: those in ``compare`` and ``evaluate``, and the classes.
        limit: How many runs, and how many experiments, are read at most. Default: 500.
        since: Seconds since 1970; older ones are left out.
        all_projects: Whether to read the runs of all projects in this MLflow.

    Raises:
        PixmillError: There is neither an experiment nor a run.
    """
    base = read_base(workspace)
    found = read_models(workspace, limit=limit, since=since, all_projects=all_projects, base=base)
    models = found.models
    answers, reasons = share_validation(models, params.classes)
    others = [_unranked(model, reasons[model.revision]) for model in models if model.revision in reasons]
    notes = list(found.notes)
    rows: list[RankedModel] = []
    planned = None
    if answers:
        newest = next(model for model in models if model.revision in answers)
        truth = answers[newest.revision]
        manifest = None if base is None else base.manifest
        if manifest is None or not truth.ids.isin(manifest["id"]).all():
            manifest = next(read_each(workspace, [newest.revision])).manifest
        if manifest is None:
            notes.append("No manifest of the split can be had, so near-duplicates count as independent images.")
        changed = max(int(np.sum(each.actual != truth.actual)) for each in answers.values())
        if changed:
            images = count(changed, "validation image has", "validation images have")
            notes.append(f"Up to {images} another label in an earlier run; the labels of {newest.name} count.")
        groups = group_numbers(clusters_of([manifest], truth.ids))
        compared = [model for model in models if model.revision in answers]
        rows, undefined = rank_models(compared, answers, truth, groups, params)
        others += undefined
    if rows and base is not None and not rows[0].used:
        planned = _plan(base, rows[0], manifest, params)
    shown = with_params(rows, sorted(others, key=lambda row: -row.model.started))
    return Ranking(
        params.compare.metric,
        params.evaluate.confidence,
        tuple(shown[: len(rows)]),
        tuple(shown[len(rows) :]),
        planned,
        found.left_out,
        limit,
        tuple(notes),
        found.without_runs,
        next((model.run.command for model in models if model.run), None),
        commit_page(workspace.root),
        found.sweeps,
    )


def rank_models(
    models: Sequence[TrainedModel],
    answers: Mapping[str, SplitAnswers],
    truth: SplitAnswers,
    groups: npt.NDArray[np.intp],
    params: Params,
) -> tuple[list[RankedModel], list[RankedModel]]:
    """Return the rows, best first and of equal ones that in use, and the models for which the metric is undefined.

    Args:
        models: The models; those of the same recipe are one row.
        answers: What each answers on the validation images, by revision.
        truth: Those images with the labels that count.
        groups: Each image's group, which are resampled whole.
        params: Those in ``compare`` and ``evaluate`` are used.
    """
    metric, confidence = params.compare.metric, params.evaluate.confidence
    number = int(groups.max()) + 1
    weights = [*group_weights(number, _DRAWS)]
    recipes: dict[str, list[tuple[float, TrainedModel]]] = defaultdict(list)
    draws, others = {}, []
    for model in track(models, "Resample", len(models), unit="model"):
        values = answers[model.revision].values
        value, draws[model.revision] = measure(metric, truth.actual, values, groups, weights)
        if value is None:
            images = count(len(truth.ids), "validation image")
            others.append(_unranked(model, f"{METRIC_NAMES[metric]} is undefined on its {images}"))
        else:
            recipes[model.recipe or model.revision].append((value, model))
    sign = -1 if metric in LOWER_IS_BETTER else 1
    rows: list[RankedModel] = []
    drawn, hashes = [], []
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
        hashes.append(hash_answers([_decisive(metric, truth.actual, values) for values in given], groups))
    if not rows:
        return [], others

    def key(place: int) -> tuple[float, bool, float]:
        row = rows[place]
        return -sign * (row.value or 0), row.used is None, min(model.started for model, _ in row.trainings)

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
    """Return a metric, ``None`` where it is undefined, and its value with each of the weights of the groups.

    Args:
        metric: Its name.
        actual: True class indices, shape (images,).
        values: Probabilities, shape (images, classes).
        groups: Each image's group, shape (images,).
        weights: Of the groups, each of shape (groups, draws). Default: none.
    """
    ones = np.ones((int(groups.max()) + 1, 1))
    areas = metric in ("roc_auc", "pr_auc")
    overall, _ = weighted_scores(actual, values, groups, [ones, *weights], areas=areas)
    figure, *drawn = overall[metric]
    return None if np.isnan(figure) else round(float(figure), _DIGITS), np.asarray(drawn)


def _draw(columns: Sequence[npt.NDArray[np.float64]], place: int) -> npt.NDArray[np.float64]:
    """Return the draws of the mean of several trainings; of five or more, each draw resamples the trainings, too.

    Rows at different places draw their trainings independently: the luck of one tells nothing of that of another.

    A draw takes one training fewer than there are, which makes the variance of the mean unbiased (Rao and Wu,
    "Resampling Inference with Complex Survey Data", Journal of the American Statistical Association 83, 1988).
    """
    drawn, number = np.stack(columns), len(columns)
    weights = np.full(drawn.T.shape, 1 / number)
    if number >= _SEEDS:
        generator = np.random.Generator(np.random.PCG64(place))
        weights = generator.multinomial(number - 1, weights[0], size=len(weights)) / (number - 1)
    return np.asarray((drawn.T * weights).sum(axis=1))


def _decisive(metric: str, actual: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return what a metric depends on of each image's answer, in one column or several."""
    predicted = values.argmax(axis=1)
    if metric in ("accuracy", "balanced_accuracy"):
        return np.asarray(predicted == actual, np.float64)
    return predicted.astype(np.float64) if metric in ("macro_f1", "weighted_f1") else values


def _count_seeds(models: Sequence[TrainedModel]) -> Seeds:
    if len(models) > 1:
        return "many"
    model = models[0]
    # The logistic head is the one minimum of its loss.
    fixed = (model.params.get("train.model"), model.params.get("train.features.head")) == ("features", "logistic")
    return "same" if fixed or len(model.seeds) > 1 else "one"


def _unranked(model: TrainedModel, why: str) -> RankedModel:
    return RankedModel(model, seeds=_count_seeds([model]), why=why)


def _plan(base: Revision, row: RankedModel, manifest: pd.DataFrame | None, params: Params) -> Planned:
    try:
        numbers = compare_numbers(base, as_revision(row.model, manifest), params.compare, params.evaluate)
        _, sentence = give_verdict(numbers)
    except NotComparableError as reason:
        sentence = str(reason)
    head = row.model.name if len(row.trainings) == 1 else f"{row.model.name} (the median of {len(row.trainings)} seeds)"
    title = f"the champion ({base.title})" if base.name.startswith("models:/") else base.title
    return Planned(title, head, sentence, shlex.join(["pixmill", "compare", base.name, row.model.revision]))


def with_params(rows: Sequence[RankedModel], others: Sequence[RankedModel] = ()) -> list[RankedModel]:
    """Return the rows, then the others, with those params in which the rows differ and that a row's own model uses.

    Args:
        rows: The rows.
        others: Those that do not decide which params these are, unless there are no rows.
    """
    deciding = [row.model for row in rows or others]
    names = {name for model in deciding for name in model.params if name not in model.unused} - {SEED}
    different = [
        name
        for name in sorted(names)
        if not name.startswith(NO_ORIGIN)
        and any(model.params.get(name, ...) != deciding[0].params.get(name, ...) for model in deciding)
    ]

    def given(model: TrainedModel) -> dict[str, Any]:
        return {name: model.params[name] for name in different if name in model.params and name not in model.unused}

    return [replace(row, params=given(row.model)) for row in (*rows, *others)]
