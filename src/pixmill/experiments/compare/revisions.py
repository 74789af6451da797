"""Read revisions from Git, DVC or MLflow, without a checkout."""

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.install.pyproject import read_project
from pixmill.core.repository.documents import TOO_LARGE, MalformedError, read_stages, read_yaml
from pixmill.core.repository.git import git
from pixmill.core.repository.stage_inputs import Stages, find_changed_input, first_outdated
from pixmill.evaluate.predictions import CALIBRATED
from pixmill.experiments.compare.comparison import MEASURES, Revision
from pixmill.experiments.compare.git_revisions import (
    WORKSPACE,
    GitRevision,
    choose,
    find,
    main_branch,
)
from pixmill.experiments.compare.trees import IN_DVC, DvcStore, Tree
from pixmill.experiments.compare.untrusted import Kind, TableReader, read_metrics, read_table
from pixmill.tracking.delivery import RESOLVED
from pixmill.tracking.run_lookup import PREDICTIONS, MlflowRun, RunReader

Read = Callable[[str], bytes | None]
"""Returns the bytes of a file by path; ``None`` if it is unavailable."""

_IN_MLFLOW = ("models:/", "runs:/")

_METRICS = "plots/evaluate/full.json"

WEIGHTS_FILE = "artifacts/train/model.weights.h5"
"""File whose hash identifies the run that trained the model."""

_TABLES: dict[str, tuple[str, dict[str, Kind]]] = {
    "predictions": (
        "artifacts/evaluate/predictions.parquet",
        {
            **dict.fromkeys(("id", "split", "label", "predicted"), "key"),
            "loss": "number",
            "p_*": "number",
            "unlike": "flag?",
            "held_out": "flag?",
        },
    ),
    "manifest": (
        "artifacts/split/manifest.parquet",
        {
            "id": "key",
            "label": "text",
            "split": "text",
            "verdict": "key",
            **dict.fromkeys(
                ("reason", "source", "image_url", "path", "given_split", "mode", "cluster"), "text?"
            ),
            **dict.fromkeys(MEASURES, "number?"),
        },
    ),
    "pairs": (
        "artifacts/validate/pairs.parquet",
        {"a": "key", "b": "key", "similarity": "number?"},
    ),
}
"""Tables of a revision by field: path, and kinds of the columns to read."""


def read_revisions(
    workspace: Workspace, base: str | None = None, head: str | None = None
) -> tuple[Revision | None, Revision]:
    """Read the base and the head of a comparison.

    Large files are not fetched. A table that neither DVC's cache nor its remote has is ``None``,
    with a sentence in :attr:`Revision.missing`; so is the run if MLflow does not respond.

    Args:
        workspace: Workspace of the project.
        base: Commit, branch, tag or DVC experiment, ``workspace``, ``runs:/<run id>``, or a model
            in MLflow as in :func:`pixmill.tracking.model_lookup.resolve`. Default: as in
            :func:`pixmill.experiments.compare.git_revisions.choose`; HEAD, if the head is in
            MLflow.
        head: Name of the same form; default: the workspace.

    Returns:
        Base and head; no base if the head is the first commit.

    Raises:
        PixmillError: A name is unknown or ambiguous, or the history of this clone is too short.
    """
    if not any(name and name.startswith(_IN_MLFLOW) for name in (base, head)):
        before, after = choose(workspace.root, base, head)
        with _open_sources(workspace) as sources:
            first = None if before is None else _of_revision(before, sources)
            return first, _of_revision(after, sources)
    first, second = read_each(workspace, (base or "HEAD", head or WORKSPACE))
    return first, second


def read_each(workspace: Workspace, names: Iterable[str]) -> Iterator[Revision]:
    """Yield the revision of each name, as :func:`read_revisions` reads it.

    Args:
        workspace: Workspace of the project.
        names: Names as in :func:`read_revisions`.

    Raises:
        PixmillError: A name is unknown or ambiguous.
    """
    with _open_sources(workspace) as sources:
        for name in names:
            if name.startswith(_IN_MLFLOW):
                yield _of_run(workspace, name, sources)
            else:
                yield _of_revision(find(workspace.root, name), sources)


def read_base(workspace: Workspace) -> Revision | None:
    """Return the model in use: the champion in MLflow's registry, else the main branch, else the last commit."""
    champion = f"models:/{read_project(workspace.root).name or 'pixmill'}@champion"
    for name in (champion, main_branch(workspace.root) or "HEAD"):
        try:
            return next(read_each(workspace, [name]))
        except PixmillError:
            continue  # No such model, or no commit yet.
    return None


@dataclass
class _Sources:
    """Open sources of revisions: DVC, MLflow, and a reader of tables."""

    store: DvcStore
    runs: RunReader
    tables: TableReader


