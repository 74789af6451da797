"""The outcome of a sweep: the best trial, and its expected value on new images."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from pixmill.core.params import Params
from pixmill.experiments.compare.changes import list_params
from pixmill.experiments.compare.ranking import RankedModel, rank_models, with_params
from pixmill.experiments.compare.trained_models import TrainedModel
from pixmill.experiments.sweep.planning import Plan
from pixmill.experiments.sweep.trial_store import SweepTrial
from pixmill.metrics.many_models import SelectedValue, selected_value
from pixmill.metrics.resampling import CROSS_FITTING_WIDTH, group_numbers

_DRAWS = 1000
"""Bootstrap draws of the expected value."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a sweep so far.

    Args:
        plan: The plan of the sweep.
        trials: All finished trials, by number.
        complete: The complete ones, best first.
        rows: The complete ones as rows of a ranking, best first.
        current: The row with the values of ``params.yaml``; ``None`` if they were not tried.
        expected: Expected value of the best trial on new images; ``None`` with one trial, or if it
            cannot be estimated.
        images: Number of images that each trial predicted.
        crossed: Whether these are not only the validation split, so that the predictions are
            cross-fitted.
    """

    plan: Plan
    trials: tuple[SweepTrial, ...]
    complete: tuple[SweepTrial, ...]
    rows: tuple[RankedModel, ...]
    current: RankedModel | None
    expected: SelectedValue | None
    images: int
    crossed: bool

    @property
    def best(self) -> SweepTrial:
        """The trial with the best value."""
        return self.complete[0]

    @property
    def undecided(self) -> int:
        """The number of other trials that are not significantly worse than the best."""
        return sum(row.gap is not None and not row.gap.worse for row in self.rows[1:])


def outcome(plan: Plan, trials: Sequence[SweepTrial], images: pd.DataFrame) -> Outcome:
    """Return the outcome of a sweep.

    Args:
        plan: The plan of the sweep.
        trials: Finished trials by number, at least one of them complete.
        images: Images that the trials predicted, from :meth:`.TrialStore.images`.
    """
    metric = plan.metric
    confidence = plan.params.evaluate.confidence
    ids = pd.Index(images["id"])
    groups = group_numbers(images["cluster"].astype(str))
    answers = {
        trial.name: plan.read(images, trial.answers)
        for trial in trials
        if trial.answers is not None
    }
    models = [_as_model(plan.params, trial) for trial in trials if trial.name in answers]
    crossed = not ids.isin(plan.validation).all()
    width = CROSS_FITTING_WIDTH if crossed else 1.0
    truth = next(iter(answers.values()))
    ranked, _ = rank_models(
        models, answers, truth, groups, metric=metric, confidence=confidence, width=width
    )
    rows = with_params(ranked)
    current = {trial.name for trial in trials if plan.is_current(trial)}
    expected = None
    if len(answers) > 1:
        expected = selected_value(
            metric,
            truth.actual,
            [each.values for each in answers.values()],
            groups,
            draws=_DRAWS,
            confidence=confidence,
            lower_is_better=plan.lower_is_better,
        )
    return Outcome(
        plan,
        tuple(trials),
        tuple(plan.best(trials)),
        tuple(rows),
        next((row for row in rows if row.model.name in current), None),
        expected,
        len(ids),
        crossed,
    )


def _as_model(params: Params, trial: SweepTrial) -> TrainedModel:
    values, unused = list_params(params.changed(trial.values))
    return TrainedModel(
        name=trial.name,
        revision=trial.name,
        kind="trial",
        started=trial.started / 1000,
        weights=trial.key,
        params=values,
        seconds=trial.seconds,
        predictions=pd.DataFrame(),
        unused=frozenset(unused),
    )
