"""The search: values are chosen by Optuna, and a model is fitted for each choice, until enough were tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.errors import (
    DownloadError,
    ManifestError,
    ParamsError,
    PixmillError,
    PluginError,
    SplitError,
    TrainError,
)
from pixmill.core.files.workspace import Workspace
from pixmill.core.params import Params
from pixmill.core.process.progress import Progress, announce, only_warnings
from pixmill.experiments.compare.ranking import measure
from pixmill.experiments.sweep.planning import Plan, open_trials
from pixmill.experiments.sweep.space import current_values, suggest
from pixmill.experiments.sweep.trial_store import CURVES, KEY, REASON, SAME, VALUES, SweepTrial
from pixmill.metrics.calibration import calibrate
from pixmill.metrics.resampling import group_numbers
from pixmill.train import Callback
from pixmill.train.callback import Abandoned
from pixmill.train.checkpoints import pin
from pixmill.train.history import Epoch, Timing
from pixmill.train.trial import run_trial

if TYPE_CHECKING:
    import optuna

PINNED = 3
"""The best trials, whose weights are kept whatever else is."""

_STUCK = 50
"""Choices in a row that were made before, after which the search ends."""

_RUNS, _MOST = "runs", 3
"""Attribute of a trial that was queued with how often it began, and how often one may before others go on."""

_STARTUP, _WARMUP = 5, 5
"""Trials of networks before any is pruned, and epochs before it may be: those of Optuna's examples."""


def search(workspace: Workspace, plan: Plan) -> list[SweepTrial]:
    """Run trials until there are enough, and return all, by number.

    Trials that an earlier sweep with the same key finished count. The first one has the values of ``params.yaml``.

    Args:
        workspace: The project's workspace.
        plan: What to do; within :func:`hold`.

    Raises:
        PixmillError: The first trial failed.
        KeyboardInterrupt: SIGINT or SIGTERM arrived. Finished trials are kept.
    """
    return _Search(workspace, plan).run()


