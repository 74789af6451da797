"""Record a run; failures of MLflow or the disk never fail the stage."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pixmill.core.files.workspace import Workspace
from pixmill.core.process.progress import announce
from pixmill.tracking.delivery import WEIGHTS, RunData, now, sync
from pixmill.tracking.store import line_of

_FOREIGN = re.compile(r"[^\w.\- /]|\A\.\.|(?<![^/])\.*(?=/|\Z)")
"""Characters and parts of names that MLflow rejects on at least one platform."""

_MAX_NAME_CHARACTERS = 240
"""MLflow's limit is 250; the rest is for the number of a duplicate name."""

MAX_VALUE_CHARACTERS = 6000
"""MLflow's limit on a parameter's value, in characters."""

Value = TypeVar("Value")


class RunRecorder:
    """The records of a run, which are written to files and uploaded to MLflow when the stage ends.

    Records that cannot be saved, because the disk is full or a model cannot be converted, are
    reported at the end.

    >>> run = RunRecorder(Workspace(root=Path(), home=Path()), RunData("train", started=0))
    >>> run.log_params({"train.epochs": 30})
    >>> run.log_metrics({"test_accuracy": 0.9, "test_f1.R&B": 0.8}, timestamp=1000)
    >>> run.data.points
    [['test_accuracy', 0.9, 1000, 0], ['test_f1.R_B', 0.8, 1000, 0]]

    Args:
        workspace: The project's workspace.
        data: The run's data so far.
    """

    def __init__(self, workspace: Workspace, data: RunData) -> None:
        self.data = data
        self.faults: list[str] = []
        self._workspace = workspace
        self._contents: dict[str, bytes] = {}
        self._folder: Path | None = None

    def finish(self) -> None:
        """Write the run of a successful stage, upload all pending runs, and report failures."""
        self.data.ended = now()
        folder = None
        try:
            folder = self._make_folder()
            for name, content in self._contents.items():
                path = folder / "artifacts" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            self.data.save(folder)
            folder.rename(
                folder.with_name(
                    f"{self.data.started}-{self.data.stage}-{self.data.weights or os.getpid()}"
                )
            )
        except OSError as error:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            announce(f"warning: this run is not recorded in MLflow: {line_of(error)}")
            return
        if self.faults:
            announce(
                f"warning: the MLflow record of this run is incomplete: {'; '.join(self.faults)}"
            )
        result = sync(self._workspace)
        if result.waiting or len(result.sent) > 1:
            announce(f"{'warning' if result.waiting else 'record'}: {result.line()}")

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters, flattened: ``{"train.epochs": 30}``."""
        self.data.params |= {
            name: str(value)[:MAX_VALUE_CHARACTERS]
            for name, value in sanitize_names(params).items()
        }

    def set_weights(self, digest: str) -> None:
        """Set the MD5 of the weights file, by which an evaluation finds this run."""
        self.data.weights = digest
        self.data.tags[WEIGHTS] = digest

    def describe(self, text: str) -> None:
        """Set the run's description in MLflow, in Markdown."""
        self.data.tags["mlflow.note.content"] = text

    def log_metrics(
        self, figures: Mapping[str, float | None], *, step: int = 0, timestamp: int | None = None
    ) -> None:
        """Record figures of the run; those that are ``None`` are left out.

        Args:
            figures: Numbers by name.
            step: The step on a curve; default 0, a metric of the whole run.
            timestamp: Milliseconds since 1970; default: now.
        """
        moment = now() if timestamp is None else timestamp
        self.data.points += [
            [name, float(value), moment, step]
            for name, value in sanitize_names(figures).items()
            if value is not None
        ]

    def log_text(self, text: str, name: str) -> None:
        """Log a text file, such as ``reports/train.html``."""
        self._contents[name] = text.encode("utf-8")

    def log_file(self, path: Path, name: str) -> None:
        """Log a file as it is now, if it exists, under a path within the run."""
        if path.is_file():
            self._contents[name] = path.read_bytes()

    def log_model(self, name: str, save: Callable[[Path], None]) -> None:
        """Log a model.

        Args:
            name: The model's name within the run.
            save: Writes the model in MLflow's format to a folder that does not exist yet.
        """
        try:
            models = self._make_folder() / "models"
            models.mkdir(exist_ok=True)
            save(models / name)
        except Exception as error:  # noqa: BLE001 (MLflow and converters raise any type)
            self.faults.append(f"the model {name} ({line_of(error)})")

    def _make_folder(self) -> Path:
        if self._folder is None:
            self._folder = Path(
                tempfile.mkdtemp(prefix=".part-", dir=self._workspace.scratch("record"))
            )
        return self._folder


def sanitize_names(named: Mapping[str, Value]) -> dict[str, Value]:
    """Return the same values under names that MLflow accepts.

    Invalid characters become ``_``, and long names are cut. If two names collide, the later gets a
    number, so no value is lost: MLflow would reject a whole batch for one name.

    Args:
        named: Values by name, such as ``{"test_f1.R&B": 0.9}``.
    """
    result: dict[str, Value] = {}
    for name, value in named.items():
        plain = base = _FOREIGN.sub("_", name)[:_MAX_NAME_CHARACTERS].rstrip("/.")
        number = 2
        while plain in result:
            plain = f"{base}_{number}"
            number += 1
        result[plain] = value
    return result
