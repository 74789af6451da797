"""Both sides of a comparison, read from Git, DVC or MLflow, without a checkout."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from pixmill.compare.comparison import Side
from pixmill.compare.lock import Stages, changed_input, first_outdated, stages_of
from pixmill.compare.revisions import WORKSPACE, Revision, choose, find
from pixmill.compare.trees import IN_DVC, Store, Tree
from pixmill.core.errors import PixmillError
from pixmill.core.git import git
from pixmill.core.uncommitted import commit_first
from pixmill.core.workspace import Workspace
from pixmill.record.runs import PREDICTIONS, MlflowRun, Runs

__all__ = ["read_each", "read_sides", "read_tables"]

_IN_MLFLOW = ("models:/", "runs:/")

_METRICS = "plots/evaluate/full.json"
_WEIGHTS = "artifacts/train/model.weights.h5"

_TABLES = {
    "predictions": ("artifacts/evaluate/predictions.parquet", {"id", "split", "label", "predicted", "loss"}),
    "manifest": ("artifacts/split/manifest.parquet", {"id", "label", "split", "verdict"}),
    "pairs": ("artifacts/validate/pairs.parquet", {"a", "b"}),
}
"""The tables of a side by its fields: their path, and columns without which they are of no use."""


def read_sides(workspace: Workspace, base: str | None = None, head: str | None = None) -> tuple[Side | None, Side]:
    """Read what is compared.

    Large files are not fetched. What neither DVC's cache nor its remote delivers is ``None``, with a sentence in
    :attr:`Side.missing`; so is the run, where MLflow does not respond.

    Args:
        workspace: The project's workspace.
        base: A commit, branch, tag or DVC experiment, ``workspace``, ``runs:/<run id>``, or a model in MLflow as in
            :func:`pixmill.record.models.resolve`. Default: as in :func:`pixmill.compare.revisions.choose`; HEAD, if
            the head is in MLflow.
        head: Likewise; default: the workspace.

    Returns:
        Base and head; no base if the head is the first commit.

    Raises:
        PixmillError: A name is unknown or ambiguous, or this clone does not reach back far enough.
    """
    if not any(name and name.startswith(_IN_MLFLOW) for name in (base, head)):
        before, after = choose(workspace.root, base, head)
        sources = _Sources(workspace)
        first = None if before is None else _of_revision(before, sources)
        return first, _of_revision(after, sources)
    one, other = read_each(workspace, (base or "HEAD", head or WORKSPACE))
    return one, other


def read_each(workspace: Workspace, names: Iterable[str]) -> Iterator[Side]:
    """Yield the side of each name, as :func:`read_sides` reads it.

    Args:
        workspace: The project's workspace.
        names: As in :func:`read_sides`.

    Raises:
        PixmillError: A name is unknown or ambiguous.
    """
    sources = _Sources(workspace)
    for name in names:
        if name.startswith(_IN_MLFLOW):
            yield _of_run(workspace, name, sources)
        else:
            yield _of_revision(find(workspace.root, name), sources)


class _Sources:
    """Where sides come from: Git, DVC and MLflow.

    ``trees`` holds where the images of runs are, by the hash of their splits: to open one takes a second.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.store = Store(workspace.root)
        self.runs = Runs(workspace)
        self.trees: dict[str | None, Tree | None] = {}


def _of_revision(revision: Revision, sources: _Sources) -> Side:
    tree = Tree(sources.store, revision)
    params, lock = (_text(tree.read(path)) for path in ("params.yaml", "dvc.lock"))
    missing: list[str] = []
    stages = stages_of(lock)
    if not stages:
        missing.append(f"{revision.name} has no dvc.lock, so no results; to make them: {tree.remake}.")
    missing += _caution(tree, stages)
    tables = read_tables(tree, missing) if stages else {}
    return Side(
        name=revision.name,
        title=revision.title,
        commit=revision.commit,
        is_workspace=revision.is_workspace,
        params=params,
        lock=stages,
        metrics=_metrics(tree.read(_METRICS), revision.name, missing) if stages else None,
        predictions=tables.get("predictions"),
        manifest=tables.get("manifest"),
        pairs=tables.get("pairs"),
        run=_run_of(tree, sources.runs, missing) if stages else None,
        missing=tuple(missing),
        read=tree.read,
    )


