"""The search: values are chosen by Optuna, and a model is fitted for each choice, until enough were tried."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.compare.ranking import measure
from pixmill.core.errors import (
    DownloadError,
    ManifestError,
    ParamsError,
    PixmillError,
    PluginError,
    SplitError,
    TrainError,
)
from pixmill.core.params import Params
from pixmill.core.progress import Progress, announce, only_warnings
from pixmill.core.workspace import Workspace
from pixmill.metrics.calibration import calibrate
from pixmill.metrics.resampling import group_numbers
from pixmill.sweep.planning import Plan, digest_images, open_trials
from pixmill.sweep.space import combinations, current_values, distributions, from_optuna, to_optuna
from pixmill.sweep.splits import packed_split
from pixmill.sweep.trial_store import SweepTrial
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
"""Choices in a row that were made before, after which all combinations are gone through."""

_STARTUP, _WARMUP = 5, 5
"""Trials of networks before any is pruned, and epochs before it may be: those of Optuna's examples."""


def search(workspace: Workspace, plan: Plan, on_trial: Callable[[SweepTrial], None]) -> list[SweepTrial]:
    """Run trials until there are enough, and return all, by number.

    Trials that an earlier sweep with the same key finished count. The first one has the values of ``params.yaml``.

    Args:
        workspace: The project's workspace.
        plan: What to do; within :func:`hold`.
        on_trial: Hears of each trial that this process finishes.

    Raises:
        PixmillError: The first trial failed, or the images cannot be packed.
        KeyboardInterrupt: SIGINT or SIGTERM arrived. Finished trials are kept.
    """
    return _Search(workspace, plan).run(on_trial)


