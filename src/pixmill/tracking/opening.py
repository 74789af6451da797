"""Which run of MLflow the records belong to: found, or made."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pixmill.tracking.process import close_dead_runs
from pixmill.tracking.store import WEIGHTS, experiment_id, find_by_tag

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

__all__ = ["RECORD", "open_run", "opening", "trained_in"]

RECORD = "pixmill.record"
"""The tag that names the spool a run was made for: where an answer was lost, the run is found again by it."""

_TRAINED_BEFORE = "train."
"""Prefix of the parameters by which a run is known to hold a training already."""


def opening(stage: str, tags: Mapping[str, str], **known: str | None) -> dict[str, Any]:
    """Return what a stage's first run is opened with: who runs which file, and the experiment that is asked for.

    Args:
        stage: The stage's name.
        tags: What else names the run.
        known: What else there is to say, as :class:`pixmill.tracking.book.Book` takes it.
    """
    return {
        "tags": {
            "mlflow.source.name": f"stages/{stage}.py",
            "mlflow.source.type": "LOCAL",
            "mlflow.user": _user(),
            **tags,
        },
        "experiment": os.environ.get("MLFLOW_EXPERIMENT_NAME"),
        "experiment_id": os.environ.get("MLFLOW_EXPERIMENT_ID"),
        **known,
    }


def open_run(
    client: MlflowClient, record: dict[str, Any], *, home: Path, name: str, again: bool, parent: str | None
) -> tuple[str, bool]:
    """Return a run's id, and whether it was made for these records.

    Within ``mlflow run`` a training belongs to the project's run, unless that holds a training already: then to a new
    run beneath it. An evaluation belongs to the newest run with its weights, in whatever experiment; where there is
    none, to a new one.

    Args:
        client: The store.
        record: The record of kind ``open``.
        home: The repository's own root.
        name: What the run is found by again.
        again: Whether it may have been made before, in a request whose answer was lost.
        parent: The run that it lies beneath; default: none.
    """
    given = parent or record.get("parent")
    weights, project = record.get("weights"), record.get("project")
    if weights and (found := find_by_tag(client, WEIGHTS, weights)):
        made = found.data.tags.get(RECORD) == name
        return str(found.info.run_id), made
    if again and (made_before := find_by_tag(client, RECORD, name)):
        return str(made_before.info.run_id), True
    experiment = None
    if given:
        experiment = client.get_run(given).info.experiment_id
    elif project and not weights:
        held = client.get_run(project)
        if not any(key.startswith(_TRAINED_BEFORE) for key in held.data.params):
            return str(held.info.run_id), False
        given, experiment = project, held.info.experiment_id
    experiment = experiment or experiment_id(
        client, home, given_id=record.get("experiment_id"), given_name=record.get("experiment")
    )
    close_dead_runs(client, experiment)
    tags = {**record["tags"], RECORD: name, **({"mlflow.parentRunId": given} if given else {})}
    run = client.create_run(experiment, tags=tags, run_name=record.get("name"), start_time=record.get("time"))
    return str(run.info.run_id), True


def trained_in(records: list[dict[str, Any]], weights: str) -> bool:
    """Tell whether some records are of the training that produced these weights."""
    return any(record["kind"] == "tags" and record["tags"].get(WEIGHTS) == weights for record in records)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        # A container's user may have no name; this is what MLflow calls it then.
        return "unknown"
