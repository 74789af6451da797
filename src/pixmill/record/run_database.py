"""Runs in MLflow's SQLite database, read without MLflow, whose import takes longer than all else that is read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

_SCHEMAS = frozenset({"dc11669786a5"})
"""The versions of the database, by MLflow's own names, of which the queries below are known to hold."""

_SECONDS = 1.0
"""How long to wait for a process that writes: then MLflow's client waits, and says what the trouble is."""

_RUNS = """
SELECT runs.* FROM runs JOIN tags USING (run_uuid) JOIN experiments USING (experiment_id)
WHERE tags.key = ? AND tags.value = ? AND runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active'
ORDER BY start_time IS NULL, start_time DESC, run_uuid LIMIT ?
"""
_MODEL = """
SELECT artifact_location FROM logged_models
WHERE source_run_id = ? AND experiment_id = ? AND name = ? AND lifecycle_stage != 'deleted'
ORDER BY creation_timestamp_ms DESC, model_id LIMIT 1
"""


@dataclass(frozen=True)
class RecordedRun:
    """A run, with those parts of MLflow's ``Run`` that :mod:`pixmill.record.run_lookup` uses.

    Args:
        info: Id, name, experiment, status, times and place of the files.
        data: Its tags and newest metrics.
        model: Where the files of its newest model of the name that was asked for are; ``None`` if it has none.
    """

    info: SimpleNamespace
    data: SimpleNamespace
    model: str | None


def find_runs(database: Path, tag: str, value: str, limit: int, *, model: str) -> list[RecordedRun] | None:
    """Return the runs of all experiments with a tag, newest first, as ``MlflowClient.search_runs`` does.

    Args:
        database: The file.
        tag: The tag's name.
        value: Its value.
        limit: How many runs at most.
        model: The name of a model.

    Returns:
        The runs; ``None`` where only MLflow itself can tell: the database is of another version, locked or damaged.
    """
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True, timeout=_SECONDS)) as opened:
            opened.row_factory = sqlite3.Row
            versions = {row[0] for row in opened.execute("SELECT version_num FROM alembic_version")}
            apart = opened.execute("SELECT 1 FROM experiments WHERE workspace != 'default'").fetchone()
            if apart or not versions or not versions <= _SCHEMAS:
                return None
            return [_run(opened, row, model) for row in opened.execute(_RUNS, (tag, value, limit))]
    except sqlite3.Error:
        return None  # MLflow's client meets it, too, and it is told from there.


def _run(opened: sqlite3.Connection, row: sqlite3.Row, model: str) -> RecordedRun:
    run_id = row["run_uuid"]
    tags = dict(opened.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (run_id,)).fetchall())
    metrics = opened.execute("SELECT key, value, is_nan FROM latest_metrics WHERE run_uuid = ?", (run_id,))
    found = opened.execute(_MODEL, (run_id, row["experiment_id"], model)).fetchone()
    info = SimpleNamespace(
        run_id=run_id,
        run_name=row["name"] or tags.get("mlflow.runName"),
        experiment_id=str(row["experiment_id"]),
        **{name: row[name] for name in ("status", "start_time", "end_time", "artifact_uri")},
    )
    data = SimpleNamespace(tags=tags, metrics={key: float("nan") if nan else value for key, value, nan in metrics})
    return RecordedRun(info, data, None if found is None else found["artifact_location"])


def local_folder(location: str) -> Path | None:
    """Return the folder that MLflow's name of a place stands for; ``None`` where it is not on this machine.

    Args:
        location: Such as ``file:///home/me/project/mlruns/1/a``, ``/home/me/project/mlruns/1/a`` or ``s3://bucket/a``.
    """
    parts = urlsplit(location)
    if parts.netloc or parts.query or parts.fragment or parts.scheme not in ("", "file"):
        return None
    return Path(unquote(parts.path))  # as MLflow does, with or without the scheme
