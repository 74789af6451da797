"""Read the models of a project: runs in MLflow and DVC experiments, with their predictions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
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
from pixmill.experiments.compare.training_files import SEED, TrainingFiles, read_once, read_training
from pixmill.experiments.compare.trees import DvcStore, Tree
from pixmill.tracking.delivery import RESOLVED, WEIGHTS
from pixmill.tracking.lineage import project_id
from pixmill.tracking.run_lookup import PREDICTIONS, MlflowRun, RunReader
from pixmill.tracking.store import RECORD_AGAIN, experiment_name

_EXPERIMENT = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/.+")

_MAX_THREADS = 8
"""Runs that are read from a server concurrently."""


@dataclass(frozen=True)
class TrainedModel:
    """A training, or several with the same weights, named after the one in use or the first.

    Args:
        name: Name of the experiment, of the run with the start of its id, or of the model in use.
        revision: Name for ``pixmill compare``.
        kind: ``experiment``, ``run`` or ``commit``, joined by ``and`` if several have the same weights.
        started: Start time in seconds since 1970.
        weights: md5 of the weights; empty if unknown.
        params: All params by dotted name, with the defaults of the version that recorded the run, or of the installed
            version for an experiment.
        predictions: Rows of held-out images in ``predictions.parquet``: ``id split label p_<class>…`` and, if known,
            ``held_out``; empty if they cannot be read.
        commit: Commit of the training; the experiment's own commit.
        recipe: Hash of the training's data, code, and used params except ``train.seed``; ``None`` if any is unknown.
        seconds: Duration of the training; ``None`` if unknown.
        megabytes: Size of the model in MLflow; ``None`` if unknown.
        run: Run in MLflow.
        fault: Reason why there are no predictions; ``None`` if there are.
        seeds: Values of ``train.seed`` that gave these weights.
        unused: Names of params without effect on this kind of model.
        experiment: Name of the DVC experiment, if any.
        in_use: Whether it is the champion, or the model of the main branch without one.
    """

    name: str
    revision: str
    kind: str
    started: float
    weights: str
    params: Mapping[str, Any]
    predictions: pd.DataFrame
    commit: str | None = None
    recipe: str | None = None
    seconds: float | None = None
    megabytes: float | None = None
    run: MlflowRun | None = None
    fault: str | None = None
    seeds: frozenset[Any] = frozenset()
    unused: frozenset[str] = frozenset()
    experiment: str | None = None
    in_use: bool = False


@dataclass(frozen=True)
class FoundModels:
    """Models of a project.

    Args:
        models: Models with distinct weights, newest first.
        left_out: Whether older ones exceed the limit.
        without_runs: Sentence with the reason why there are only experiments; ``None`` if MLflow was read.
        notes: Further sentences for the reader.
    """

    models: tuple[TrainedModel, ...]
    left_out: bool
    without_runs: str | None
    notes: tuple[str, ...]


def read_models(
    workspace: Workspace,
    *,
    limit: int,
    all_projects: bool = False,
    base: Revision | None = None,
) -> FoundModels:
    """Read the newest runs and experiments; their files are cached in ``.pixmill/compare``.

    Args:
        workspace: Workspace of the project.
        limit: Maximum number of runs, and of experiments.
        all_projects: Whether to read the runs of all projects in this MLflow. Default: runs of this project by the tag
            ``pixmill.project``, and runs without the tag in the experiment of the project's name.
        base: Revision in use, whose model is always included.

    Raises:
        PixmillError: There are neither experiments nor runs; or no experiments, and MLflow does not respond.
    """
    project = project_id(workspace.root)
    refs = _experiments(workspace.root)
    reader, notes, recorded, without_runs = RunReader(workspace), [], [], None
    own: dict[str, Any] = {} if all_projects else {"project": project, "experiment": experiment_name(workspace.root)}
    try:
        recorded = reader.list_evaluated(limit + 1, **own)
    except PixmillError as error:
        if not refs:
            raise
        without_runs = f"Only DVC's experiments were compared: {error.message}; {error.next}."
    if recorded and not (project or all_projects):
        cause, remedy = "This project has no commit", "git add -A && git commit"
        if git(workspace.root, "rev-parse", "HEAD"):
            cause, remedy = "This clone is shallow", "git fetch --unshallow"
        notes.append(
            f"{cause}, so runs are found by the name of their MLflow experiment, which another project may share; to "
            f"find only those of this project: {remedy}."
        )
    with Cache(workspace.scratch("compare") / "models.sqlite") as cache:
        runs = _read_runs(reader, recorded[:limit], cache)
        experiments = _read_experiments(workspace.root, refs[:limit], cache)
        used = _read_base(base, reader, workspace.root, cache)
    trainings = [*runs, *experiments]
    if not trainings:
        raise PixmillError("there are no experiments, and no runs with results in MLflow", next=RECORD_AGAIN)
    by_weights: dict[str, list[TrainedModel]] = defaultdict(list)
    for model in sorted([*used, *trainings], key=lambda each: -each.started):
        by_weights[model.weights or model.revision].append(model)
    models = tuple(map(_merge, by_weights.values()))
    return FoundModels(models, max(len(recorded), len(refs)) > limit, without_runs, tuple(notes))


def _merge(models: list[TrainedModel]) -> TrainedModel:
    """Return one model for those of the same weights: the one in use, else the oldest, completed by the others."""
    named = min(models, key=lambda model: (not model.in_use, model.started))
    shown = named if named.fault is None else min(models, key=lambda model: model.fault is not None)
    kinds = {model.kind for model in models}
    if len(kinds) > 1:
        kinds.discard("commit")
    # A run within a DVC experiment has the experiment's name.
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
        # Shorter durations are of runs that reused a finished training.
        seconds=max(filter(None, (model.seconds for model in models)), default=None),
        seeds=frozenset[Any]().union(*(model.seeds for model in models)),
    )


def _experiments(root: Path) -> list[tuple[float, str, str]]:
    """Return DVC's experiments, newest first: time, ref and commit of each."""
    columns = "--format=%(committerdate:unix) %(objectname) %(refname)"
    listed = git(root, "for-each-ref", "--sort=-committerdate", columns, "refs/exps")
    rows = (line.split(" ", 2) for line in (listed or "").splitlines())
    return [(float(time), ref, commit) for time, commit, ref in rows if _EXPERIMENT.fullmatch(ref)]


def _read_runs(reader: RunReader, runs: Sequence[MlflowRun], cache: Cache) -> list[TrainedModel]:
    def read(run: MlflowRun) -> TrainingFiles:
        def content(path: str) -> bytes | None:
            return reader.read(run, path)

        try:
            found = read_training(content, lambda: content(PREDICTIONS), resolved=content(RESOLVED))
            found = replace(found, megabytes=reader.megabytes(run))
        except PixmillError as error:  # The artifact store may be inaccessible from this machine.
            found = TrainingFiles({}, None, None, f"it cannot be read: {error.message}", [])
        if found.fault is None and found.predictions is None:
            found = replace(found, fault=f"it has no {PREDICTIONS} in MLflow")
        return replace(found, weights=run.tags.get(WEIGHTS, ""))

    keys = {run.id: run.fingerprint for run in runs}
    with ThreadPoolExecutor(_MAX_THREADS) as pool:
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
    """Return the model in use; none if its weights are unknown."""
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
    seeds = frozenset({read.params[SEED]} if SEED in read.params else ())
    facts = vars(read) | {"predictions": table, "unused": frozenset(read.unused)}
    return TrainedModel(**facts, seeds=seeds, **given)