class _Search:
    """One process's part of a sweep."""

    def __init__(self, workspace: Workspace, plan: Plan) -> None:
        import optuna

        self._workspace, self._plan = workspace, plan
        self._store = open_trials(workspace, plan)
        self._store.make()
        self._trials = self._store.load()
        self._tried = {plan.identity(trial.values): trial for trial in self._trials}
        self._repeated = 0
        self._study = self._store.open(
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP, n_warmup_steps=_WARMUP)
        )
        seed = plan.settings.seed + len(self._study.trials)  # Else it would begin with the first choices again.
        kind = optuna.samplers.TPESampler if plan.settings.sampler == "tpe" else optuna.samplers.RandomSampler
        self._study.sampler = kind(seed=seed)

    def run(self) -> list[SweepTrial]:
        wanted = self._plan.settings.trials
        if len(self._trials) >= wanted:
            return self._trials
        self._queue()
        with Progress("Sweep", wanted, unit="trial") as progress:
            progress.advance(len(self._trials))

            def hear(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
                if (finished := self._store.read(trial, len(self._trials))) is not None:
                    self._trials.append(finished)
                    self._tried[self._plan.identity(finished.values)] = finished
                    best = self._plan.best(self._trials)
                    keys = [each.key for each in best[:PINNED]]
                    pin(self._workspace.scratch("train") / "checkpoints", "sweep", keys)
                    progress.advance(note=f"best {best[0].value:.3f}, {best[0].name}" if best else "")
                if self._repeated >= _STUCK:
                    announce(f"sweep: the last {_STUCK} choices were tried before")
                if len(self._trials) >= wanted or self._repeated >= _STUCK:
                    study.stop()

            self._study.optimize(self._objective, catch=(_FailedError,), callbacks=[hear])
        return self._trials

    def _queue(self) -> None:
        """Queue what comes before any choice: the params as they are, or what was interrupted, and a grid."""
        import optuna

        states, trials = optuna.trial.TrialState, self._study.trials
        queued = [trial.user_attrs.get(VALUES) for trial in trials if trial.state == states.WAITING]
        last = next((trial for trial in reversed(trials) if trial.state != states.WAITING), None)
        if not self._trials and not queued:
            self._enqueue(current_values(self._plan.params, self._plan.space))
        if last is not None and last.state in (states.RUNNING, states.FAIL):
            known = last.user_attrs
            if last.state == states.RUNNING:
                self._study.tell(last.number, state=states.FAIL)
            is_interrupted = bool(self._trials) and VALUES in known and REASON not in known
            if is_interrupted and known[VALUES] not in queued and (runs := known.get(_RUNS, 1)) < _MOST:
                self._enqueue(known[VALUES], runs + 1)
        if self._plan.settings.sampler == "grid":
            for identity, values in self._plan.grid().items():
                if identity not in self._tried and values not in queued:
                    self._enqueue(values)

    def _enqueue(self, values: Mapping[str, Any], runs: int = 1) -> None:
        self._study.enqueue_trial({}, user_attrs={VALUES: dict(values), _RUNS: runs})

    def _objective(self, trial: optuna.Trial) -> float:
        """Fit and measure one model, unless an equal one was: values may differ in what has no effect."""
        import optuna

        values = trial.user_attrs.get(VALUES)
        if values is None:
            values = suggest(trial, self._plan.space)
            trial.set_user_attr(VALUES, values)
        before = self._tried.get(self._plan.identity(values))
        self._repeated = self._repeated + 1 if before and _RUNS not in trial.user_attrs else 0
        if before is None:
            return self._fit(trial, values)
        trial.set_user_attr(SAME, before.number)
        if before.value is None:
            raise optuna.TrialPruned
        return before.value

    def _fit(self, trial: optuna.Trial, values: dict[str, Any]) -> float:
        import optuna

        plan, workspace, name = self._plan, self._workspace, f"trial {len(self._trials)}"
        is_network = values.get("train.model", plan.params.train.model) != "features"
        follower = _Follower(trial if is_network else None, sign=-1 if plan.lower_is_better else 1)
        try:
            params = plan.params.changed(values)
            with only_warnings():
                found = run_trial(
                    workspace.root / "artifacts" / "split",
                    params.train,
                    classes=params.classes,
                    scratch=workspace.scratch("train"),
                    root=workspace.root,
                    callback=follower,
                    folds=plan.settings.folds,
                    seed=plan.settings.seed,
                )
        except Abandoned:
            trial.set_user_attr(CURVES, follower.curves)
            raise optuna.TrialPruned from None
        except DownloadError as error:
            # It may work another time: the same command begins with this trial.
            raise DownloadError(
                f"{name}: {error.message}",
                next=f"check the network connection, or take the value out of sweep.space; then: {plan.command}",
            ) from None
        except (ParamsError, PluginError, SplitError, TrainError) as error:
            if not self._trials:
                # Without a reason: the same command tries it again.
                reason = f"the params as they are cannot be fitted: {error.message}"
                raise TrainError(reason, next="dvc repro train") from None
            announce(f"warning: {name} failed: {error.message}")
            trial.set_user_attr(CURVES, follower.curves)
            trial.set_user_attr(REASON, error.message)
            raise _FailedError from None
        answers = _calibrated(found.probabilities, found.targets, found.rows, plan.params)
        self._check_images(found.rows.assign(target=found.targets))
        groups = group_numbers(found.rows["cluster"].astype(str))
        value, _ = measure(plan.metric, found.targets.astype(np.int64), answers.astype(np.float64), groups)
        if value is None:
            raise PixmillError(
                f"{plan.metric} is undefined on the {plan.where}",
                next="set sweep.metric in params.yaml to another metric",
            )
        trial.set_user_attr(CURVES, follower.curves)
        trial.set_user_attr(KEY, found.key)
        self._store.set_answers(trial.number, answers)
        return value

    def _check_images(self, rows: pd.DataFrame) -> None:
        """Keep the images at the first trial; all others answer about the same."""
        known = self._store.images()
        if known is None:
            self._store.set_images(rows)
        elif not known["id"].equals(rows["id"]):
            raise ManifestError(
                "artifacts/split changed while the sweep ran", next=f"dvc repro, then: {self._plan.command}"
            )


class _FailedError(Exception):
    """A trial that failed for a reason that is known; others go on."""


class _Follower(Callback):
    """Keep the curves of a training, and end that of a network that is no better than others were.

    Args:
        trial: The network's trial; ``None`` for a head, which is never ended early.
        sign: That of a good value: losses depend on what is searched, so accuracy is compared.
    """

    def __init__(self, trial: optuna.Trial | None, *, sign: int) -> None:
        self.curves: list[dict[str, Any]] = []
        self._trial, self._sign = trial, sign

    def on_epoch_end(self, epoch: Epoch, timing: Timing) -> None:
        """Keep an epoch."""
        curve = {"epoch": epoch.epoch, "ended": timing.ended, **epoch.figures()}
        self.curves.append(curve)
        if self._trial is not None:
            self._trial.report(self._sign * curve["val_accuracy"], epoch.epoch)
            if self._trial.should_prune():
                raise Abandoned


def _calibrated(
    probabilities: npt.NDArray[np.float32], targets: npt.NDArray[np.int32], rows: pd.DataFrame, params: Params
) -> npt.NDArray[np.float32]:
    """Return the probabilities as the model would deliver them."""
    clusters = rows["cluster"].astype(str)
    calibration = calibrate(probabilities, targets, clusters, params.train.target_accuracy)
    return calibration.apply(probabilities).astype(np.float32)
