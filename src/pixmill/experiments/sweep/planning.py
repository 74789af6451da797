"""What a sweep does: what is tried, what decides, and by which key its trials are found again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blake3 import blake3

from pixmill.core.errors import LockedError, ManifestError, ParamsError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import hold_lock, read_json
from pixmill.core.params import Params, SweepParams
from pixmill.core.provenance.results import digest_code
from pixmill.core.repository.documents import MalformedError
from pixmill.core.repository.stage_inputs import find_changed_input, first_outdated, workspace_stages
from pixmill.experiments.compare.numbers import LOWER_IS_BETTER
from pixmill.experiments.sweep.space import Space, check_searched, combinations, current_values
from pixmill.experiments.sweep.trial_store import SweepTrial, TrialStore
from pixmill.images.parts import load_parts
from pixmill.train.training_key import deciding_params, sweep_digest

_FORMAT = ("aspect", "image_size", "resize")
"""Params of split that decide how an image is packed."""


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
        return json.dumps(deciding_params(params.train), sort_keys=True, default=str)

    def is_current(self, trial: SweepTrial) -> bool:
        """Tell whether ``params.yaml`` has a trial's values now."""
        return self.identity(trial.values) == self.identity(current_values(self.params, self.space))

    def grid(self) -> dict[str, dict[str, Any]]:
        """Return all combinations that make different models, that of ``params.yaml`` first, by their identity."""
        each = [current_values(self.params, self.space), *combinations(self.space)]
        return {self.identity(values): values for values in each}


def plan(workspace: Workspace, params: Params, *, trials: int | None = None, folds: int | None = None) -> Plan:
    """Return what a sweep would do.

    Args:
        workspace: The project's workspace.
        params: Its params.
        trials: Instead of ``sweep.trials``.
        folds: Instead of ``sweep.folds``.

    Raises:
        ManifestError: The workspace has no packed images, or others than ``params.yaml`` says.
        ParamsError: ``sweep.space`` names what cannot be searched or has no effect, or a grid has a range.
    """
    given = {name: value for name, value in {"trials": trials, "folds": folds}.items() if value is not None}
    settings = params.sweep.model_copy(update=given)
    space, metric, folder = check_searched(params), settings.metric or params.compare.metric, _packed(workspace, params)
    parts = load_parts(folder, params.classes, image_size=params.split.image_size, names=("train", "val"))
    searched = [name.removeprefix("train.") for name in space]
    decided = [
        {name: values if isinstance(values, tuple) else values.model_dump() for name, values in space.items()},
        [settings.sampler, settings.seed, settings.folds, metric, params.train.target_accuracy],
        sweep_digest(folder, parts, params.train, labels=params.classes, searched=searched, root=workspace.root),
        digest_code("trials"),
    ]
    key = blake3(json.dumps(decided, sort_keys=True, default=str).encode()).hexdigest(length=8)
    found = Plan(params, settings, space, metric, key)
    if settings.sampler == "grid" and trials is None:
        found = replace(found, settings=settings.model_copy(update={"trials": len(found.grid())}))
    return found


def _packed(workspace: Workspace, params: Params) -> Path:
    """Return the folder of the packed images, checked to be those of the present params and images.

    Raises:
        ManifestError: There are none, or others.
    """
    root, folder = workspace.root, workspace.root / "artifacts" / "split"
    form = read_json(folder / "preprocessing.json", stage="split")
    stages = {name: stage for name, stage in workspace_stages(root).items() if name in ("scrape", "validate", "split")}
    if not (folder / "manifest.parquet").exists() or first_outdated(stages):
        raise ManifestError("artifacts/split is incomplete: dvc repro stopped", next="dvc repro split")

    def read(path: str) -> bytes | None:
        return (root / path).read_bytes() if (root / path).is_file() else None

    try:
        changed = find_changed_input(stages, read)
    except MalformedError as fault:
        raise ManifestError(f"the inputs of artifacts/split cannot be checked: {fault}", next="git status") from None
    if changed is None and any(getattr(params.split, name) != form.get(name) for name in _FORMAT):
        changed = "split in params.yaml"
    if changed:
        raise ManifestError(
            f"artifacts/split was made before {changed} changed", next="dvc repro split, then: pixmill sweep"
        )
    return folder


def open_trials(workspace: Workspace, plan: Plan) -> TrialStore:
    """Return the trials of a sweep that were kept; nothing is made."""
    return TrialStore(workspace.scratch("sweep") / plan.key, lower_is_better=plan.lower_is_better)


def hold(workspace: Workspace) -> AbstractContextManager[None]:
    """Return what keeps other sweeps of this project out.

    Raises:
        LockedError: By the block: one runs.
    """
    refusal = LockedError(
        f"another sweep is running in {workspace.root}", next="wait for it or stop it, then: pixmill sweep"
    )
    return hold_lock(workspace.scratch("sweep") / "lock", refusal)
