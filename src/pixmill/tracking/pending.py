"""A run as files, until it is uploaded to MLflow."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from pixmill.core.files.writing import write_text

_DATA = "run.json"


def now() -> int:
    """Return the time in milliseconds since 1970."""
    return int(time.time() * 1000)


@dataclass
class RunData:
    """Everything to be logged for a run, except its files.

    Args:
        stage: ``train``, ``evaluate`` or ``sweep``.
        started: When it began, in milliseconds since 1970; default: now.
        name: Its name; default: MLflow generates one.
        parent: The id of its parent run; default: that of ``mlflow run`` (``MLFLOW_RUN_ID``).
        experiment: The name of its experiment; default: ``MLFLOW_EXPERIMENT_NAME``.
        weights: The md5 of the weights that the run produced, or evaluated.
        origin: Tags for a new run only.
        tags: Tags for a new or existing run.
        params: Parameters, flattened.
        points: Metrics as ``[name, value, timestamp, step]``; step 0 is a metric of the whole run.
        children: Its child runs.
        status: Its final status.
        ended: When it ended, in milliseconds since 1970.
    """

    stage: str
    started: int = field(default_factory=now)
    name: str | None = None
    parent: str | None = field(default_factory=lambda: os.environ.get("MLFLOW_RUN_ID"))
    experiment: str | None = field(default_factory=lambda: os.environ.get("MLFLOW_EXPERIMENT_NAME"))
    weights: str | None = None
    origin: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    points: list[list[Any]] = field(default_factory=list)
    children: list[RunData] = field(default_factory=list)
    status: str = "FINISHED"
    ended: int = 0

    @classmethod
    def load(cls, folder: Path) -> RunData:
        """Return the data of the pending run in a folder.

        Raises:
            OSError: They cannot be read.
            KeyError: They are damaged, as is then also raised as ``TypeError`` or ``ValueError``.
        """
        return cls._of(json.loads((folder / _DATA).read_text(encoding="utf-8")))

    @classmethod
    def _of(cls, content: Mapping[str, Any]) -> RunData:
        # Other versions of Pixmill write other fields, too.
        known = {each.name: content[each.name] for each in fields(cls) if each.name in content}
        return cls(**{**known, "children": [cls._of(child) for child in content["children"]]})

    def save(self, folder: Path) -> None:
        """Write the data into a folder."""
        write_text(folder / _DATA, json.dumps(asdict(self)))


def pending_folders(place: Path) -> list[Path]:
    """Return the folders of the pending runs, oldest first, as their names begin with the time.

    Each holds ``run.json``, the run's files in ``artifacts/`` under the names that they have in MLflow, and its models
    in ``models/``.

    Args:
        place: ``.pixmill/record``; a name that begins with a dot is a run being written.
    """
    return sorted(path.parent for path in place.glob(f"[!.]*/{_DATA}"))
