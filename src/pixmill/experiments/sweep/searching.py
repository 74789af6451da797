"""The search: Optuna chooses values, and a model is fitted to each choice."""

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
from pixmill.core.process.progress import Progress, announce, only_warnings
from pixmill.experiments.compare.numbers import SCORINGS
from pixmill.experiments.sweep.planning import Plan, open_trials
from pixmill.experiments.sweep.space import current_values, suggest
from pixmill.experiments.sweep.trial_store import CURVES, KEY, REASON, SAME, VALUES, SweepTrial
from pixmill.metrics.resampling import group_numbers
from pixmill.train import Callback
from pixmill.train.checkpoints import discard, pin
from pixmill.train.history import Abandoned, Epoch, Timing
from pixmill.train.trial import Trial, run_trial

if TYPE_CHECKING:
    import optuna

_MAX_PINNED = 3
"""Best trials whose weights are kept from garbage collection."""

_MAX_REPEATS = 50
"""Consecutive choices of values that were tried before, after which the search ends."""

_RUNS = "runs"
_MAX_RUNS = 3
"""User attribute of a queued trial with the number of its starts, and the limit of starts after
interruptions."""

_STARTUP_TRIALS = 5
_WARMUP_EPOCHS = 5
"""Trials of networks before the first is pruned, and epochs of a trial before it is: as in Optuna's
examples."""


def search(workspace: Workspace, plan: Plan) -> list[SweepTrial]:
    """Run trials until enough are finished, and return all finished trials by number.

    Trials of an earlier sweep with the same key count. The first trial has the values of
    ``params.yaml``.

    Args:
        workspace: Workspace of the project, locked by :func:`.lock_sweep`.
        plan: The plan of the sweep.

    Raises:
        PixmillError: The first trial failed.
        KeyboardInterrupt: SIGINT or SIGTERM arrived. Finished trials are kept.
    """
    return _Search(workspace, plan).run()


