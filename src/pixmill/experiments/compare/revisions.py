"""Read revisions from Git, DVC or MLflow, without a checkout."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.install.pyproject import read_project
from pixmill.core.repository.documents import MalformedError, read_stages, read_yaml
from pixmill.core.repository.git import git
from pixmill.core.repository.stage_inputs import Stages, find_changed_input, first_outdated
from pixmill.experiments.compare.comparison import NotComparableError, Revision
from pixmill.experiments.compare.git_revisions import (
    WORKSPACE,
    GitRevision,
    choose,
    find,
    main_branch,
)
from pixmill.experiments.compare.results import TABLES, read_metrics, read_table
from pixmill.experiments.compare.trees import IN_DVC, DvcStore, T, Tree, at_commit
from pixmill.tracking.delivery import RESOLVED
from pixmill.tracking.run_lookup import PREDICTIONS, MlflowRun, RunReader

Read = Callable[[str], bytes | None]
"""Returns the bytes of a file by path; ``None`` if it is unavailable."""

_IN_MLFLOW = ("models:/", "runs:/")

_METRICS = "plots/evaluate/full.json"

WEIGHTS_FILE = "artifacts/train/model.weights.h5"
"""File whose hash identifies the run that trained the model."""


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
        sources = _Sources(workspace)
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
    sources = _Sources(workspace)
    for name in names:
        if name.startswith(_IN_MLFLOW):
            yield _of_run(name, sources)
        else:
            yield _of_revision(find(workspace.root, name), sources)


def read_base(workspace: Workspace) -> Revision | None:
    """Return the model in use: the champion, else that of the main branch, else the last one."""
    champion = f"models:/{read_project(workspace.root).name or 'pixmill'}@champion"
    for name in (champion, main_branch(workspace.root) or "HEAD"):
        try:
            return next(read_each(workspace, [name]))
        except PixmillError:
            continue  # No such model, or no commit yet.
    return None


class _Sources:
    """Where revisions are read from: Git and DVC, and MLflow."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.store = DvcStore(workspace.root)
        self.runs = RunReader(workspace)


@dataclass
class _Reading:
    """Files of a revision as they are parsed, with sentences about those that cannot be read.

    Args:
        name: Name of the revision.
        remake: Command that makes its results again.
        read: Reader of its files.
        missing: Sentences about files that are not available.
        faults: Sentences about malformed files.
    """

    name: str
    remake: str
    read: Read
    missing: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def parse(
        self, path: str, parse: Callable[[bytes], T], content: bytes | None = None
    ) -> T | None:
        """Return a parsed file; ``None`` if it is missing, or malformed, which becomes a sentence.

        Args:
            path: Path of the file.
            parse: Parses its bytes.
            content: Its bytes; default: read them.
        """
        content = self.read(path) if content is None else content
        try:
            return None if content is None else parse(content)
        except MalformedError as fault:
            remedy = f"to see who wrote it: git log --stat -- {path}"
            if path.startswith(("artifacts/", "plots/")):
                remedy = f"to make it again: {self.remake} -f {path.split('/')[1]}"
            self.faults.append(f"{path} of {self.name} {fault}; {remedy}.")
            return None

    def parse_table(self, name: str, content: bytes | None) -> pd.DataFrame | None:
        """Return a table of :data:`TABLES`; ``None`` if there is none, or it is malformed."""
        if content is None:
            return None
        return self.parse(TABLES[name][0], partial(read_table, name=name), content)

    def parse_tables(self, tree: Tree, names: Sequence[str] = tuple(TABLES)) -> dict[str, Any]:
        """Return tables in DVC by name; those absent for the same reason share a sentence."""
        tables: dict[str, Any] = {}
        absent: dict[str, list[str]] = {}
        for name in names:
            path = TABLES[name][0]
            content = tree.read(path)
            tables[name] = self.parse_table(name, content)
            if content is None:
                unmade = f"its stages did not make them; to make them: {tree.remake}"
                absent.setdefault(tree.trouble(path) or unmade, []).append(name)
        for reason, missing in absent.items():
            self.missing.append(f"{tree.revision.name}: no {', '.join(missing)}: {reason}.")
        return tables

    def parse_metrics(self) -> dict[str, Any] | None:
        """Return the metrics of evaluate."""
        content = self.read(_METRICS)
        if content is None:
            self.missing.append(f"{self.name} has no readable {_METRICS}.")
            return None
        return self.parse(_METRICS, read_metrics, content)