@contextmanager
def _open_sources(workspace: Workspace) -> Iterator[_Sources]:
    with TableReader() as tables:
        yield _Sources(DvcStore(workspace.root), RunReader(workspace), tables)


def _of_revision(revision: GitRevision, sources: _Sources) -> Revision:
    tree = Tree(sources.store, revision)
    missing: list[str] = []
    params = _parsed(tree.read, "params.yaml", _params, tree.faults)
    stages: Stages = _parsed(tree.read, "dvc.lock", read_stages, tree.faults) or {}
    if not stages and "dvc.lock" not in tree.faults:
        missing.append(
            f"{revision.name} has no dvc.lock, so no results; to make them: {tree.remake}."
        )
    missing += [outdated] if (outdated := _outdated(tree, stages)) else []
    tables = read_tables(tree, missing, sources.tables) if stages else {}
    metrics = _metrics(revision.name, tree.read, tree.faults, missing) if stages else None
    run = _run_of(tree, sources.runs, missing) if stages else None
    return revision_of(
        tree,
        missing,
        params=params,
        lock=stages,
        metrics=metrics,
        run=run,
        outdated=outdated,
        faults=lambda: _describe_faults(tree.faults, revision.name, tree.remake),
        **tables,
    )


def revision_of(tree: Tree, missing: list[str], **found: Any) -> Revision:
    """Return the revision of a tree.

    Args:
        tree: Files of the revision.
        missing: Sentences about files that could not be read.
        found: Fields of :class:`Revision` that were read.
    """
    revision = tree.revision
    return Revision(
        revision.name,
        revision.title,
        revision.commit,
        revision.is_workspace,
        missing=tuple(missing),
        read=tree.read,
        **found,
    )


def _parsed(
    read: Callable[[str], bytes | None],
    path: str,
    parse: Callable[[bytes], Any],
    faults: dict[str, str],
) -> Any:
    """Return a parsed file; ``None`` if it is missing or malformed, which is added to ``faults`` by its path."""
    content = read(path)
    try:
        return None if content is None else parse(content)
    except MalformedError as fault:
        faults[path] = str(fault)
        return None


def _describe_faults(faults: Mapping[str, str], revision: str, remake: str) -> tuple[str, ...]:
    return tuple(_describe_fault(path, fault, revision, remake) for path, fault in faults.items())


def _metrics(
    revision: str, read: Read, faults: dict[str, str], missing: list[str]
) -> dict[str, Any] | None:
    figures: dict[str, Any] | None = _parsed(read, _METRICS, read_metrics, faults)
    if figures is None and _METRICS not in faults:
        missing.append(f"{revision} has no readable {_METRICS}.")
    return figures


def _params(content: bytes) -> str:
    read_yaml(content, "params.yaml")
    return content.decode()


def _of_run(workspace: Workspace, name: str, sources: _Sources) -> Revision:
    """Return the revision of a run from its logged files; its images are found by the hash of its data in DVC."""
    run, title = _resolve(workspace, name, sources.runs)
    faults: dict[str, str] = {}

    def read(path: str) -> bytes | None:
        return sources.runs.read(run, path)

    predictions, resolved = (read(path) for path in (PREDICTIONS, RESOLVED))
    missing: list[str] = []
    tables: dict[str, Any] = {}
    split = run.tags.get("pixmill.dvc.artifacts/split")
    tree = _tree_with(sources.store, split)
    if tree is None:
        missing.append(
            f"{name}: no commit of this clone has its data, so images cannot be compared: git "
            "fetch --all."
        )
    else:
        tables = read_tables(tree, missing, sources.tables, ("manifest", "pairs"))
    commit = run.tags.get("pixmill.commit")
    if predictions is None:
        remake = sources.store.at(commit, "dvc repro") if commit else "dvc repro"
        missing.append(f"{name} has no {PREDICTIONS} in MLflow; to make it: {remake}.")
    table = (
        None if predictions is None else _table(predictions, "predictions", faults, sources.tables)
    )
    return Revision(
        name=name,
        title=title,
        commit=commit,
        params=_parsed(read, "params.yaml", _params, faults),
        resolved=None if resolved is None else resolved.decode("utf-8", "replace"),
        lock=_parsed(read, "dvc.lock", read_stages, faults) or {},
        metrics=_metrics(name, read, faults, missing),
        predictions=table,
        run=run,
        missing=tuple(missing),
        read=_reader(sources.store, commit, tree),
        faults=lambda: (
            *_describe_faults(faults, name, "dvc repro"),
            *(_describe_faults(tree.faults, name, tree.remake) if tree else ()),
        ),
        **tables,
    )


