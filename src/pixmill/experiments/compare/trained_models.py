"""The models of a project: its runs in MLflow and DVC's experiments, with what each answered on validation and test."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from pixmill.core.errors import PixmillError
from pixmill.core.files.cache import Cache
from pixmill.core.files.workspace import Workspace
from pixmill.core.repository.git import git
from pixmill.core.words import join_names
from pixmill.experiments.compare.comparison import Revision
from pixmill.experiments.compare.git_revisions import find, refs_by_name
from pixmill.experiments.compare.recorded_sweeps import RecordedSweep, read_sweeps
from pixmill.experiments.compare.training_files import SEED, TrainingFiles, read_once, read_training
from pixmill.experiments.compare.trees import DvcStore, Tree
from pixmill.tracking.delivery import RESOLVED, WEIGHTS
from pixmill.tracking.lineage import project_id
from pixmill.tracking.run_lookup import PREDICTIONS, MlflowRun, RunReader
from pixmill.tracking.store import experiment_name

_EXPERIMENT = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/.+")

_READERS = 8
"""Runs that are read from a server at the same time."""


@dataclass(frozen=True)
class TrainedModel:
    """A training, or several of the same weights, which go by the one in use, else by the first.

    Args:
        name: Of the experiment, or of the run with the first letters of its id; of the model in use.
        revision: The name by which ``pixmill compare`` finds it.
        kind: ``experiment``, ``run`` or ``commit``; with ``and`` between where several have the same weights.
        started: When, in seconds since 1970.
        weights: The md5 of its weights; empty if unknown.
        commit: The commit that it was trained at; an experiment's own.
        params: All its params by dotted name, with the defaults of the version that recorded the run; an experiment's
            with those of this version.
        recipe: A hash of the training's data, code, and params but ``train.seed``; ``None`` if any of these is unknown.
            Params that the model does not use do not count.
        seconds: Duration of the training; ``None`` if unknown.
        megabytes: Size of the model in MLflow; ``None`` if unknown.
        run: Its run.
        predictions: The rows of validation and test in ``predictions.parquet``: ``id split label p_<class>…``; empty if
            there are none that can be read.
        fault: Why there are none; ``None`` if there are.
        seeds: All values of ``train.seed`` that gave these weights.
        unused: Names of params that have no effect on this kind of model.
        experiment: The name by which DVC finds its experiment, if there is one.
        in_use: Whether it is the champion, or what the main branch has.
    """

    name: str
    revision: str
    kind: str
    started: float
    weights: str
    commit: str | None
    params: Mapping[str, Any]
    recipe: str | None
    seconds: float | None
    megabytes: float | None
    run: MlflowRun | None
    predictions: pd.DataFrame
    fault: str | None = None
    seeds: frozenset[Any] = frozenset()
    unused: frozenset[str] = frozenset()
    experiment: str | None = None
    in_use: bool = False


@dataclass(frozen=True)
class FoundModels:
    """What was found.

    Args:
        models: Newest first; each of other weights than the others.
        left_out: Whether there are older ones than the limit admits.
        without_runs: Why there are only experiments, as a sentence, if MLflow could not be read.
        notes: What else there is to know, one sentence each.
        sweeps: Sweeps, newest first.
    """

    models: tuple[TrainedModel, ...]
    left_out: bool
    without_runs: str | None
    notes: tuple[str, ...]
    sweeps: tuple[RecordedSweep, ...] = ()


def read_models(
    workspace: Workspace,
    *,
    limit: int,
    since: float = 0,
    all_projects: bool = False,
    base: Revision | None = None,
) -> FoundModels:
    """Read the newest runs and experiments; what was read once is kept in ``.pixmill/compare``.

    Args:
        workspace: The project's workspace.
        limit: How many runs, and how many experiments, at most.
        since: Seconds since 1970; older ones are left out.
        all_projects: Whether to read the runs of all projects in this MLflow. Default: those of this one, by the tag
            ``pixmill.project``, and those without the tag in the experiment of the project's name.
        base: What is in use: its model is always among those found. Default: nothing.

    Raises:
        PixmillError: There are neither experiments nor runs; or no experiments, and MLflow does not respond.
    """
    project = project_id(workspace.root)
    refs = [ref for ref in _experiments(workspace.root) if ref[0] >= since]
    reader, notes, recorded, without_runs = RunReader(workspace), [], [], None
    sweeps: list[RecordedSweep] = []
    try:
        own = {} if all_projects else {"project": project, "experiment": experiment_name(workspace.root)}
        recorded = reader.list_evaluated(limit + 1, since=since, **own)
        sweeps = read_sweeps(reader, since=since, **own)
    except PixmillError as error:
        if not refs:
            raise
        without_runs = f"Only DVC's experiments were compared: {error.message}; {error.next}."
    if recorded and not (project or all_projects):
        begun = git(workspace.root, "rev-parse", "HEAD")
        lack, cure = (
            ("This clone is shallow", "git fetch --unshallow")
            if begun
            else ("This project has no commit", "git add -A && git commit")
        )
        notes.append(
            f"{lack}, so runs are taken by the name of their experiment, which another project may have as well; to "
            f"tell them apart: {cure}."
        )
    with Cache(workspace.scratch("compare") / "models.sqlite") as cache:
        runs = _read_runs(reader, recorded[:limit], cache)
        experiments = _read_experiments(workspace.root, refs[:limit], cache)
        used = _read_base(base, reader, workspace.root, cache)
    trainings = [*runs, *experiments]
    if not trainings and since:
        when = f"{datetime.fromtimestamp(since).astimezone():%Y-%m-%d %H:%M}"
        raise PixmillError(f"no experiment and no run with results is newer than {when}", next="choose an earlier date")
    if not trainings:
        raise PixmillError("there are no experiments, and no runs with results in MLflow", next="dvc repro")
    models = _merge([*used, *trainings])
    return FoundModels(tuple(models), max(len(recorded), len(refs)) > limit, without_runs, tuple(notes), tuple(sweeps))


def _merge(models: list[TrainedModel]) -> list[TrainedModel]:
    """Return one model for each weights, newest first."""
    found: dict[str, list[TrainedModel]] = defaultdict(list)
    for model in sorted(models, key=lambda each: -each.started):
        found[model.weights or model.revision].append(model)
    return [_merge_same(same) for same in found.values()]


def _merge_same(models: list[TrainedModel]) -> TrainedModel:
    """Return one model for those of the same weights: the one in use, else the oldest, with what the others know."""
    named = min(models, key=lambda model: (not model.in_use, model.started))
    shown = named if named.fault is None else min(models, key=lambda model: model.fault is not None)
    kinds = {model.kind for model in models}
    if len(kinds) > 1:
        kinds.discard("commit")
    # A run within an experiment goes by its name.
    own = named.run and named.run.tags.get("DVC_EXP_NAME")
    experiments = [model.experiment for model in models if model.experiment]
    return replace(
        named,
        name=own if own in experiments and not named.in_use else named.name,
        revision=shown.revision,
        predictions=shown.predictions,
        fault=shown.fault,
        kind=join_names([kind for kind in ("commit", "experiment", "run") if kind in kinds]),
        experiment=own if own in experiments else next(iter(experiments), None),
        run=named.run or next((model.run for model in models if model.run), None),
        megabytes=next((model.megabytes for model in models if model.megabytes is not None), None),
        # Those that reused a finished training took less.
        seconds=max(filter(None, (model.seconds for model in models)), default=None),
        seeds=frozenset[Any]().union(*(model.seeds for model in models)),
    )


def _experiments(root: Path) -> list[tuple[float, str, str]]:
    """Return DVC's experiments, newest first: when each was made, its ref, and its commit."""
    listed = git(
        root,
        "for-each-ref",
        "--sort=-committerdate",
        "--format=%(committerdate:unix) %(objectname) %(refname)",
        "refs/exps",
    )
    rows = (line.split(" ", 2) for line in (listed or "").splitlines())
    return [(float(time), ref, commit) for time, commit, ref in rows if _EXPERIMENT.fullmatch(ref)]


