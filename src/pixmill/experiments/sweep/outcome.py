"""What a sweep found: the best trial, which others may be as good, and what to expect of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from pixmill.core.params import flat
from pixmill.experiments.compare.numbers import SplitAnswers
from pixmill.experiments.compare.ranking import RankedModel, rank_models, with_params
from pixmill.experiments.compare.trained_models import TrainedModel
from pixmill.experiments.sweep.planning import Plan
from pixmill.experiments.sweep.trial_store import SweepTrial
from pixmill.metrics.resampling import group_numbers
from pixmill.metrics.selection import SelectedValue, selected_value
from pixmill.train.training_key import deciding_params

_DRAWS = 1000
"""Bootstrap draws of the estimate."""


@dataclass(frozen=True)
class Outcome:
    """A sweep so far.

    Args:
        plan: What it does.
        trials: All finished ones, by number.
        rows: The complete ones as a ranking has them, best first.
        expected: What to expect of the best; ``None`` with one trial, or where that cannot be estimated.
        images: How many images the trials answered about.
    """

    plan: Plan
    trials: tuple[SweepTrial, ...]
    rows: tuple[RankedModel, ...]
    expected: SelectedValue | None
    images: int

    @property
    def best(self) -> SweepTrial:
        """The trial with the best value."""
        return self.plan.best([*self.trials])[0]

    @cached_property
    def current(self) -> RankedModel | None:
        """The row with the values that ``params.yaml`` has now; ``None`` if they were not tried."""
        names = {trial.name for trial in self.trials if self.plan.is_current(trial)}
        return next((row for row in self.rows if row.model.name in names), None)

    @property
    def undecided(self) -> int:
        """How many other trials are not significantly worse than the best."""
        return sum(row.gap is not None and not row.gap.worse for row in self.rows[1:])


def outcome(plan: Plan, trials: Sequence[SweepTrial], images: pd.DataFrame) -> Outcome:
    """Return what a sweep found.

    Args:
        plan: What it does.
        trials: Its trials, at least one of them complete.
        images: Those that they answered about, as :meth:`.TrialStore.images`.
    """
    done = [trial for trial in trials if trial.answers is not None]
    ids, actual = pd.Index(images["id"]), images["target"].to_numpy(np.int64)
    groups = group_numbers(images["cluster"].astype(str))
    values = {trial.name: np.asarray(trial.answers, np.float64) for trial in done}
    answers = {name: SplitAnswers(ids, actual, value) for name, value in values.items()}
    judged = plan.params.model_copy(update={"compare": plan.params.compare.model_copy(update={"metric": plan.metric})})
    models = [_as_model(plan, trial) for trial in done]
    rows, _ = rank_models(models, answers, next(iter(answers.values())), groups, judged)
    expected = None
    if len(done) > 1:
        expected = selected_value(
            plan.metric,
            actual,
            [*values.values()],
            groups,
            draws=_DRAWS,
            confidence=plan.params.evaluate.confidence,
            lower_is_better=plan.lower_is_better,
        )
    return Outcome(plan, tuple(trials), tuple(with_params(rows)), expected, len(ids))


def _as_model(plan: Plan, trial: SweepTrial) -> TrainedModel:
    params = plan.params.changed(trial.values)
    used = {f"train.{name}" for name in deciding_params(params.train)}
    every = flat(params)
    return TrainedModel(
        name=trial.name,
        revision=trial.name,
        kind="trial",
        started=trial.started / 1000,
        weights=trial.key,
        commit=None,
        params=every,
        recipe=None,
        seconds=trial.seconds,
        megabytes=None,
        run=None,
        predictions=pd.DataFrame(),
        unused=frozenset(name for name in every if name.startswith("train.") and name not in used),
    )
