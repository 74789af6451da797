"""Read the models of a project: runs in MLflow and DVC experiments, with their predictions."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.process.progress import track
from pixmill.core.repository.documents import MalformedError, read_stages
from pixmill.core.repository.git import git
from pixmill.core.words import join_names
from pixmill.evaluate.predictions import held_out
from pixmill.experiments.compare.changes import resolve_params
from pixmill.experiments.compare.comparison import Revision
from pixmill.experiments.compare.git_revisions import find, refs_by_name
from pixmill.experiments.compare.results import PREDICTIONS_FILE, read_table
from pixmill.experiments.compare.revisions import WEIGHTS_FILE
from pixmill.experiments.compare.trees import DvcStore, Tree
from pixmill.tracking.delivery import RESOLVED, WEIGHTS
from pixmill.tracking.lineage import project_id
from pixmill.tracking.run_lookup import PREDICTIONS, MlflowRun, RunReader
from pixmill.tracking.store import RECORD_AGAIN, experiment_name

T = TypeVar("T")

NOT_OF_MODEL = ("compare.", "review.", "evaluate.", "sweep.")
"""Prefixes of params that do not affect a model."""

SEED = "train.seed"

_EXPERIMENT = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/.+")

_MAX_THREADS = 8
"""Runs that are read from a server concurrently."""


@dataclass(frozen=True)
class TrainedModel:
    """A training, or several with the same weights, named after the one in use or the first.

    Args:
        name: Name of the experiment or of the model in use; for a run, the subject of its commit,
            else its name, with the start of its id.
        revision: Name for ``pixmill compare``.
        kind: ``experiment``, ``run`` or ``commit``, joined by ``and`` if several have the same
            weights.
        started: Start time in seconds since 1970.
        weights: md5 of the weights; empty if unknown.
        params: All params by dotted name, with the defaults of the version that recorded the run,
            or of the installed version for an experiment.
        predictions: Rows of held-out images in ``predictions.parquet``: ``id split label predicted
            p_<class>…`` and, if known, ``held_out``; empty if they cannot be read.
        commit: Commit of the training; the experiment's own commit.
        recipe: Hash of the training's data, code, and used params except ``train.seed``; ``None``
            if any is unknown.
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
        without_runs: Sentence with the reason why there are only experiments; ``None`` if MLflow
            was read.
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
    base: Revision | None = None,
) -> FoundModels:
    """Read the newest runs and experiments.

    Runs of this project have the tag ``pixmill.project``, or are without it in the experiment of
    the project's name.

    Args:
        workspace: Workspace of the project.
        limit: Maximum number of runs, and of experiments.
        base: Revision in use, whose model is always included.

    Raises:
        PixmillError: There are neither experiments nor runs; or no experiments, and MLflow does not
            respond.
    """
    project = project_id(workspace.root)
    refs = _experiments(workspace.root)
    reader = RunReader(workspace)
    notes = []
    recorded = []
    without_runs = None
    try:
        recorded = reader.list_evaluated(
            limit + 1, project=project, experiment=experiment_name(workspace.root)
        )
    except PixmillError as error:
        if not refs:
            raise
        without_runs = f"Only DVC's experiments were compared: {error.message}; {error.next}."
    if recorded and not project:
        cause = "This project has no commit"
        remedy = "git add -A && git commit"
        if git(workspace.root, "rev-parse", "HEAD"):
            cause = "This clone is shallow"
            remedy = "git fetch --unshallow"
        notes.append(
            f"{cause}, so runs are found by the name of their MLflow experiment, which another "
            f"project may share; to find only those of this project: {remedy}."
        )
    trainings = [
        *_read_runs(reader, recorded[:limit]),
        *_read_experiments(workspace.root, refs[:limit]),
    ]
    used = _read_base(base, reader, workspace.root)
    if not trainings:
        raise PixmillError(
            "there are no experiments, and no runs with results in MLflow", next=RECORD_AGAIN
        )
    by_weights: dict[str, list[TrainedModel]] = defaultdict(list)
    for model in sorted([*used, *trainings], key=lambda each: -each.started):
        by_weights[model.weights or model.revision].append(model)
    subjects = _subjects(workspace.root, limit)
    models = tuple(_merge(each, subjects) for each in by_weights.values())
    return FoundModels(models, max(len(recorded), len(refs)) > limit, without_runs, tuple(notes))


