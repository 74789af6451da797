"""What can be recorded of a run; nothing that MLflow or the disk does wrong reaches the stage."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pixmill.core.workspace import Workspace
from pixmill.pages.base import figure_png
from pixmill.record.delivery import WEIGHTS, close_dead_runs, open_run
from pixmill.record.lineage import data_hashes, image_count
from pixmill.record.model import save_classifier_model, save_keras_model
from pixmill.record.pending import RunData, now
from pixmill.record.store import StoreError, connect, line_of, shown, tracking_uri
from pixmill.record.sync import sync

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

__all__ = ["Run", "accepted"]

_FOREIGN = re.compile(r"[^\w.\- /:]", re.ASCII)
"""What MLflow refuses in the name of a parameter or metric on at least one platform."""

_VALUE = 6000
"""MLflow's limit on a parameter's value, in characters."""

Value = TypeVar("Value")


class Run:
    """Collect what a run comes to; when its stage has ended, it is written to files and made whole in MLflow from them.

    A run that is :meth:`opened <open>` is shown in MLflow while it goes on, as well as may be: after the first failure
    nothing more is sent before the end. What cannot be kept, since the disk is full or a model cannot be converted, is
    named in a line at the end.

    >>> run = Run(Workspace(root=Path(), home=Path()), RunData("train", started=0))
    >>> run.log_params({"train.epochs": 30})
    >>> run.log_metrics({"test_accuracy": 0.9, "test_f1.R&B": 0.8}, timestamp=1000)
    >>> run.data.points
    [['test_accuracy', 0.9, 1000, 0], ['test_f1.R_B', 0.8, 1000, 0]]

    Args:
        workspace: Where the project lies.
        data: What is known of the run so far.
        parent: The run that this one lies beneath; default: none.
    """

    def __init__(self, workspace: Workspace, data: RunData, parent: Run | None = None) -> None:
        self.data = data
        self.faults: list[str] = []
        self._workspace, self._root = workspace, parent or self
        self._client: MlflowClient | None = None
        self._failed = False
        self._contents: dict[str, bytes] = {}
        self._folder: Path | None = None

    @property
    def run_id(self) -> str | None:
        """The run's id in MLflow; ``None`` until MLflow has opened it."""
        return self.data.run_id

    def open(self) -> None:
        """Open the run in MLflow with what is known of it, and end the runs of this host whose process was killed."""
        try:
            self._client = connect(tracking_uri(self._workspace))
            close_dead_runs(self._client)
        except Exception as error:  # noqa: BLE001 (backends raise what they like)
            self._fail(error)
        self._send(partial(open_run, data=self.data, home=self._workspace.home))

    @contextlib.contextmanager
    def child(self, name: str, params: Mapping[str, Any]) -> Iterator[Run]:
        """Open a run beneath this one, for a fold or a trial.

        Args:
            name: What tells it from its siblings, such as ``fold 1``.
            params: Its parameters, flattened.
        """
        data = RunData("train", name=name, parent=self.data.run_id, origin=self.data.origin)
        child = Run(self._workspace, data, self._root)
        self.data.children.append(data)
        child.log_params(params)
        child._send(partial(open_run, data=data, home=self._workspace.home))
        with child.ending():
            yield child
        child.end("FINISHED")

    @contextlib.contextmanager
    def ending(self) -> Iterator[None]:
        """End the run as ``FAILED`` or ``KILLED`` where the block does."""
        try:
            yield
        except BaseException as error:
            self.end("FAILED" if isinstance(error, Exception) else "KILLED")
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def end(self, status: str) -> None:
        """End a run that comes to nothing more: ``FINISHED``, ``FAILED`` or ``KILLED``."""
        self.data.ended, self.data.status = now(), status
        if self.run_id != self.data.project:
            self._send(lambda client: client.set_terminated(str(self.run_id), status))

    def finish(self) -> None:
        """Write a run whose stage has ended well, deliver all that waits, and say in a line what does not go."""
        self.data.ended = now()
        try:
            folder = self._made_folder()
            for name, content in self._contents.items():
                path = folder / "artifacts" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            self.data.save(folder)
            folder.rename(folder.with_name(f"{self.data.started}-{self.data.stage}-{self.data.weights or os.getpid()}"))
        except OSError as error:
            # What MLflow was shown is all there is.
            self.end("FINISHED")
            _say(f"warning: the record of this run for MLflow is not whole: {line_of(error)}")
            return
        if self.faults:
            _say(f"warning: the record of this run for MLflow is not whole: {'; '.join(self.faults)}")
        result = sync(self._workspace)
        # That MLflow is away is said once.
        if bool(result.waiting) != self._failed or len(result.sent) > 1:
            _say(f"{'warning' if result.waiting else 'record'}: {result.line()}")

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record parameters, flattened: ``{"train.epochs": 30}``."""
        self.data.params |= {name: str(value)[:_VALUE] for name, value in accepted(params).items()}

    def set_weights(self, digest: str) -> None:
        """Record the md5 of the weights file, by which an evaluation finds this run."""
        self.data.weights = digest
        self.data.tags[WEIGHTS] = digest

    def describe(self, text: str) -> None:
        """Set the description that MLflow's page of the run shows, in Markdown."""
        self.data.tags["mlflow.note.content"] = text

    def log_metrics(
        self, figures: Mapping[str, float | None], *, step: int = 0, timestamp: int | None = None, live: bool = True
    ) -> None:
        """Record figures of the run, and of the models that it logged; those that are ``None`` are left out.

        Args:
            figures: Numbers by name.
            step: The place on a curve's axis; default 0, a figure of the whole run.
            timestamp: Milliseconds since 1970; default: now.
            live: Whether MLflow gets them at once, rather than with all others at the end. Default: at once.
        """
        from mlflow.entities import Metric

        moment = now() if timestamp is None else timestamp
        points = [[name, float(value), moment, step] for name, value in accepted(figures).items() if value is not None]
        self.data.points += points
        if live:
            self._send(lambda client: client.log_batch(str(self.run_id), [Metric(*point) for point in points]))

    def log_parts(self, dataset: str, parts: Mapping[str, str]) -> None:
        """Record which packed parts a run reads, by DVC's hash of them; nothing where DVC has none.

        Args:
            dataset: The folder of the parts, relative to the project's; with a part's name it is the name in MLflow.
            parts: What each is used for (``training``, ``validation`` or ``testing``), by its name.
        """
        root = self._workspace.root
        if digest := data_hashes(root).get(dataset):
            for part, context in parts.items():
                name = f"{dataset}/{part}"
                count = image_count(root / name)
                profile = None if count is None else f'{{"images": {count}}}'
                self.data.datasets.append({"name": name, "digest": digest, "context": context, "profile": profile})

    def log_figure(self, figure: Figure, name: str) -> None:
        """Record a matplotlib figure as a PNG file, such as ``plots/curves.png``."""
        self.log_image(figure_png(figure), name)

    def log_image(self, content: bytes, name: str) -> None:
        """Record an image file, such as ``plots/samples.jpg``."""
        self._contents[name] = content

    def log_text(self, text: str, name: str) -> None:
        """Record a text file, such as ``reports/train.html``."""
        self._contents[name] = text.encode("utf-8")

    def log_file(self, path: Path, name: str) -> None:
        """Record a file as it is now, if it is there, under a path within the run."""
        if path.is_file():
            self._contents[name] = path.read_bytes()

    def log_model(self, model: keras.Model, name: str = "keras") -> None:
        """Record a Keras model with its signature and an example, so that ``mlflow.keras.load_model`` finds it.

        Args:
            model: The model, as it is used: float32 pixels in, probabilities out.
            name: Its name within the run.
        """
        self._save_model(name, partial(save_keras_model, model))

    def log_classifier(self, classifier: Path, name: str = "classifier") -> None:
        """Record what takes the bytes of images and answers with labels, for ``mlflow.pyfunc.load_model``.

        Args:
            classifier: ``artifacts/train``: the network with its labels and its calibration.
            name: Its name within the run.
        """
        self._save_model(name, partial(save_classifier_model, classifier))

    @contextlib.contextmanager
    def watching_machine(self) -> Iterator[None]:
        """Have MLflow measure processors, memory, disk, network and GPUs while the block runs: ``system/…``.

        Only where ``MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=true``, as everywhere in MLflow.
        """
        from mlflow.environment_variables import MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = None
        if self._client is not None and self.run_id and MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get():
            try:
                monitor = SystemMetricsMonitor(self.run_id, tracking_uri=tracking_uri(self._workspace))
                monitor.start()
            except Exception as error:  # noqa: BLE001 (each system refuses in its own way)
                monitor = None
                _say(f"warning: MLflow does not measure this machine ({line_of(error)})")
        try:
            yield
        finally:
            if monitor is not None:
                monitor.finish()

    def _send(self, request: Callable[[MlflowClient], object]) -> None:
        if self._root._client is not None:
            try:
                request(self._root._client)
            except Exception as error:  # noqa: BLE001 (backends raise what they like)
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._root._client, self._root._failed = None, True
        reason = f"did not take what was sent ({line_of(error)})"
        if isinstance(error, StoreError):
            reason = f"{error.message}; {error.next}"
        _say(
            f"warning: MLflow at {shown(tracking_uri(self._workspace))} {reason}. Training goes on; the run is sent "
            "when it ends, or by: pixmill sync"
        )

    def _made_folder(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=".part-", dir=self._workspace.scratch("record")))
        return self._folder

    def _save_model(self, name: str, save: Callable[[Path], None]) -> None:
        try:
            models = self._made_folder() / "models"
            models.mkdir(exist_ok=True)
            save(models / name)
        except Exception as error:  # noqa: BLE001 (MLflow and converters raise what they like)
            self.faults.append(f"the model {name} ({line_of(error)})")


def accepted(named: Mapping[str, Value]) -> dict[str, Value]:
    """Return the same values under names that MLflow takes.

    Foreign characters become ``_``. Where two names become one, the later gets a number: no value is lost.

    Args:
        named: Values by name, such as ``{"test_f1.R&B": 0.9}``.
    """
    result: dict[str, Value] = {}
    for name, value in named.items():
        plain = base = _FOREIGN.sub("_", name)
        number = 2
        while plain in result:
            plain = f"{base}_{number}"
            number += 1
        result[plain] = value
    return result


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