def _read_runs(reader: RunReader, runs: Sequence[MlflowRun], cache: Cache) -> list[TrainedModel]:
    def read(run: MlflowRun) -> TrainingFiles:
        def content(path: str) -> bytes | None:
            return reader.read(run, path)

        try:
            found = read_training(content, lambda: content(PREDICTIONS), resolved=content(RESOLVED))
            found = replace(found, megabytes=reader.megabytes(run))
        except PixmillError as error:  # Its files may be where this machine has no access.
            found = TrainingFiles({}, None, None, f"it cannot be read: {error.message}", [])
        if found.fault is None and found.predictions is None:
            found = replace(found, fault=f"it has no {PREDICTIONS} in MLflow")
        return replace(found, weights=run.tags.get(WEIGHTS, ""))

    keys = {run.id: run.fingerprint for run in runs}
    with ThreadPoolExecutor(_READERS) as pool:
        found = read_once(keys, cache, lambda ids: pool.map(read, [run for run in runs if run.id in ids]), "run")
    return [
        _model(
            found[run.id],
            name=f"{run.name} ({run.id[:8]})",
            revision=f"runs:/{run.id}",
            kind="run",
            started=run.started,
            commit=run.tags.get("pixmill.commit"),
            seconds=run.seconds,
            run=run,
        )
        for run in runs
    ]