def _of_revision(revision: GitRevision, sources: _Sources) -> Revision:
    tree = Tree(sources.store, revision)
    reading = _Reading(revision.name, tree.remake, tree.read)
    params = reading.parse("params.yaml", _params)
    lock: Stages = reading.parse("dvc.lock", read_stages) or {}
    outdated = ""
    results: dict[str, Any] = {}
    if lock:
        outdated = _outdated(tree, lock)
        if outdated:
            reading.missing.append(outdated)
        results = reading.parse_tables(tree)
        results["metrics"] = reading.parse_metrics()
        results["run"] = _run_of(tree, sources.runs, reading.missing)
    elif not tree.read("dvc.lock"):
        reading.missing.append(
            f"{revision.name} has no dvc.lock, so no results; to make them: {tree.remake}."
        )
    return Revision(
        name=revision.name,
        title=revision.title,
        commit=revision.commit,
        is_workspace=revision.is_workspace,
        params=params,
        lock=lock,
        outdated=outdated,
        missing=tuple(reading.missing),
        faults=tuple(reading.faults),
        read=tree.read,
        **results,
    )


def read_predictions(tree: Tree) -> Revision:
    """Return a revision with its predictions only.

    Raises:
        NotComparableError: They are missing or malformed.
    """
    revision = tree.revision
    reading = _Reading(revision.name, tree.remake, tree.read)
    tables = reading.parse_tables(tree, ["predictions"])
    if tables["predictions"] is None:
        raise NotComparableError("".join([*reading.missing, *reading.faults]))
    return Revision(revision.name, revision.title, revision.commit, revision.is_workspace, **tables)


def _params(content: bytes) -> str:
    read_yaml(content, "params.yaml")
    return content.decode()


def _of_run(name: str, sources: _Sources) -> Revision:
    """Return the revision of a run from its logged files.

    Its images are found by the hash of its data in DVC.
    """
    run, title = _resolve(name, sources)
    commit = run.tags.get("pixmill.commit")
    remake = at_commit(commit, "dvc repro") if commit else "dvc repro"
    reading = _Reading(name, remake, partial(sources.runs.read, run))
    tables: dict[str, Any] = {}
    tree = _tree_with(sources.store, run.tags.get("pixmill.dvc.artifacts/split"))
    if tree is None:
        reading.missing.append(
            f"{name}: no commit of this clone has its data, so images cannot be compared: git "
            "fetch --all."
        )
    else:
        tables = reading.parse_tables(tree, ["manifest", "pairs"])
    predictions = reading.read(PREDICTIONS)
    if predictions is None:
        reading.missing.append(f"{name} has no {PREDICTIONS} in MLflow; to make it: {remake}.")
    tables["predictions"] = reading.parse_table("predictions", predictions)
    resolved = reading.read(RESOLVED)
    return Revision(
        name=name,
        title=title,
        commit=commit,
        params=reading.parse("params.yaml", _params),
        resolved=None if resolved is None else resolved.decode("utf-8", "replace"),
        lock=reading.parse("dvc.lock", read_stages) or {},
        metrics=reading.parse_metrics(),
        run=run,
        missing=tuple(reading.missing),
        faults=tuple(reading.faults),
        read=_reader(sources.store, commit, tree),
        **tables,
    )


def _resolve(name: str, sources: _Sources) -> tuple[MlflowRun, str]:
    """Return the run of a name in MLflow, and its display name."""
    match = re.fullmatch(r"runs:/([^/]+)(?:/[^/]+)?/?", name)
    if match:
        run = sources.runs.get(match[1])
        return run, f"run {run.name} ({run.id[:8]})"
    from pixmill.tracking.model_lookup import resolve
    from pixmill.tracking.store import view_hint

    found = resolve(name, sources.workspace)
    if found.run is None:
        raise PixmillError(
            f"{name} belongs to no run in MLflow, so its predictions are unknown",
            next=view_hint(found.store),
        )
    title = f"model of run {found.name}"
    if found.version:
        title = f"{found.name} version {found.version}"
    return sources.runs.get(found.run), title


def _outdated(tree: Tree, stages: Stages) -> str:
    """Return a sentence if the results are older than the inputs, otherwise an empty string."""
    earlier = f"The results of {tree.revision.name} are of an earlier run"
    try:
        changed = find_changed_input(stages, tree.read)
    except MalformedError:
        return ""  # reported by the reader of the file
    if changed:
        return f"{earlier}: {changed} has changed since; to update them: {tree.remake}."
    stage = first_outdated(stages)
    if stage:
        return f"{earlier}: the last run stopped at {stage}; to update them: {tree.remake}."
    return ""


def _run_of(tree: Tree, runs: RunReader, missing: list[str]) -> MlflowRun | None:
    """Return the run that trained the model of a revision."""
    weights = tree.md5(WEIGHTS_FILE)
    try:
        return runs.newest(weights) if weights else None
    except PixmillError as error:
        missing.append(f"No MLflow run: {error.message}; {error.next}.")
        return None


def _tree_with(store: DvcStore, split: str | None) -> Tree | None:
    """Return a tree whose ``dvc.lock`` names this version of ``artifacts/split``.

    ``None`` if there is none.
    """
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