def _resolve(workspace: Workspace, name: str, runs: RunReader) -> tuple[MlflowRun, str]:
    """Return the run of a name in MLflow, and its display name."""
    if match := re.fullmatch(r"runs:/([^/]+)(?:/[^/]+)?/?", name):
        run = runs.get(match[1])
        return run, f"run {run.name} ({run.id[:8]})"
    from pixmill.tracking.model_lookup import resolve
    from pixmill.tracking.store import view_hint

    found = resolve(name, workspace)
    if found.run is None:
        raise PixmillError(
            f"{name} belongs to no run in MLflow, so its predictions are unknown",
            next=view_hint(found.store),
        )
    title = (
        f"{found.name} version {found.version}" if found.version else f"model of run {found.name}"
    )
    return runs.get(found.run), title


def _outdated(tree: Tree, stages: Stages) -> str:
    """Return a sentence if the results are older than the inputs, otherwise an empty string."""
    earlier = f"The results of {tree.revision.name} are of an earlier run"
    try:
        changed = find_changed_input(stages, tree.read)
    except MalformedError:
        changed = None  # reported by the reader of the file
    if changed:
        return f"{earlier}: {changed} has changed since; to update them: {tree.remake}."
    if stage := first_outdated(stages):
        return f"{earlier}: the last run stopped at {stage}; to update them: {tree.remake}."
    return ""


def read_tables(
    tree: Tree, missing: list[str], reader: TableReader, names: tuple[str, ...] = tuple(_TABLES)
) -> dict[str, Any]:
    """Return the available tables; add a sentence to ``missing`` for each reason why others are not."""
    tables: dict[str, Any] = {}
    reasons: dict[str, list[str]] = {}
    for name in names:
        path = _TABLES[name][0]
        content = tree.read(path)
        tables[name] = None if content is None else _table(content, name, tree.faults, reader)
        if path in tree.faults:
            missing.append(
                _describe_fault(path, tree.faults[path], tree.revision.name, tree.remake)
            )
        elif content is None:
            reason = (
                tree.trouble(path) or f"its stages did not make them; to make them: {tree.remake}"
            )
            reasons.setdefault(reason, []).append(name)
    missing += [
        f"{tree.revision.name}: no {', '.join(what)}: {reason}." for reason, what in reasons.items()
    ]
    return tables


def _table(
    content: bytes, name: str, faults: dict[str, str], reader: TableReader
) -> pd.DataFrame | None:
    path, kinds = _TABLES[name]
    try:
        table = reader.read(content, kinds)
        if name == "predictions":
            _check_calibrated(content)
    except MalformedError as fault:
        faults[path] = str(fault)
        return None
    return table


def read_predictions(content: bytes) -> pd.DataFrame:
    """Parse a ``predictions.parquet`` of the project's own runs and experiments.

    Args:
        content: Bytes of the file.

    Raises:
        MalformedError: The table is invalid, or its probabilities are not calibrated.
    """
    table = read_table(content, _TABLES["predictions"][1])
    _check_calibrated(content)
    return table


def _check_calibrated(content: bytes) -> None:
    if not CALIBRATED.items() <= (pq.read_schema(io.BytesIO(content)).metadata or {}).items():
        raise MalformedError("holds probabilities before calibration, which compare does not read")


def _describe_fault(path: str, fault: str, revision: str, remake: str) -> str:
    """Return a sentence with the fault of a file and the command that repairs it."""
    stage = path.split("/")[1] if path.startswith(("artifacts/", "plots/")) else None
    if stage and fault.startswith(TOO_LARGE):
        return f"{path} of {revision} {fault}, which is more than compare reads."
    remedy = (
        f"to make it again: {remake} -f {stage}"
        if stage
        else f"to see who wrote it: git log --stat -- {path}"
    )
    return f"{path} of {revision} {fault}; {remedy}."


def _run_of(tree: Tree, runs: RunReader, missing: list[str]) -> MlflowRun | None:
    """Return the run that trained the model of a revision."""
    weights = tree.md5(WEIGHTS_FILE)
    try:
        return runs.newest(weights) if weights else None
    except PixmillError as error:
        missing.append(f"No MLflow run: {error.message}; {error.next}.")
        return None


def _tree_with(store: DvcStore, split: str | None) -> Tree | None:
    """Return a tree whose ``dvc.lock`` names this version of ``artifacts/split``; ``None`` if there is none."""
    commits = split and git(
        store.root, "log", "--all", "--format=%h", f"-S{split}", "--", "dvc.lock"
    )
    for name in (WORKSPACE, *(commits or "").split()):
        tree = Tree(store, find(store.root, name))
        if split and split.encode() in (tree.read("dvc.lock") or b""):
            return tree
    return None


def _reader(store: DvcStore, commit: str | None, data: Tree | None) -> Read:
    """Return a reader of files: code from a commit, images from a tree with the same data."""
    code = commit and Tree(store, GitRevision(commit, commit, commit, commit))

    def read(path: str) -> bytes | None:
        tree = data if path.startswith(IN_DVC) else code
        return tree.read(path) if tree else None

    return read
