"""What can be recorded of a run; nothing that MLflow does wrong reaches the stage."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from pixmill.report import figure_png
from pixmill.tracking.model import log_keras_model
from pixmill.tracking.names import accepted
from pixmill.tracking.store import WEIGHTS, shown

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure
    from mlflow import MlflowClient
    from mlflow.entities import Metric

__all__ = ["Run"]

Item = TypeVar("Item")
Act = Callable[["MlflowClient", str], None]

_BATCH = 100
"""MLflow takes at most 100 parameters or tags in one request."""

_VALUE = 6000
"""MLflow's limit on a parameter's value, in characters."""

_GIVE_UP = 3
"""Refusals in a row after which the rest is not offered any more: nobody is there."""

_PATIENCE = 15.0
"""Seconds of one refusal after which the rest is not offered either: a server that accepts and never answers."""


@dataclass(frozen=True)
class _Entry:
    what: str
    act: Act


class Run:
    """Record a run as it goes.

    MLflow may be away, slow, full or of another mind: what it does not take is kept and offered once more by
    :meth:`close`, and what it does not take then is named in a warning. No method raises because of MLflow.

    Args:
        uri: Where runs are kept.
        begin: Opens the run and returns its id; called once, when the first entry is recorded.
        again: What a person types to record later what is missing.
    """

    def __init__(self, uri: str, begin: Callable[[MlflowClient], str], *, again: str) -> None:
        self._uri, self._begin, self._again = uri, begin, again
        self._opened: tuple[MlflowClient, str] | None = None
        self._waiting: list[_Entry] = []
        self._error: Exception | None = None

    @property
    def run_id(self) -> str | None:
        """The run's id in MLflow; ``None`` until MLflow has opened it."""
        return self._opened[1] if self._opened else None

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record parameters, flattened: ``{"train.epochs": 30}``."""
        from mlflow.entities import Param

        entries = [Param(name, str(value)[:_VALUE]) for name, value in accepted(params).items()]
        for batch in _batches(entries):
            self._record("parameters", partial(_send, params=batch))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Record texts that name what the run stands on."""
        from mlflow.entities import RunTag

        entries = [RunTag(name, value) for name, value in tags.items()]
        for batch in _batches(entries):
            self._record("tags", partial(_send, tags=batch))

    def set_weights(self, digest: str) -> None:
        """Record the md5 of the weights file, by which an evaluation finds this run."""
        self.set_tags({WEIGHTS: digest})

    def log_metrics(self, figures: Mapping[str, float | None], *, step: int = 0, timestamp: int | None = None) -> None:
        """Record figures of the run, and of the model that it logged; those that are ``None`` are left out.

        MLflow stores an equal name, value, timestamp and step once, so sending a point again adds nothing.

        Args:
            figures: Numbers by name.
            step: The place on a curve's axis; default 0.
            timestamp: Milliseconds since 1970; default: now.
        """
        from mlflow.entities import Metric

        moment = int(time.time() * 1000) if timestamp is None else timestamp
        points = [
            Metric(name, float(value), moment, step) for name, value in accepted(figures).items() if value is not None
        ]
        for batch in _batches(points):
            self._record("metrics", partial(_send_metrics, batch))

    def log_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Record one point of each curve.

        Args:
            epoch: The epoch, from 1.
            figures: ``train_loss``, ``train_accuracy``, ``val_loss``, ``val_accuracy``.
        """
        self.log_metrics(figures, step=epoch)

    def log_figure(self, figure: Figure, name: str) -> None:
        """Record a matplotlib figure as a PNG file, such as ``plots/curves.png``."""
        self._log_bytes(figure_png(figure), name)

    def log_text(self, text: str, name: str) -> None:
        """Record a text file, such as ``reports/train.html``."""
        self._log_bytes(text.encode("utf-8"), name)

    def log_model(self, model: keras.Model, name: str = "keras") -> None:
        """Record a Keras model with its signature, so that ``mlflow.keras.load_model`` finds it.

        Args:
            model: The model, as it is used: float32 pixels in, probabilities out.
            name: Its name within the run.
        """
        self._record("the model", lambda client, run_id: log_keras_model(client, run_id, model, name))

    def log_dataset(self, folder: str, digest: str | None, *, context: str = "training") -> None:
        """Record what data the run used.

        Args:
            folder: The data's path within the project, which is its name in MLflow.
            digest: DVC's hash of it; ``None`` where DVC has none, and then nothing is recorded.
            context: What it was used for.
        """
        if digest is None:
            return
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(folder, digest, source_type="local", source=json.dumps({"uri": folder}))
        inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])]
        self._record("the dataset", lambda client, run_id: client.log_inputs(run_id, datasets=inputs))

    def finish(self, status: str) -> None:
        """Record how the run ended: ``FINISHED``, ``FAILED`` or ``KILLED``."""
        self._record("its end", lambda client, run_id: client.set_terminated(run_id, status=status))

    def start(self) -> None:
        """Open the run now, so that it is seen while it goes."""
        self._record("the run", _nothing)

    def close(self) -> None:
        """Offer once more what MLflow did not take, and warn of what it does not take now."""
        left: list[_Entry] = []
        refused = 0
        for entry in self._waiting:
            began = time.monotonic()
            if refused < _GIVE_UP and self._taken(entry):
                refused = 0
            else:
                refused = _GIVE_UP if time.monotonic() - began > _PATIENCE else refused + 1
                left.append(entry)
        self._waiting = left
        if left:
            self._warn()

    def _record(self, what: str, act: Act) -> None:
        entry = _Entry(what, act)
        # Behind a first refusal all wait for the end: a server that is away must not slow each epoch.
        if self._waiting or not self._taken(entry):
            self._waiting.append(entry)

    def _taken(self, entry: _Entry) -> bool:
        from mlflow import MlflowClient

        try:
            if self._opened is None:
                client = MlflowClient(self._uri)
                self._opened = client, self._begin(client)
            entry.act(*self._opened)
        except Exception as error:  # noqa: BLE001 (backends raise what they like; it is reported by close)
            self._error = error
            return False
        return True

    def _log_bytes(self, content: bytes, name: str) -> None:
        path = PurePosixPath(name)

        def act(client: MlflowClient, run_id: str) -> None:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, path.name)
                file.write_bytes(content)
                parent = path.parent.as_posix()
                client.log_artifact(run_id, str(file), None if parent == "." else parent)

        self._record(name, act)

    def _warn(self) -> None:
        missing = ", ".join(dict.fromkeys(entry.what for entry in self._waiting))
        reason = next(iter(f"{type(self._error).__name__}: {self._error}".splitlines()))[:300]
        sys.stderr.write(
            f"warning: MLflow at {shown(self._uri)} did not record: {missing} ({reason})\n"
            f"The stage's own outputs are complete. To record it later, see that MLflow answers, then: {self._again}\n"
        )


def _send(client: MlflowClient, run_id: str, **batch: Any) -> None:
    client.log_batch(run_id, **batch)


def _send_metrics(points: list[Metric], client: MlflowClient, run_id: str) -> None:
    """Record points with the run's model, where it has one already: MLflow then shows them on the model's page too."""
    from mlflow.entities import Metric

    run = client.get_run(run_id)
    models = run.outputs.model_outputs if run.outputs else []
    if models:
        points = [
            Metric(point.key, point.value, point.timestamp, point.step, model_id=models[-1].model_id, run_id=run_id)
            for point in points
        ]
    client.log_batch(run_id, metrics=points)


def _nothing(client: MlflowClient, run_id: str) -> None:
    """Record nothing: that the run is open says it all."""


def _batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    stream = iter(items)
    while batch := list(islice(stream, _BATCH)):
        yield batch
