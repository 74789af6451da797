"""The plan of a sweep: the params to search, the metric, and the key of the trials."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from blake3 import blake3

from pixmill.core.errors import LockedError, ManifestError, ParamsError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import hold_lock, read_json
from pixmill.core.params import Params, SplitParams, SweepParams
from pixmill.core.params.models import Space
from pixmill.core.provenance.results import digest_code
from pixmill.core.repository.documents import MalformedError
from pixmill.core.repository.stage_inputs import (
    find_changed_input,
    first_outdated,
    workspace_stages,
)
from pixmill.experiments.compare.answers import SplitAnswers
from pixmill.experiments.compare.comparison import LOWER_IS_BETTER
from pixmill.experiments.sweep.space import check_searched, combinations, current_values, find_trial
from pixmill.experiments.sweep.trial_store import SweepTrial, TrialStore
from pixmill.heads import Head, head_of
from pixmill.images.parts import load_parts
from pixmill.train.training_key import deciding_params, sweep_digest

_PACKING_PARAMS = ("aspect", "image_size", "resize")
"""Params of split that decide how an image is packed."""


@dataclass(frozen=True)
class Plan:
    """The plan of a sweep.

    Args:
        params: All params of ``params.yaml``.
        settings: Section ``sweep``, changed by the command line's options.
        space: Params to search, and their values.
        metric: Metric that ranks the trials.
        key: Hash of the images, the other params and the code. A sweep with the same key continues
            an earlier one.
        validation: Ids of the validation split.
        cross_fitted: Whether each trial is a logistic regression, which is measured on its
            cross-fitted predictions of training and validation images. If some are not, all are
            measured on the validation split.
    """

    params: Params
    settings: SweepParams
    space: Space
    metric: str
    key: str
    validation: frozenset[str] = frozenset()
    cross_fitted: bool = False

    @property
    def command(self) -> str:
        """The command that continues the sweep."""
        folds = self.settings.folds
        if folds in (None, self.params.sweep.folds):
            return "pixmill sweep"
        return f"pixmill sweep --folds {folds}"

    @property
    def lower_is_better(self) -> bool:
        """Whether the best value is the lowest."""
        return self.metric in LOWER_IS_BETTER

    @property
    def head(self) -> Head:
        """What the models answer."""
        return head_of(self.params.task)

    def read(self, images: pd.DataFrame, answers: npt.NDArray[np.float32]) -> SplitAnswers:
        """Return the answers of a trial.

        Args:
            images: Columns ``id`` and ``label``.
            answers: Calibrated probabilities, shape (images, labels).
        """
        labels = self.params.classes
        head = self.head
        return SplitAnswers(
            pd.Index(images["id"]),
            head.targets(images["label"], labels).astype(np.int64),
            answers.astype(np.float64),
            np.array([] if head.is_exclusive else self.params.train.labels.thresholds(labels)),
            head.task,
        )

    def best(self, trials: Sequence[SweepTrial]) -> list[SweepTrial]:
        """Return the complete trials, best first; of equal ones the earliest."""
        sign = 1 if self.lower_is_better else -1
        done = [trial for trial in trials if trial.value is not None]
        return sorted(done, key=lambda trial: (sign * (trial.value or 0), trial.number))

    def identity(self, values: Mapping[str, Any]) -> str:
        """Return the params that decide a model as text, without unused ones."""
        try:
            params = self.params.changed(values)
        except ParamsError:
            return json.dumps(dict(values), sort_keys=True)
        return json.dumps(deciding_params(params.train), sort_keys=True, default=str)

    def is_current(self, trial: SweepTrial) -> bool:
        """Return whether ``params.yaml`` has the values of a trial."""
        return self.identity(trial.values) == self.identity(current_values(self.params, self.space))

    def grid(self) -> dict[str, dict[str, Any]]:
        """Return all combinations that make different models, that of ``params.yaml`` first."""
        each = [current_values(self.params, self.space), *combinations(self.space)]
        return {self.identity(values): values for values in each}


def plan_sweep(
    workspace: Workspace, params: Params, *, trials: int | None = None, folds: int | None = None
) -> Plan:
    """Return the plan of a sweep.

    Args:
        workspace: Workspace of the project.
        params: Params of the project.
        trials: Replaces ``sweep.trials``.
        folds: Replaces ``sweep.folds``.

    Raises:
        ManifestError: The packed images are missing, or do not match ``params.yaml``.
        ParamsError: ``sweep.space`` names a param that cannot be searched or has no effect, or a
            grid has a range.
    """
    given = {
        name: value
        for name, value in {"trials": trials, "folds": folds}.items()
        if value is not None
    }
    settings = params.sweep.model_copy(update=given)
    space = check_searched(params)
    metric = settings.metric or params.compare.metric
    folder = _packed_folder(workspace.root, params.split)
    parts = load_parts(
        folder,
        params.classes,
        targets=head_of(params.task).targets,
        image_size=params.split.image_size,
        names=("train", "val"),
    )
    searched = [name.removeprefix("train.") for name in space]
    decided = [
        {
            name: values if isinstance(values, tuple) else values.model_dump()
            for name, values in space.items()
        },
        [settings.sampler, settings.seed, settings.folds, metric, params.train.target_accuracy],
        sweep_digest(
            folder,
            parts,
            params.train,
            labels=params.classes,
            searched=searched,
            root=workspace.root,
        ),
        digest_code("trials"),
    ]
    key = blake3(json.dumps(decided, sort_keys=True, default=str).encode()).hexdigest(length=8)
    kinds = {name: space[name] for name in ("train.model", "train.features.head") if name in space}
    cross_fitted = all(
        params.changed(values).train.kind.is_logistic for values in combinations(kinds)
    )
    plan = Plan(
        params, settings, space, metric, key, frozenset(parts["val"].rows["id"]), cross_fitted
    )
    if settings.sampler == "grid" and trials is None:
        plan = replace(plan, settings=settings.model_copy(update={"trials": len(plan.grid())}))
    return plan


def _packed_folder(root: Path, split: SplitParams) -> Path:
    """Return the folder of the packed images.

    Raises:
        ManifestError: They are missing, or were not made from the current images and params.
    """
    folder = root / "artifacts/split"
    form = read_json(folder / "preprocessing.json", stage="split")
    stages = {
        name: stage
        for name, stage in workspace_stages(root).items()
        if name in ("scrape", "validate", "split")
    }
    if not (folder / "manifest.parquet").exists() or first_outdated(stages):
        raise ManifestError(
            "artifacts/split is incomplete: dvc repro stopped", next="dvc repro split"
        )

    def read(path: str) -> bytes | None:
        return (root / path).read_bytes() if (root / path).is_file() else None

    try:
        changed = find_changed_input(stages, read)
    except MalformedError as fault:
        raise ManifestError(
            f"the inputs of artifacts/split cannot be checked: {fault}", next="git status"
        ) from None
    if changed is None and any(getattr(split, name) != form.get(name) for name in _PACKING_PARAMS):
        changed = "split in params.yaml"
    if changed:
        raise ManifestError(
            f"artifacts/split was made before {changed} changed",
            next="dvc repro split, then: pixmill sweep",
        )
    return folder


def open_trials(workspace: Workspace, plan: Plan) -> TrialStore:
    """Return the store of a sweep's finished trials; create no files."""
    return TrialStore(workspace.scratch("sweep") / plan.key, lower_is_better=plan.lower_is_better)


def load_trial(
    workspace: Workspace, params: Params, number: int | None = None, folds: int | None = None
) -> SweepTrial:
    """Return a complete trial of a sweep.

    Args:
        workspace: Workspace of the project.
        params: Params of the project.
        number: Its number; default: that of the best.
        folds: As for :func:`plan_sweep`.

    Raises:
        PixmillError: There is no such trial, or as for :func:`plan_sweep`.
    """
    plan = plan_sweep(workspace, params, folds=folds)
    trials = plan.best(open_trials(workspace, plan).load())
    return find_trial(trials, number, command=plan.command)


def lock_sweep(workspace: Workspace) -> AbstractContextManager[None]:
    """Return a lock that admits one sweep of a project at a time.

    Raises:
        LockedError: On entering the block: another sweep runs.
    """
    refusal = LockedError(
        f"another sweep is running in {workspace.root}",
        next="wait for it or stop it, then: pixmill sweep",
    )
    return hold_lock(workspace.scratch("sweep") / "lock", refusal)
