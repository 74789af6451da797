"""A classifier's answers for many images: decoded and predicted in guarded worker processes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import target_within
from pixmill.images import UndecodableError, read_image
from pixmill.images.compute import Loss, RowLimits, map_batches
from pixmill.images.compute.cluster import cluster_address
from pixmill.models.classifier import Classifier, Prediction

if TYPE_CHECKING:
    import pyarrow as pa

LIMITS = RowLimits(seconds=20, memory=1 << 30)
"""Limits on one image: validate's defaults."""

_BATCH = 8
"""Images per task of a worker; rows of bytes stay in memory until their turn."""


@dataclass(frozen=True, slots=True)
class Located:
    """A file that must not lead out of a folder by a symlink (DVC's cache excepted).

    Args:
        path: The file.
        folder: The folder.
    """

    path: Path
    folder: Path


Row = Path | bytes | Located | Prediction
"""An image: a file, whose symlinks are followed, a file within a folder, or bytes; or the reason why there is none: a
prediction, which is passed on."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The prediction for one image.

    Args:
        id: The sha256 of its bytes; ``None`` if they could not be read, or the row was given up.
        prediction: The prediction, or the reason why there is none: one of the classifier's, or ``timeout``,
            ``memory``, ``crashed`` for a row that exceeded its limits, ``symlink`` or ``unreadable``.
    """

    id: str | None
    prediction: Prediction

    def as_row(self, path: str, labels: Sequence[str]) -> dict[str, Any]:
        """Return a row with the columns of :func:`answers_schema`.

        Args:
            path: Names the image.
            labels: The classes in the order of the model's outputs.
        """
        columns = self.prediction.as_row(labels)
        return {"path": path, "id": self.id, "predicted": columns.pop("label"), **columns}


def answers_schema(labels: Sequence[str]) -> pa.Schema:
    """Return the columns of a table of predictions, one row per image.

    ``path`` names the image, ``id`` is the sha256 of its bytes. ``predicted`` is the class with the highest
    probability, ``p_<class>`` the calibrated probability of each; ``confidence`` is that of ``predicted``, and ``sure``
    whether it reaches the threshold, null if the model has none; ``unlike`` whether the image is unlike the training
    images, null if that is not known. All of these are null where the file is not an image;
    ``reason`` says why in one word.

    Args:
        labels: The classes in the order of the model's outputs.
    """
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("id", pa.string()),
            pa.field("predicted", pa.string()),
            pa.field("confidence", pa.float64()),
            pa.field("sure", pa.bool_()),
            pa.field("unlike", pa.bool_()),
            *(pa.field(f"p_{label}", pa.float32()) for label in labels),
            pa.field("reason", pa.string()),
        ]
    )


class PredictionPass:
    """Predict a batch of images, for :func:`pixmill.images.compute.map_batches`.

    It is pickled as its arguments alone. Unpickling it, in a worker process, loads the classifier; so no row's limits
    count that. A classifier that cannot be loaded is reported by the first call.

    Args:
        path: What :meth:`pixmill.models.Classifier.load` takes.
        threads: Likewise; default: one, since there are as many workers as processors.
    """

    def __init__(self, path: Path, *, threads: int | None = 1) -> None:
        self._path, self._threads = path, threads
        self._classifier: Classifier | None = None
        self._error: Exception | None = None

    def __getstate__(self) -> tuple[Path, int | None]:
        return self._path, self._threads

    def __setstate__(self, state: tuple[Path, int | None]) -> None:
        path, threads = state
        self.__init__(path, threads=threads)  # type: ignore[misc]
        try:
            self._classifier = Classifier.load(path, threads=threads)
        except (PixmillError, ModuleNotFoundError) as error:
            self._error = error

    def __call__(self, rows: Sequence[Row]) -> list[Answer]:
        """Return one answer per row, in order.

        Raises:
            ManifestError: The classifier cannot be loaded.
            ModuleNotFoundError: What runs its network is not installed.
        """
        if self._error is not None:
            raise self._error
        classifier = self.classifier
        return [_answer(classifier, row) for row in rows]

    @property
    def classifier(self) -> Classifier:
        """The classifier, which is loaded at most once.

        Raises:
            ManifestError: It cannot be loaded.
        """
        if self._classifier is None:
            self._classifier = Classifier.load(self._path, threads=self._threads)
        return self._classifier


class _SentPass(PredictionPass):
    """A pass that travels with the classifier's files, to the nodes of a cluster."""

    def __reduce__(self) -> tuple[Callable[..., PredictionPass], tuple[str, dict[str, bytes], int | None]]:
        path = self._path.absolute()
        files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
        content = {file.relative_to(path).as_posix(): file.read_bytes() for file in files}
        return _unpack, (path.name, content, self._threads)


def _unpack(name: str, files: dict[str, bytes], threads: int | None) -> PredictionPass:
    with TemporaryDirectory(prefix="pixmill-") as folder:
        for inside, content in files.items():
            file = Path(folder, name, inside)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        arrived = PredictionPass.__new__(PredictionPass)
        arrived.__setstate__((Path(folder, name), threads))
        return arrived


def predict_images(
    model: Path, rows: Iterable[Row], *, limits: RowLimits = LIMITS, workers: int | None = None
) -> Generator[Answer, None, None]:
    """Yield an answer for each image, in order; what is not an image, or exceeds the limits, gets a reason.

    Worker processes read, decode and predict. Rows are consumed lazily, and few are in memory at a time. The nodes of a
    cluster are sent the model and the images.

    Args:
        model: What :meth:`pixmill.models.Classifier.load` takes.
        rows: The images.
        limits: Limits on one image; default: 20 seconds and 1 GiB.
        workers: Number of processes; default: one per processor.

    Raises:
        ManifestError: The classifier cannot be loaded.
    """
    function = _SentPass(model) if cluster_address() else PredictionPass(model)
    yield from map_batches(
        function, rows, batch_size=_BATCH, workers=workers, limits=limits, lost=_answer_loss, carry=_content
    )


def _answer_loss(_: Row, loss: Loss) -> Answer:
    return Answer(None, Prediction(reason=loss))


def _leads_out(file: Located) -> Prediction | None:
    if file.path.is_symlink() and target_within(file.path, file.folder) is None:
        return Prediction(reason="symlink")
    return None


def _content(row: Row) -> bytes | Prediction:
    """Return the bytes of an image, or the reason why there are none."""
    if isinstance(row, Prediction):
        return row
    try:
        if isinstance(row, Located):
            return _leads_out(row) or read_image(row.path)
        return read_image(row)
    except UndecodableError as error:
        return Prediction(reason=error.reason)
    except (OSError, RuntimeError):  # RuntimeError: a loop of symlinks
        return Prediction(reason="unreadable")


def _answer(classifier: Classifier, row: Row) -> Answer:
    content = _content(row)
    if isinstance(content, Prediction):
        return Answer(None, content)
    digest = hashlib.sha256(content).hexdigest()
    try:
        pixels = classifier.preprocessing(content)
    except UndecodableError as error:
        return Answer(digest, Prediction(reason=error.reason))
    except (OSError, RuntimeError):
        return Answer(digest, Prediction(reason="unreadable"))
    (prediction,) = classifier.predict([pixels])
    return Answer(digest, prediction)
