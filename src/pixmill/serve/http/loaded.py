"""A model in service: a copy of its files, and the workers that run it."""

import shutil
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from pixmill.core.errors import PixmillError
from pixmill.images.compute import Service
from pixmill.images.png import png_bytes
from pixmill.models.inference import Answer
from pixmill.models.litert import BACKBONE, HEAD, NETWORK
from pixmill.models.model_folder import CALIBRATION_FILE, NOVELTY_FILE
from pixmill.serve.http.answering import Answering, Gradients, HeatmapRequest, PredictionRequest
from pixmill.serve.http.settings import Settings
from pixmill.serve.predict.model import Model

_WEIGHTS = "model.weights.h5"
_FILES = ("labels.json", CALIBRATION_FILE, NOVELTY_FILE, "model.json", _WEIGHTS, NETWORK, BACKBONE, HEAD)
"""What a classifier is loaded and explained from."""


class LoadedModel:
    """A model that answers requests.

    It works on a copy of the model's files, so that a worker that is replaced loads the same network again, whatever
    happens to the originals.

    Args:
        model: The model.
        settings: The service's.

    Attributes:
        model: The model.
        explains: Whether it can show where it looked.

    Raises:
        PixmillError: It cannot be loaded, or does not answer.
    """

    def __init__(self, model: Model, settings: Settings) -> None:
        self.model = model
        self._settings = settings
        self._folder = tempfile.TemporaryDirectory(prefix="pixmill-served-", ignore_cleanup_errors=True)
        self._gradients: Service[HeatmapRequest, bytes | str] | None = None
        self._lock = threading.Lock()
        self._path = _copy(model.path, Path(self._folder.name))
        workers = settings.workers
        self._service: Service[PredictionRequest | HeatmapRequest, Answer | bytes | str] = Service(
            Answering(self._path), workers=workers, limits=settings.limits, waiting=settings.waiting * workers
        )
        try:
            self._service.__enter__()
            self._service.wait()
            image = png_bytes(np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8))
            self._check(self._service.submit(PredictionRequest(image, alone=True)).result())
            self._by_maps = isinstance(self._service.submit(HeatmapRequest(image)).result(), bytes)
            by_keras = find_spec("tensorflow") and self._path.is_dir() and (self._path / _WEIGHTS).exists()
            self.explains = self._by_maps or bool(by_keras)
        except BaseException:
            self.close()
            raise

    def _check(self, answer: Any) -> None:
        """Refuse a model that does not answer a test image.

        Raises:
            PixmillError: There is no answer, or not one finite probability per class.
        """
        told = answer.prediction if isinstance(answer, Answer) else None
        given = None if told is None else told.probabilities
        if given is None or given.shape != (len(self.model.labels),) or not np.isfinite(given).all():
            reason = f"there is no prediction: {told.reason if told else answer}" if given is None else f"{given}"
            raise PixmillError(
                f"{self.model.path} is not fit to serve: expected {len(self.model.labels)} finite probabilities of a "
                f"test image, but {reason}",
                next="train it again: dvc repro -f train",
            )

    def close(self) -> None:
        """Finish what was taken, and end the workers."""
        self._service.close()
        if self._gradients is not None:
            self._gradients.close()
        self._folder.cleanup()

    @property
    def waiting(self) -> int:
        """Images that wait for a worker."""
        return self._service.waiting

    def predict(self, images: Sequence[bytes]) -> list[Future[Any]]:
        """Return a future of an :class:`Answer`, or of a loss, for each image.

        Raises:
            ServiceFullError: Too many images wait; none is taken.
        """
        alone = len(images) == 1 and not self._service.busy and not self._service.waiting
        return list(self._service.submit_all([PredictionRequest(image, alone) for image in images]))

    def explain(self, image: bytes, label: str | None) -> Future[Any]:
        """Return a future of a PNG, of a word why there is none, or of a loss.

        Keras starts with the first image that needs it, which takes some seconds.

        Raises:
            ServiceFullError: Too many images wait.
        """
        row = HeatmapRequest(image, label)
        if self._by_maps:
            return self._service.submit(row)
        with self._lock:
            if self._gradients is None:
                self._gradients = Service(
                    Gradients(self._path), workers=1, limits=self._settings.limits, waiting=self._settings.waiting
                )
                self._gradients.__enter__()
        return self._gradients.submit(row)


def _copy(path: Path, folder: Path) -> Path:
    """Copy what a classifier is loaded from, and return where to."""
    if not path.is_dir():
        return Path(shutil.copy(path, folder))
    for name in _FILES:
        if (path / name).exists():
            shutil.copy(path / name, folder)
    return folder
