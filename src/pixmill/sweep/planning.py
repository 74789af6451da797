"""What a sweep does: what is tried, what decides, and by which key its trials are found again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

from pixmill.compare.numbers import LOWER_IS_BETTER
from pixmill.core.errors import LockedError, ParamsError
from pixmill.core.files import hold_lock, read_json
from pixmill.core.params import Params, SweepParams
from pixmill.core.workspace import Workspace
from pixmill.images.parts import load_parts
from pixmill.provenance.results import digest_code
from pixmill.sweep.space import Space, check_searched, combinations, current_values, to_optuna
from pixmill.sweep.splits import FORMAT, check_split, image_format
from pixmill.sweep.trial_store import SweepTrial, TrialStore
from pixmill.train.training_key import deciding_params, sweep_digest


@dataclass(frozen=True)
class Plan:
    """What a sweep does.

    Args:
        params: The whole of ``params.yaml``.
        settings: Its section ``sweep``, with what the command line says.
        space: What is tried.
        metric: The metric that decides.
        key: What a sweep depends on that goes on where an earlier one ended: the images, the other params, the code.
    """

    params: Params
    settings: SweepParams
    space: Space
    metric: str
    key: str

    @property
    def command(self) -> str:
        """What a person types to go on."""
        folds = self.settings.folds
        return "pixmill sweep" if folds in (None, self.params.sweep.folds) else f"pixmill sweep --folds {folds}"

    @property
    def where(self) -> str:
        """Which images the trials answer about."""
        return "training and validation images, by cross-validation" if self.settings.folds else "validation images"

    @property
    def lower_is_better(self) -> bool:
        """Whether the best value is the lowest."""
        return self.metric in LOWER_IS_BETTER

    def best(self, trials: list[SweepTrial]) -> list[SweepTrial]:
        """Return the complete trials, best first; of equal ones the earliest."""
        sign = 1 if self.lower_is_better else -1
        done = [trial for trial in trials if trial.value is not None]
        return sorted(done, key=lambda trial: (sign * (trial.value or 0), trial.number))

    def identity(self, values: Mapping[str, Any]) -> str:
        """Return what decides a model: values that differ in what has no effect have the same."""
        try:
            params = self.params.changed(values)
        except ParamsError:
            return json.dumps(dict(values), sort_keys=True)
        return json.dumps([image_format(params.split), deciding_params(params.train)], sort_keys=True, default=str)

    def is_current(self, trial: SweepTrial) -> bool:
        """Tell whether ``params.yaml`` has a trial's values now."""
        return self.identity(trial.values) == self.identity(current_values(self.params, self.space))


def plan(
    workspace: Workspace,
    params: Params,
    *,
    trials: int | None = None,
    folds: int | None = None,
    applying: bool = False,
) -> Plan:
    """Return what a sweep would do.

    Args:
        workspace: The project's workspace.
        params: Its params.
        trials: Instead of ``sweep.trials``.
        folds: Instead of ``sweep.folds``.
        applying: Whether a trial is to be applied, for which the images may be packed in another format. Default: no.

    Raises:
        ManifestError: The workspace has no packed images, or others than ``params.yaml`` says.
        ParamsError: ``sweep.space`` names what cannot be searched or has no effect, or a grid of real numbers.
    """
    given = {name: value for name, value in {"trials": trials, "folds": folds}.items() if value is not None}
    settings = params.sweep.model_copy(update=given)
    space = check_searched(params)
    if settings.sampler == "grid" and trials is None:
        outside = to_optuna(space, current_values(params, space)) is None  # The first trial is params.yaml as it is.
        settings = settings.model_copy(update={"trials": (combinations(space) or 0) + outside})
    if not applying:
        check_split(workspace, params)
    metric = settings.metric or params.review.metric
    split, folder = image_format(params.split), workspace.root / "artifacts" / "split"
    packed = read_json(folder / FORMAT, stage="split")
    searched = [f"{name}." for name in space]
    decided = [
        {name: value for name, value in split.items() if f"split.{name}." not in searched},
        {name: values if isinstance(values, tuple) else values.model_dump() for name, values in space.items()},
        [settings.sampler, settings.seed, settings.folds, metric, params.train.target_accuracy],
        sweep_digest(
            folder,
            load_parts(folder, params.classes, image_size=packed["image_size"], names=("train", "val")),
            params.train,
            labels=params.classes,
            searched=[name.removeprefix("train.") for name in space if name.startswith("train.")],
            packed=not any(name.startswith("split.") for name in space),
            root=workspace.root,
        ),
        digest_code("trials"),
    ]
    key = blake3(json.dumps(decided, sort_keys=True, default=str).encode()).hexdigest(length=8)
    return Plan(params, settings, space, metric, key)


def open_trials(workspace: Workspace, key: str) -> TrialStore:
    """Return the trials of a sweep that were kept; nothing is made."""
    return TrialStore(workspace.scratch("sweep") / key)


def hold(workspace: Workspace) -> AbstractContextManager[None]:
    """Return what keeps other sweeps of this project out.

    Raises:
        LockedError: By the block: one runs.
    """
    refusal = LockedError(
        f"another sweep is running in {workspace.root}", next="wait for it or stop it, then: pixmill sweep"
    )
    return hold_lock(workspace.scratch("sweep") / "lock", refusal)