class _Search:
    """One process's part of a sweep."""

    def __init__(self, workspace: Workspace, plan: Plan) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._workspace, self._plan = workspace, plan
        self._store = open_trials(workspace, plan.key)
        self._store.make()
        self._trials = self._store.load()
        self._distributions = distributions(plan.space)
        settings = plan.settings
        seed = settings.seed + len(self._trials)  # Else it would begin with the first choices again.
        sampler = (
            optuna.samplers.TPESampler(seed=seed)
            if settings.sampler == "tpe"
            else optuna.samplers.RandomSampler(seed=seed)
        )
        self._study = optuna.create_study(
            direction="minimize" if plan.lower_is_better else "maximize",
            sampler=sampler,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP, n_warmup_steps=_WARMUP),
        )
        self._tried: dict[str, SweepTrial] = {}
        for trial in self._trials:
            self._learn(trial)

    def run(self, on_trial: Callable[[SweepTrial], None]) -> list[SweepTrial]:
        settings, space = self._plan.settings, self._plan.space
        killed = self._store.killed_by()
        # The last kill may have come after the trial was kept.
        if killed is not None and all(trial.number != killed.number for trial in self._trials):
            self._keep(killed)
            on_trial(killed)
        with Progress("Sweep", settings.trials, unit="trial") as progress:
            progress.advance(min(len(self._trials), settings.trials))
            for chosen in self._choices():
                trial = self._run(chosen)
                if trial.number == 0 and trial.state == "failed":
                    # Not kept: the same command tries it again.
                    raise TrainError(f"the params as they are cannot be fitted: {trial.reason}", next="dvc repro train")
                self._keep(trial)
                on_trial(trial)
                best = self._plan.best(self._trials)
                keys = [each.key for each in best[:PINNED]]
                pin(self._workspace.scratch("train") / "checkpoints", "sweep", keys)
                progress.advance(note=f"best {best[0].value:.3f}, {best[0].name}" if best else "")
        if len(self._trials) < settings.trials:
            number = combinations(space)
            tried = "no other choice was found"
            if number:
                tried = "the only combination was tried" if number == 1 else f"all {number:,} combinations were tried"
            announce(f"sweep: {tried}")
        return sorted(self._trials, key=lambda trial: trial.number)

    def _keep(self, trial: SweepTrial) -> None:
        self._store.add(trial)
        self._trials.append(trial)
        self._learn(trial)

    def _choices(self) -> Iterator[dict[str, Any]]:
        """Yield values that were not tried, until there are enough trials or no others."""
        plan = self._plan
        if not any(trial.number == 0 for trial in self._trials):
            yield current_values(plan.params, plan.space)
        last = self._store.unfinished()
        if last and len(self._trials) < plan.settings.trials and plan.identity(last["values"]) not in self._tried:
            yield last["values"]  # The training of a network goes on from its last epoch.
        repeated = 0
        while len(self._trials) < plan.settings.trials and repeated < _STUCK and plan.settings.sampler != "grid":
            asked = self._study.ask(self._distributions)
            values = from_optuna(plan.space, asked.params)
            before = self._tried.get(self._plan.identity(values))
            if before is None:
                # Told under the values that were run, once it is known what they are worth.
                self._study.tell(asked, state=_state("failed"))
                repeated = 0
                yield values
            else:
                # What has no effect, such as C for an mlp, differs alone: Optuna learns that.
                self._study.tell(asked, before.value, state=None if before.value is not None else _state("failed"))
                repeated += 1
        if plan.settings.sampler == "grid" or combinations(plan.space) is not None:
            for combination in itertools.product(*map(_all_of, plan.space.values())):
                values = dict(zip(plan.space, combination, strict=True))
                if len(self._trials) >= plan.settings.trials:
                    return
                if self._plan.identity(values) not in self._tried:
                    yield values

    def _run(self, values: dict[str, Any]) -> SweepTrial:
        """Fit and measure one model."""
        plan, workspace = self._plan, self._workspace
        # The file of one in the middle may have been damaged.
        number = min({*range(len(self._trials) + 1)} - {trial.number for trial in self._trials})
        began = SweepTrial(number, values, "failed", None, int(1000 * time.time()), 0.0)
        start = time.monotonic()

        def ended(**what: Any) -> SweepTrial:
            return replace(began, seconds=time.monotonic() - start, curves=tuple(follower.curves), **what)

        follower = _Follower(self._intermediate(values))
        self._require_images()
        self._store.begin(began)
        try:
            params = plan.params.changed(values)
            folder = packed_split(workspace, params, workspace.scratch("sweep") / "splits")
            with only_warnings():
                found = run_trial(
                    folder,
                    params.train,
                    classes=params.classes,
                    scratch=workspace.scratch("train"),
                    root=workspace.root,
                    callback=follower,
                    folds=plan.settings.folds,
                    seed=plan.settings.seed,
                )
        except KeyboardInterrupt:
            self._store.interrupt()
            raise
        except Abandoned:
            return ended(state="pruned")
        except DownloadError as error:
            # It may work another time: the same command begins with this trial.
            self._store.interrupt()
            raise DownloadError(
                f"{began.name}: {error.message}",
                next=f"check the network connection, or take the value out of sweep.space; then: {plan.command}",
            ) from None
        except (ParamsError, PluginError, SplitError, TrainError) as error:
            self._require_images()
            announce(f"warning: {began.name} failed: {error.message}")
            return ended(reason=error.message)
        self._require_images()
        answers = _calibrated(found.probabilities, found.targets, found.rows, plan.params)
        self._check_images(found.rows.assign(target=found.targets))
        groups = group_numbers(found.rows["cluster"].astype(str))
        value, _ = measure(plan.metric, found.targets.astype(np.int64), answers.astype(np.float64), groups)
        if value is None:
            raise PixmillError(
                f"{plan.metric} is undefined on the {plan.where}",
                next="set sweep.metric in params.yaml to another metric",
            )
        return ended(state="complete", value=value, key=found.key, answers=answers)

    def _require_images(self) -> None:
        """Stop where a stage has begun to write other images."""
        if digest_images(self._workspace) != self._plan.images:
            raise ManifestError(
                "artifacts/split changed while the sweep ran", next=f"dvc repro, then: {self._plan.command}"
            )

    def _check_images(self, rows: pd.DataFrame) -> None:
        """Keep the images at the first trial; all others answer about the same."""
        known = self._store.images()
        if known is None:
            self._store.set_images(rows)
        elif not known["id"].equals(rows["id"]):
            raise RuntimeError("the trials of a sweep answer about different images")

    def _learn(self, trial: SweepTrial) -> None:
        """Tell Optuna of a finished trial."""
        import optuna

        self._tried[self._plan.identity(trial.values)] = trial
        chosen = to_optuna(self._plan.space, trial.values)
        if chosen is None or trial.state == "failed":
            return
        values = {
            int(curve["epoch"]): self._objective(curve)
            for curve in trial.curves
            if trial.state == "pruned" or self._is_network(trial.values)
        }
        self._study.add_trial(
            optuna.trial.create_trial(
                state=_state(trial.state),
                params=chosen,
                distributions=self._distributions,
                value=trial.value,
                intermediate_values=values,
            )
        )

    def _intermediate(self, values: Mapping[str, Any]) -> Callable[[list[dict[str, Any]]], bool]:
        """Return what tells after an epoch whether a training is worse than others were by then."""
        chosen = to_optuna(self._plan.space, values)
        if chosen is None or not self._trials or not self._is_network(values):
            return lambda _: False
        import optuna

        def is_pruned(curves: list[dict[str, Any]]) -> bool:
            reported = {int(curve["epoch"]): self._objective(curve) for curve in curves}
            trial = optuna.trial.create_trial(
                state=optuna.trial.TrialState.RUNNING,
                params=chosen,
                distributions=self._distributions,
                intermediate_values=reported,
            )
            return bool(self._study.pruner.prune(self._study, trial))

        return is_pruned

    def _is_network(self, values: Mapping[str, Any]) -> bool:
        return bool(values.get("train.model", self._plan.params.train.model) != "features")

    def _objective(self, curve: Mapping[str, Any]) -> float:
        """Return what an epoch is worth, in the direction of the metric: losses depend on what is searched."""
        value: float = curve["val_accuracy"]
        return -value if self._plan.lower_is_better else value


class _Follower(Callback):
    """Keep the curves of a training, and end one that is no better than others were."""

    def __init__(self, is_pruned: Callable[[list[dict[str, Any]]], bool]) -> None:
        self.curves: list[dict[str, Any]] = []
        self._is_pruned = is_pruned

    def on_epoch_end(self, epoch: Epoch, timing: Timing) -> None:
        """Keep an epoch."""
        self.curves.append({"epoch": epoch.epoch, "ended": timing.ended, **epoch.figures()})
        if self._is_pruned(self.curves):
            raise Abandoned


def _state(name: str) -> optuna.trial.TrialState:
    import optuna

    return {"complete": optuna.trial.TrialState.COMPLETE, "pruned": optuna.trial.TrialState.PRUNED}.get(
        name, optuna.trial.TrialState.FAIL
    )


def _all_of(values: Any) -> tuple[Any, ...]:
    """Return each value of a list, or of a range of whole numbers."""
    return values if isinstance(values, tuple) else tuple(range(int(values.low), int(values.high) + 1))


def _calibrated(
    probabilities: npt.NDArray[np.float32], targets: npt.NDArray[np.int32], rows: pd.DataFrame, params: Params
) -> npt.NDArray[np.float32]:
    """Return the probabilities as the model would deliver them."""
    clusters = rows["cluster"].astype(str)
    calibration = calibrate(probabilities, targets, clusters, params.train.target_accuracy)
    return calibration.apply(probabilities).astype(np.float32)
