"""What can be recorded of a run; nothing that MLflow does wrong reaches the stage."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pixmill.report import figure_png
from pixmill.tracking.book import Book
from pixmill.tracking.model import save_classifier_model, save_keras_model
from pixmill.tracking.names import accepted
from pixmill.tracking.store import WEIGHTS

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

__all__ = ["Run"]

_VALUE = 6000
"""MLflow's limit on a parameter's value, in characters."""

_FILE = 64 << 20
"""The largest file that is recorded: pictures and pages are far smaller."""


class Run:
    """Record a run as it goes.

    Each record is on the disk before a thread offers it to MLflow, which may be away, slow, full or of another mind:
    what it does not take waits in ``.pixmill/tracking/`` for ``pixmill sync``. No method waits for MLflow or raises
    because of it.

    Args:
        book: Where the records go.
        number: The run's number within the book; default: 0, the run that the book was opened for.
    """

    def __init__(self, book: Book, number: int = 0) -> None:
        self._book, self._number = book, number
        self._ended = False
        self._children: list[Run] = []

    @property
    def run_id(self) -> str | None:
        """The run's id in MLflow; ``None`` until MLflow has opened it."""
        return self._book.run_id(self._number)

    @property
    def away(self) -> bool:
        """Whether MLflow did not answer when it was asked last."""
        return self._book.away

    def flush(self, timeout: float = 60.0) -> bool:
        """Wait until MLflow has all that was recorded so far, and return whether it has.

        Args:
            timeout: The most seconds to wait; default 60. A server that is away is not waited for.
        """
        return self._book.flush(timeout)

    def child(self, name: str, params: Mapping[str, Any]) -> Run:
        """Open a run beneath this one, for a fold or a trial; it ends as a ``with`` block, or with this one.

        Args:
            name: What tells it from its siblings, such as ``fold 1``.
            params: Its parameters, flattened.
        """
        child = Run(self._book, self._book.open(name=name, beneath=self._number))
        self._children.append(child)
        child.log_params(params)
        return child

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish("FINISHED" if kind is None else "FAILED" if issubclass(kind, Exception) else "KILLED")

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record parameters, flattened: ``{"train.epochs": 30}``."""
        named = accepted(params)
        if named:
            self._record("params", params={name: str(value)[:_VALUE] for name, value in named.items()})

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Record texts that name what the run stands on."""
        if tags:
            self._record("tags", tags=dict(tags))

    def set_weights(self, digest: str) -> None:
        """Record the md5 of the weights file, by which an evaluation finds this run."""
        self.set_tags({WEIGHTS: digest})

    def log_metrics(self, figures: Mapping[str, float | None], *, step: int = 0, timestamp: int | None = None) -> None:
        """Record figures of the run, and of the models that it logged; those that are ``None`` are left out.

        MLflow stores an equal name, value, timestamp and step once, so sending a point again adds nothing.

        Args:
            figures: Numbers by name.
            step: The place on a curve's axis; default 0, a figure of the whole run.
            timestamp: Milliseconds since 1970; default: now.
        """
        moment = int(time.time() * 1000) if timestamp is None else timestamp
        points = [[name, float(value), moment, step] for name, value in accepted(figures).items() if value is not None]
        if points:
            self._record("metrics", points=points)

    def log_epoch(self, epoch: int, figures: Mapping[str, float | None], *, timestamp: int | None = None) -> None:
        """Record one point of each curve.

        Args:
            epoch: The epoch, from 1.
            figures: ``train_loss``, ``train_accuracy``, ``val_loss``, ``val_accuracy``, ``learning_rate``,
                ``images_per_second``.
            timestamp: When the epoch ended, in milliseconds since 1970. With the same one, an epoch that is recorded
                again adds nothing. Default: now.
        """
        self.log_metrics(figures, step=epoch, timestamp=timestamp)

    def log_figure(self, figure: Figure, name: str) -> None:
        """Record a matplotlib figure as a PNG file, such as ``plots/curves.png``."""
        self.log_picture(figure_png(figure), name)

    def log_picture(self, content: bytes, name: str) -> None:
        """Record a picture's file, such as ``plots/samples.png``."""
        self._log_bytes(content, name)

    def log_text(self, text: str, name: str) -> None:
        """Record a text file, such as ``reports/train.html``."""
        self._log_bytes(text.encode("utf-8"), name)

    def log_file(self, path: Path, name: str) -> None:
        """Record a copy of a file as it is now, if it is there.

        Args:
            path: The file.
            name: Its path within the run.
        """
        if path.is_file():
            self._log_bytes(path.read_bytes(), name)

    def log_model(self, model: keras.Model, name: str = "keras") -> None:
        """Record a Keras model with its signature and an example, so that ``mlflow.keras.load_model`` finds it.

        Args:
            model: The model, as it is used: float32 pixels in, probabilities out.
            name: Its name within the run.
        """
        self._log_folder(name, lambda folder: save_keras_model(model, folder))

    def log_classifier(
        self,
        model: keras.Model,
        labels: Sequence[str],
        *,
        image_size: int,
        aspect: str,
        resize: str,
        name: str = "classifier",
    ) -> None:
        """Record what takes the bytes of pictures and answers with labels, for ``mlflow.pyfunc.load_model``.

        Args:
            model: The model, as it is used: float32 pixels in, probabilities out.
            labels: The classes, in the order of its outputs.
            image_size: Side of the square that a picture is fitted to, in pixels.
            aspect: How a picture becomes square.
            resize: The filter that it is resized with.
            name: Its name within the run.
        """
        self._log_folder(
            name,
            lambda folder: save_classifier_model(
                model, labels, folder, image_size=image_size, aspect=aspect, resize=resize
            ),
        )

    def log_dataset(
        self, folder: str, digest: str | None, *, context: str = "training", pictures: int | None = None
    ) -> None:
        """Record what data the run used.

        Args:
            folder: The data's path within the project, which is its name in MLflow.
            digest: DVC's hash of it; ``None`` where DVC has none, and then nothing is recorded.
            context: What it was used for: ``training``, ``validation`` or ``testing``.
            pictures: How many pictures it holds; default: not said.
        """
        if digest is not None:
            profile = None if pictures is None else f'{{"pictures": {pictures}}}'
            self._record("dataset", name=folder, digest=digest, context=context, profile=profile)

    def finish(self, status: str) -> None:
        """Record how the run ended, once: ``FINISHED``, ``FAILED`` or ``KILLED``; its children end with it."""
        for child in self._children:
            child.finish(status)
        if not self._ended:
            self._ended = True
            self._record("end", status=status, time=int(time.time() * 1000))

    def start(self) -> None:
        """Offer the run to MLflow now, so that it is seen while it goes."""
        self._book.wake()

    def close(self) -> None:
        """Send the rest, and say in a line what MLflow did not take and where it waits."""
        self._book.close()

    def _log_bytes(self, content: bytes, name: str) -> None:
        if len(content) > _FILE:
            sys.stderr.write(f"warning: {name} is too large for MLflow ({len(content) >> 20} MB): it is not recorded\n")
            return
        try:
            self._record("file", name=name, file=self._book.keep(content))
        except OSError as error:
            self._book.miss(name, error)

    def _log_folder(self, name: str, save: Any) -> None:
        try:
            folder = self._book.room(name)
            save(folder)
            self._record("model", name=name, folder=self._book.relative(folder))
        except Exception as error:  # noqa: BLE001 (MLflow and converters raise what they like)
            self._book.miss(f"the model {name}", error)

    def _record(self, kind: str, **content: Any) -> None:
        self._book.write({"run": self._number, "kind": kind, **content})