def _subjects(root: Path, limit: int) -> dict[str, str]:
    """Return the subject of the first commit with each weights file, of the newest commits."""
    log = git(root, "log", f"-{limit}", "--format=%H %s", "--", "dvc.lock") or ""
    store = DvcStore(root)
    subjects = {}
    for line in log.splitlines():  # newest first
        commit, _, subject = line.partition(" ")
        if weights := Tree(store, find(root, commit)).md5(WEIGHTS_FILE):
            subjects[weights] = subject
    return subjects


def _merge(models: list[TrainedModel], subjects: Mapping[str, str]) -> TrainedModel:
    """Return one model for those of the same weights: the one in use, else the oldest.

    Args:
        models: The models.
        subjects: Subjects of commits by weights, which name runs.
    """
    named = min(models, key=lambda model: (not model.in_use, model.started))
    shown = min(models, key=lambda model: (model.fault is not None, model is not named))
    # A run within a DVC experiment has the experiment's name.
    own = named.run.tags.get("DVC_EXP_NAME", "") if named.run else ""
    experiments = [model.experiment for model in models if model.experiment]
    is_own = own in experiments
    name = named.name
    if is_own and not named.in_use:
        name = own
    elif named.kind == "run" and named.run and named.weights in subjects and not named.in_use:
        name = f"{subjects[named.weights]} ({named.run.id[:8]})"
    seconds = [model.seconds for model in models if model.seconds]
    return replace(
        named,
        name=name,
        revision=shown.revision,
        predictions=shown.predictions,
        fault=shown.fault,
        kind=_join_kinds({model.kind for model in models}),
        experiment=own if is_own else _first(experiments),
        run=_first([named.run, *(model.run for model in models)]),
        megabytes=_first(model.megabytes for model in models),
        # Shorter durations are of runs that reused a finished training.
        seconds=max(seconds, default=None),
        seeds=frozenset[Any]().union(*(model.seeds for model in models)),
    )


def _join_kinds(kinds: set[str]) -> str:
    if kinds == {"commit"}:
        return "commit"
    return join_names(sorted(kinds - {"commit"}))


def _first(values: Iterable[T | None]) -> T | None:
    """Return the first value that is not ``None``."""
    return next((value for value in values if value is not None), None)


def _experiments(root: Path) -> list[tuple[float, str, str]]:
    """Return DVC's experiments, newest first: time, ref and commit of each."""
    columns = "--format=%(committerdate:unix) %(objectname) %(refname)"
    listed = git(root, "for-each-ref", "--sort=-committerdate", columns, "refs/exps")
    rows = (line.split(" ", 2) for line in (listed or "").splitlines())
    return [(float(time), ref, commit) for time, commit, ref in rows if _EXPERIMENT.fullmatch(ref)]


def _read_runs(reader: RunReader, runs: Sequence[MlflowRun]) -> list[TrainedModel]:
    def read(run: MlflowRun) -> TrainedModel:
        def content(path: str) -> bytes | None:
            return reader.read(run, path)

        try:
            found = _read_training(
                content, PREDICTIONS, lambda: f"it has no {PREDICTIONS} in MLflow"
            )
            found["megabytes"] = reader.megabytes(run)
        except PixmillError as error:  # The artifact store may be inaccessible from this machine.
            fault = f"it cannot be read: {error.message}"
            found = {"params": {}, "predictions": pd.DataFrame(), "fault": fault}
        return TrainedModel(
            name=f"{run.name} ({run.id[:8]})",
            revision=f"runs:/{run.id}",
            kind="run",
            started=run.started,
            weights=run.tags.get(WEIGHTS, ""),
            commit=run.tags.get("pixmill.commit"),
            seconds=run.seconds,
            run=run,
            **found,
        )

    with ThreadPoolExecutor(_MAX_THREADS) as pool:
        return list(track(pool.map(read, runs), "Read runs", len(runs), unit="run"))