class _Search:
    """The search of one process."""

    def __init__(self, workspace: Workspace, plan: Plan) -> None:
        import optuna

        self._workspace = workspace
        self._plan = plan
        self._store = open_trials(workspace, plan)
        self._store.make()
        self._trials = self._store.load()
        self._tried = {plan.identity(trial.values): trial for trial in self._trials}
        self._repeated = 0
        self._study = self._store.open(
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=_STARTUP_TRIALS, n_warmup_steps=_WARMUP_EPOCHS
            )
        )
        # A fixed seed would repeat the first choices.
        seed = plan.settings.seed + len(self._study.trials)
        self._study.sampler = optuna.samplers.RandomSampler(seed=seed)
        if plan.settings.sampler == "tpe":
            self._study.sampler = optuna.samplers.TPESampler(seed=seed)

    def run(self) -> list[SweepTrial]:
        wanted = self._plan.settings.trials
        if len(self._trials) >= wanted:
            return self._trials
        self._queue()
        with Progress("Sweep", wanted, unit="trial", done=len(self._trials)) as progress:

            def on_trial_end(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
                if (finished := self._store.read(trial, len(self._trials))) is not None:
                    self._trials.append(finished)
                    self._tried[self._plan.identity(finished.values)] = finished
                    best = self._plan.best(self._trials)
                    keys = [each.key for each in best[:_MAX_PINNED]]
                    checkpoints = self._workspace.scratch("train") / "checkpoints"
                    pin(checkpoints, "sweep", keys)
                    # The first trial may be the training of the workspace.
                    discard(checkpoints, [each.key for each in self._trials[1:] if each.key])
                    progress.advance(
                        note=f"best {best[0].value:.3f}, {best[0].name}" if best else ""
                    )
                if self._repeated >= _MAX_REPEATS:
                    announce(
                        f"sweep: ended early, since the last {_MAX_REPEATS} choices were tried "
                        "before"
                    )
                if len(self._trials) >= wanted or self._repeated >= _MAX_REPEATS:
                    study.stop()

            self._study.optimize(self._objective, catch=(_FailedError,), callbacks=[on_trial_end])
        return self._trials

    def _queue(self) -> None:
        """Queue trials without a choice: the current params, an interrupted trial, and a grid."""
        import optuna

        waiting = optuna.trial.TrialState.WAITING
        trials = self._study.trials
        queued = [trial.user_attrs.get(VALUES) for trial in trials if trial.state == waiting]
        begun = [trial for trial in trials if trial.state != waiting]
        if not self._trials and not queued:
            self._enqueue(current_values(self._plan.params, self._plan.space))
        if begun:
            self._queue_again(begun[-1], queued)
        if self._plan.settings.sampler == "grid":
            for identity, values in self._plan.grid().items():
                if identity not in self._tried and values not in queued:
                    self._enqueue(values)

    def _queue_again(self, last: optuna.trial.FrozenTrial, queued: list[Any]) -> None:
        """Queue the last trial if it was interrupted, and not too often."""
        import optuna

        states = optuna.trial.TrialState
        if last.state == states.RUNNING:
            self._study.tell(last.number, state=states.FAIL)
        elif last.state != states.FAIL:
            return
        known = last.user_attrs
        runs = known.get(_RUNS, 1)
        # A trial that failed by itself has a reason.
        is_interrupted = bool(self._trials) and VALUES in known and REASON not in known
        if is_interrupted and known[VALUES] not in queued and runs < _MAX_RUNS:
            self._enqueue(known[VALUES], runs + 1)

    def _enqueue(self, values: Mapping[str, Any], runs: int = 1) -> None:
        self._study.enqueue_trial({}, user_attrs={VALUES: dict(values), _RUNS: runs})

    def _objective(self, trial: optuna.Trial) -> float:
        """Return the value of a trial; fit a model unless an equal one was fitted."""
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

        plan = self._plan
        workspace = self._workspace
        name = f"trial {len(self._trials)}"
        follower = _Follower(sign=-1 if plan.lower_is_better else 1)
        try:
            params = plan.params.changed(values)
            if not params.train.kind.on_features:  # A head is never pruned.
                follower.trial = trial
            with only_warnings():
                found = run_trial(
                    workspace.root / "artifacts/split",
                    params.train,
                    head=plan.head,
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
            # No reason is stored, so the same command repeats this trial.
            raise DownloadError(
                f"{name}: {error.message}",
                next="check the network connection, or take the value out of sweep.space; then: "
                f"{plan.command}",
            ) from None
        except (ParamsError, PluginError, SplitError, TrainError) as error:
            if not self._trials:
                # No reason is stored, so the same command repeats this trial.
                reason = f"the current params cannot be fitted: {error.message}"
                raise TrainError(reason, next="dvc repro train") from None
            announce(f"warning: {name} failed: {error.message}")
            trial.set_user_attr(CURVES, follower.curves)
            trial.set_user_attr(REASON, error.message)
            raise _FailedError from None
        value, answers = self._score(found)
        trial.set_user_attr(CURVES, follower.curves)
        trial.set_user_attr(KEY, found.key)
        self._store.set_answers(trial.number, answers)
        return value

    def _score(self, found: Trial) -> tuple[float, npt.NDArray[np.float32]]:
        """Return the metric on the images that rank the trials, and the calibrated answers."""
        plan = self._plan
        measured = np.full(len(found.rows), True)
        if not plan.settings.folds and not plan.cross_fitted:
            measured = found.rows["id"].isin(plan.validation).to_numpy(bool)
        rows = found.rows[measured].reset_index(drop=True)
        targets = found.targets[measured]
        given = found.probabilities[measured]
        params = plan.params
        thresholds = params.train.labels.thresholds(params.classes)
        groups = group_numbers(rows["cluster"].astype(str))
        calibration = plan.head.calibrate(
            given, targets, groups, params.train.target_accuracy, thresholds
        )
        answers = calibration.apply(given).astype(np.float32)
        self._check_images(rows)
        value, _ = SCORINGS[params.task].measure(plan.metric, plan.read(rows, answers), groups)
        if value is None:
            raise PixmillError(
                f"{plan.metric} is undefined on the {len(rows):,} images that rank the trials",
                next="set sweep.metric in params.yaml to another metric",
            )
        return value, answers

    def _check_images(self, rows: pd.DataFrame) -> None:
        """Store the images of the first trial; all others must predict the same."""
        known = self._store.images()
        if known is None:
            self._store.set_images(rows)
        elif not known["id"].equals(rows["id"]):
            raise ManifestError(
                "artifacts/split changed while the sweep ran, or cross-fitting takes too long for "
                "some of the values",
                next=f"dvc repro, then: {self._plan.command}"
                + ("" if self._plan.settings.folds else "; or: pixmill sweep --folds 5"),
            )


class _FailedError(Exception):
    """A failed trial with a stored reason; the search continues."""


class _Follower(Callback):
    """Collect the curves of a training, and prune a network that is less accurate than others.

    Accuracy is compared, since the loss depends on the searched params.

    Args:
        sign: 1 if the study maximizes, -1 if it minimizes.
    """

    def __init__(self, *, sign: int) -> None:
        self.curves: list[dict[str, Any]] = []
        self.trial: optuna.Trial | None = None
        """Trial of a network that may be pruned."""
        self._sign = sign

    def on_epoch_end(self, epoch: Epoch, timing: Timing) -> None:
        """Add an epoch to the curves."""
        curve = {"epoch": epoch.epoch, "ended": timing.ended, **epoch.figures()}
        self.curves.append(curve)
        if self.trial is not None:
            self.trial.report(self._sign * curve["val_accuracy"], epoch.epoch)
            if self.trial.should_prune():
                raise Abandoned