def _of_run(workspace: Workspace, name: str, sources: _Sources) -> Side:
    """Return the side of a run, by the files that were logged with it; its images by its data's hash in DVC."""
    run, title = _resolve(workspace, name, sources.runs)
    params, lock = (_text(sources.runs.read(run.id, path)) for path in ("params.yaml", "dvc.lock"))
    predictions = sources.runs.read(run.id, PREDICTIONS)
    missing: list[str] = []
    tables: Mapping[str, pd.DataFrame | None] = {}
    split = run.tags.get("pixmill.dvc.artifacts/split")
    if split not in sources.trees:
        sources.trees[split] = _tree_with(sources.store, split)
    tree = sources.trees[split]
    if tree is None:
        missing.append(f"{name}: no commit of this clone has its data, so images cannot be compared: git fetch --all.")
    else:
        tables = read_tables(tree, missing, ("manifest", "pairs"))
    if predictions is None:
        remake = commit_first(workspace.root, "git checkout its commit && dvc repro")
        missing.append(f"{name} has no {PREDICTIONS} in MLflow; to make it: {remake}.")
    commit = run.tags.get("pixmill.commit")
    return Side(
        name=name,
        title=title,
        commit=commit,
        is_workspace=False,
        params=params,
        lock=stages_of(lock),
        metrics=_metrics(sources.runs.read(run.id, _METRICS), name, missing),
        predictions=None if predictions is None else _table(predictions, "predictions", name, "dvc repro", missing),
        manifest=tables.get("manifest"),
        pairs=tables.get("pairs"),
        run=run,
        missing=tuple(missing),
        read=_reader(sources.store, commit, tree),
    )


def _resolve(workspace: Workspace, name: str, runs: Runs) -> tuple[MlflowRun, str]:
    """Return the run that a name in MLflow stands for, and the name for people."""
    if match := re.fullmatch(r"runs:/([^/]+)(?:/[^/]+)?/?", name):
        run = runs.get(match[1])
        return run, f"run {run.name} ({run.id[:8]})"
    from pixmill.record.models import resolve
    from pixmill.record.store import viewing

    found = resolve(name, workspace)
    if found.run is None:
        raise PixmillError(
            f"{name} belongs to no run in MLflow, so its predictions are unknown", next=viewing(found.store)
        )
    title = f"{found.name} version {found.version}" if found.version else f"model of run {found.name}"
    return runs.get(found.run), title


def _caution(tree: Tree, stages: Stages) -> list[str]:
    """Tell whether the results are of an earlier run: then the numbers do not show what the inputs would give."""
    name, update = tree.revision.name, f"to update them: {tree.remake}."
    if changed := changed_input(stages, tree.read):
        return [f"The results of {name} are of an earlier run: {changed} has changed since; {update}"]
    if stage := first_outdated(stages):
        return [f"The results of {name} are of an earlier run: the last run stopped at {stage}; {update}"]
    return []


def read_tables(
    tree: Tree, missing: list[str], names: tuple[str, ...] = tuple(_TABLES)
) -> dict[str, pd.DataFrame | None]:
    """Return the tables that can be had; for the others there is a sentence for each reason."""
    tables: dict[str, pd.DataFrame | None] = {}
    reasons: dict[str, list[str]] = {}
    for name in names:
        path = _TABLES[name][0]
        content = tree.read(path)
        if content is None:
            reason = tree.trouble(path) or f"its stages did not make them; to make them: {tree.remake}"
            reasons.setdefault(reason, []).append(name)
        else:
            tables[name] = _table(content, name, tree.revision.name, tree.remake, missing)
    missing += [f"{tree.revision.name}: no {', '.join(what)}: {reason}." for reason, what in reasons.items()]
    return tables


def _table(content: bytes, name: str, side: str, remake: str, missing: list[str]) -> pd.DataFrame | None:
    path, columns = _TABLES[name]
    fault = "is broken"
    with contextlib.suppress(OSError, ValueError):
        table = pd.read_parquet(io.BytesIO(content))
        lacking = sorted(columns - {*table.columns})
        if not lacking:
            return table
        fault = f"lacks {', '.join(lacking)}"
    missing.append(f"{path} of {side} {fault}; to make it again: {remake} -f {path.split('/')[1]}.")
    return None


def _metrics(content: bytes | None, side: str, missing: list[str]) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError):
        if isinstance(metrics := json.loads(content or b"null"), dict):
            return metrics
    missing.append(f"{side} has no readable {_METRICS}.")
    return None


def _run_of(tree: Tree, runs: Runs, missing: list[str]) -> MlflowRun | None:
    """Return the run that trained the model of a revision."""
    weights = tree.md5(_WEIGHTS)
    try:
        return runs.newest(weights) if weights else None
    except PixmillError as error:
        missing.append(f"No MLflow run: {error.message}; {error.next}.")
        return None


def _tree_with(store: Store, split: str | None) -> Tree | None:
    """Return a tree whose ``dvc.lock`` names this version of ``artifacts/split``; ``None`` if there is none."""
    commits = split and git(store.root, "log", "--all", "--format=%h", f"-S{split}", "--", "dvc.lock")
    for name in (*(commits or "").split(), WORKSPACE):
        tree = Tree(store, find(store.root, name))
        if split and split.encode() in (tree.read("dvc.lock") or b""):
            return tree
    return None


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "replace")


def _reader(store: Store, commit: str | None, data: Tree | None) -> Callable[[str], bytes | None]:
    """Return what reads the code of a commit, and the images of another with the same data."""
    code = commit and Tree(store, Revision(commit, commit, commit, commit))

    def read(path: str) -> bytes | None:
        tree = data if path.startswith(IN_DVC) else code
        return tree.read(path) if tree else None

    return read