def _read_base(base: Revision | None, reader: RunReader, root: Path) -> list[TrainedModel]:
    """Return the model in use; none if its weights are unknown."""
    if base is None:
        return []
    if base.name.startswith("models:/"):
        assert base.run is not None
        found = [replace(model, name=base.title) for model in _read_runs(reader, [base.run])]
    elif base.commit is None:
        return []
    else:
        started = float(git(root, "log", "-1", "--format=%ct", base.commit) or 0)
        found = _read_experiments(root, [(started, base.name, base.commit)])
        found = [
            replace(found[0], name=base.name, revision=base.name, kind="commit", experiment=None)
        ]
    return [replace(model, in_use=True) for model in found if model.weights]


def _read_experiments(root: Path, refs: Sequence[tuple[float, str, str]]) -> list[TrainedModel]:
    store = DvcStore(root)
    named = refs_by_name(root)

    def read(ref: tuple[float, str, str]) -> TrainedModel:
        started, full, commit = ref
        tree = Tree(store, find(root, commit))
        name = full.rpartition("/")[2]
        revision = name if {*named[name].values()} == {commit} else full
        return TrainedModel(
            name=name,
            revision=revision,
            kind="experiment",
            experiment=revision,
            started=started,
            weights=tree.md5(WEIGHTS_FILE) or "",
            commit=commit,
            **_read_training(
                tree.read,
                PREDICTIONS_FILE,
                lambda: tree.trouble(PREDICTIONS_FILE) or "its stages did not make predictions",
            ),
        )

    return list(track(map(read, refs), "Read experiments", len(refs), unit="experiment"))


def _read_training(
    content: Callable[[str], bytes | None], path: str, absence: Callable[[], str]
) -> dict[str, Any]:
    """Return the fields of :class:`TrainedModel` that the files of a training determine.

    Args:
        content: Returns the bytes of a file by path; ``None`` if it does not exist.
        path: Path of ``predictions.parquet``.
        absence: Returns the reason why there are no predictions.
    """
    texts = [
        None if each is None else each.decode("utf-8", "replace")
        for each in map(content, (RESOLVED, "params.yaml"))
    ]
    # Dates and keys become text.
    params, unused = json.loads(json.dumps(resolve_params(*texts), default=str))
    fault = None
    table = pd.DataFrame()
    if (given := content(path)) is None:
        fault = absence()
    else:
        try:
            frame = read_table(given, "predictions")
            known = ("id", "split", "label", "predicted", "held_out")
            shown = [name for name in frame if name in known or str(name).startswith("p_")]
            table = frame.loc[held_out(frame), shown].reset_index(drop=True)
        except MalformedError as error:
            fault = f"its predictions cannot be used: the file {error}"
    return {
        "params": params,
        "recipe": _recipe(
            content("dvc.lock"),
            {name: value for name, value in params.items() if name not in unused},
        ),
        "predictions": table,
        "fault": fault,
        "seeds": frozenset({params[SEED]} if SEED in params else ()),
        "unused": frozenset(unused),
    }


def _recipe(lock: bytes | None, params: Mapping[str, Any]) -> str | None:
    """Return a hash of everything that decides a training except its seed."""
    try:
        stages = {} if lock is None else read_stages(lock)
    except MalformedError:
        return None
    if "train" not in stages or not params:
        return None
    chosen = {
        name: value
        for name, value in params.items()
        if name != SEED and not name.startswith(NOT_OF_MODEL)
    }
    # A run logs the file during evaluate, so only its stage train is current.
    train = stages["train"]
    files = {file["path"]: file.get("md5") for file in train.get("deps", ())}
    text = json.dumps([chosen, files, train.get("params", {}).get("pixmill.lock")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
