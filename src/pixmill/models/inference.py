"""Prediction of many images in guarded worker processes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import target_within
from pixmill.images.compute import Loss, RowLimits, map_batches
from pixmill.images.compute.cluster import cluster_address
from pixmill.images.verified_reading import UndecodableError, read_image
from pixmill.models.classifier import Classifier, Prediction

if TYPE_CHECKING:
    import pyarrow as pa

    from pixmill.models.novelty import Novelty
    from pixmill.models.observation import Observation

LIMITS = RowLimits(seconds=20, memory=1 << 30)
"""Limits on one image; the defaults of validate."""

_BATCH_SIZE = 8
"""Images per task of a worker, which are in memory at the same time."""


@dataclass(frozen=True, slots=True)
class Located:
    """A file whose symlinks must not lead out of a folder, except into the cache of DVC.

    Args:
        path: The file.
        folder: The folder.
    """

    path: Path
    folder: Path


Row = Path | bytes | Located | Prediction
"""An image: a file (symlinks are followed), a file within a folder, or bytes.

A prediction is returned unchanged; it
holds the reason why there is no image.
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """The prediction for one image.

    Args:
        id: SHA-256 of the file's bytes; ``None`` if they could not be read, or a limit was
            exceeded.
        prediction: The prediction, or the reason why there is none: one of the classifier's
            reasons, ``timeout``, ``memory`` or ``crashed`` for an exceeded limit, ``symlink`` or
            ``unreadable``.
        observed: Measures for a log; ``None`` without a prediction, or if not asked for.
    """

    id: str | None
    prediction: Prediction
    observed: Observation | None = None

    def as_row(self, path: str, labels: Sequence[str]) -> dict[str, Any]:
        """Return a row with the columns of :func:`answers_schema`.

        Args:
            path: Path or URL of the image.
            labels: The classes, in the order of the model's outputs.
        """
        columns = self.prediction.as_row(labels)
        return {"path": path, "id": self.id, "predicted": columns.pop("label"), **columns}


def answers_schema(labels: Sequence[str], flags: Sequence[str] = ()) -> pa.Schema:
    """Return the columns of a table of predictions, one row per image.

    - ``path``: path or URL of the image
    - ``id``: SHA-256 of its bytes
    - ``predicted``: the class with the highest probability; of several labels, those that the
      image has, separated by ``;``, empty if there are none
    - ``confidence``: the calibrated probability of ``predicted``
    - ``sure``: whether ``confidence`` reaches the threshold; null without a threshold
    - ``unlike``: whether the image is unlike the training images; null if unknown
    - ``p_<class>``: the calibrated probability of each class
    - ``yes_<label>``, ``sure_<label>``: of several labels, each answer, and whether it is sure;
      null if no accuracy is promised
    - ``reason``: why there is no prediction, in one word; then all columns but ``path`` and ``id``
      are null

    Args:
        labels: The classes, in the order of the model's outputs.
        flags: :meth:`pixmill.heads.Head.flags` of the model.
    """
    import pyarrow as pa

    from pixmill.core.manifest import table_schema

    return pa.schema(
        [
            *table_schema("path! id predicted confidence:float64 sure:bool_ unlike:bool_"),
            *(pa.field(f"p_{label}", pa.float32()) for label in labels),
            *(pa.field(name, pa.bool_()) for name in flags),
            *table_schema("reason"),
        ]
    )