def _read_base(base: Revision | None, reader: RunReader, root: Path, cache: Cache) -> list[TrainedModel]:
    """Return the training in use; none if its weights are unknown."""
    if base is None:
        return []
    if base.name.startswith("models:/"):
        assert base.run is not None
        found = [replace(model, name=base.title) for model in _read_runs(reader, [base.run], cache)]
    elif base.commit is None:
        return []
    else:
        started = float(git(root, "log", "-1", "--format=%ct", base.commit) or 0)
        found = _read_experiments(root, [(started, base.name, base.commit)], cache)
        found = [replace(found[0], name=base.name, revision=base.name, kind="commit", experiment=None)]
    return [replace(model, in_use=True) for model in found if model.weights]


def _read_experiments(root: Path, refs: Sequence[tuple[float, str, str]], cache: Cache) -> list[TrainedModel]:
    store = DvcStore(root)

    def read(commit: str) -> TrainingFiles:
        tree = Tree(store, find(root, commit))
        path = "artifacts/evaluate/predictions.parquet"
        found = read_training(tree.read, lambda: tree.read(path), resolved=None)
        if found.predictions is None and found.fault is None:
            fault = tree.faults.get(path) or tree.trouble(path) or "its stages did not make predictions"
            found = replace(found, fault=fault)
        return replace(found, weights=tree.md5("artifacts/train/model.weights.h5") or "")

    def revision(ref: str, commit: str) -> str:
        name = ref.rpartition("/")[2]
        return name if {*named[name].values()} == {commit} else ref

    named = refs_by_name(root)
    keys = {commit: commit for _, _, commit in refs}
    found = read_once(keys, cache, lambda commits: map(read, commits), "experiment")
    return [
        _model(
            found[commit],
            name=ref.rpartition("/")[2],
            revision=revision(ref, commit),
            kind="experiment",
            experiment=revision(ref, commit),
            started=started,
            commit=commit,
        )
        for started, ref, commit in refs
    ]


def _model(read: TrainingFiles, **given: Any) -> TrainedModel:
    table = pd.DataFrame() if read.predictions is None else read.predictions.to_pandas()
    named = {"seconds": None, "run": None, **given}
    return TrainedModel(
        weights=read.weights,
        params=read.params,
        recipe=read.recipe,
        megabytes=read.megabytes,
        predictions=table,
        fault=read.fault,
        unused=frozenset(read.unused),
        seeds=frozenset({read.params[SEED]} if SEED in read.params else ()),
        **named,
    )