class PredictionPass:
    """Predict a batch of images, for :func:`pixmill.images.compute.map_batches`.

    Only the arguments are pickled. Unpickling in a worker process loads the classifier, outside of
    the limits of a row. The first call raises if the classifier cannot be loaded.

    Args:
        path: As for :meth:`pixmill.models.Classifier.load`.
        threads: As for :meth:`pixmill.models.Classifier.load`. Default: one, since there is one
            worker per processor.
        observes: Whether answers have measures for a log.
    """

    def __init__(self, path: Path, *, threads: int | None = 1, observes: bool = False) -> None:
        self._path = path
        self._threads = threads
        self._observes = observes
        self._directions: Novelty | None = None
        self._classifier: Classifier | None = None
        self._error: Exception | None = None

    def __getstate__(self) -> tuple[Path, int | None, bool]:
        return self._path, self._threads, self._observes

    def __setstate__(self, state: tuple[Path, int | None, bool]) -> None:
        path, threads, observes = state
        self.__init__(path, threads=threads, observes=observes)  # type: ignore[misc]
        try:
            self._load()
        except (PixmillError, ModuleNotFoundError) as error:
            self._error = error

    def _load(self) -> Classifier:
        self._classifier = Classifier.load(self._path, threads=self._threads)
        if self._observes and self._path.is_dir():
            from pixmill.models.novelty import load_novelty

            self._directions = load_novelty(self._path)
        return self._classifier

    def __call__(self, rows: Sequence[Row]) -> list[Answer]:
        """Return one answer per row, in order.

        Raises:
            ManifestError: The classifier cannot be loaded.
            ModuleNotFoundError: LiteRT is not installed.
        """
        if self._error is not None:
            raise self._error
        return [self._answer(row) for row in rows]

    @property
    def classifier(self) -> Classifier:
        """The classifier, loaded at most once.

        Raises:
            ManifestError: The classifier cannot be loaded.
        """
        return self._classifier or self._load()

    def _answer(self, row: Row) -> Answer:
        classifier = self.classifier
        content = content_of(row)
        if isinstance(content, Prediction):
            return Answer(None, content)
        digest = hashlib.sha256(content).hexdigest()
        try:
            pixels, size = classifier.preprocessing.with_size(content)
        except UndecodableError as error:
            return Answer(digest, Prediction(reason=error.reason))
        except (OSError, RuntimeError):
            return Answer(digest, Prediction(reason="unreadable"))
        features = classifier.features(pixels[None])
        uncalibrated, novelty = classifier.score_features(features)
        prediction = classifier.answer(uncalibrated, novelty)
        if not self._observes:
            return Answer(digest, prediction)
        from pixmill.models.observation import observe

        vectors = None if classifier.backbone is None else features
        return Answer(
            digest,
            prediction,
            observe(len(content), size, pixels, vectors, novelty, self._directions),
        )


class _PortablePass(PredictionPass):
    """A pass whose pickle contains the files of the classifier, for the nodes of a cluster."""

    def __reduce__(
        self,
    ) -> tuple[Callable[..., PredictionPass], tuple[str, dict[str, bytes], int | None, bool]]:
        path = self._path.absolute()
        files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
        content = {file.relative_to(path).as_posix(): file.read_bytes() for file in files}
        return _unpack, (path.name, content, self._threads, self._observes)


def _unpack(
    name: str, files: dict[str, bytes], threads: int | None, observes: bool
) -> PredictionPass:
    with TemporaryDirectory(prefix="pixmill-") as folder:
        for inside, content in files.items():
            file = Path(folder, name, inside)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        unpacked = PredictionPass.__new__(PredictionPass)
        unpacked.__setstate__((Path(folder, name), threads, observes))
        return unpacked


def predict_images(
    model: Path,
    rows: Iterable[Row],
    *,
    limits: RowLimits = LIMITS,
    workers: int | None = None,
    observes: bool = False,
) -> Generator[Answer, None, None]:
    """Yield an answer for each image, in order, with a reason where there is no prediction.

    Worker processes read, decode and predict. Rows are consumed lazily; few are in memory at a
    time. The nodes of a cluster receive the model and the images.

    Args:
        model: As for :meth:`pixmill.models.Classifier.load`.
        rows: The images.
        limits: Limits on one image. Default: 20 seconds and 1 GiB.
        workers: Number of processes. Default: one per processor.
        observes: Whether answers have measures for a log.

    Raises:
        ManifestError: The classifier cannot be loaded.
    """
    kind = _PortablePass if cluster_address() else PredictionPass
    function = kind(model, observes=observes)
    yield from map_batches(
        function,
        rows,
        batch_size=_BATCH_SIZE,
        workers=workers,
        limits=limits,
        lost=_answer_loss,
        carry=content_of,
    )


def _answer_loss(_: Row, loss: Loss) -> Answer:
    return Answer(None, Prediction(reason=loss))


def content_of(row: Row) -> bytes | Prediction:
    """Return the bytes of an image, or the reason why there are none."""
    if isinstance(row, Prediction):
        return row
    try:
        if not isinstance(row, Located):
            return read_image(row)
        if row.path.is_symlink() and target_within(row.path, row.folder) is None:
            return Prediction(reason="symlink")
        return read_image(row.path)
    except UndecodableError as error:
        return Prediction(reason=error.reason)
    except (OSError, RuntimeError):  # RuntimeError: a loop of symlinks
        return Prediction(reason="unreadable")
