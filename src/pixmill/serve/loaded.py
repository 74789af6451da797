"""A model in service: a copy of its files, the workers that run it, and the check that it passed."""

from __future__ import annotations

import io
import logging
import shutil
import tempfile
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pixmill.compute import Service
from pixmill.core.errors import PixmillError
from pixmill.learn.inference import Answer
from pixmill.learn.litert import converted_files
from pixmill.predict.model import Model
from pixmill.serve.answering import Answering, Asked, Gradients, Looked
from pixmill.serve.settings import Settings

__all__ = ["Loaded", "golden_images"]

_LOG = logging.getLogger("pixmill.serve")

_FILES = [
    "labels.json",
    "calibration.json",
    "model.json",
    "model.weights.h5",
    "network.tflite",
    "backbone.tflite",
    "head.tflite",
]

_GOLDEN, _SIDE = 4, 96
"""Images that a model is checked on, and their side in pixels."""

_TOLERANCE = 1e-6
"""By how much the sum of an image's probabilities may differ from 1."""


def golden_images() -> list[bytes]:
    """Return the PNG files on which a model is checked before it serves: always the same, of coloured noise."""
    random = np.random.default_rng(0)
    files = []
    for _ in range(_GOLDEN):
        # Coarse, so that the images differ in shapes and colours rather than in grain alone.
        coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        file = io.BytesIO()
        coarse.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).save(file, "PNG")
        files.append(file.getvalue())
    return files


class Loaded:
    """Hold a model that answers requests.

    It works on a copy of the model's files, so that a worker that is replaced loads the same network again, whatever
    happens to the originals.

    Args:
        model: The model.
        settings: The service's.

    Attributes:
        model: The model.
        golden: Its predicted classes of :func:`golden_images`.
        explains: Whether it can show where it looked.

    Raises:
        PixmillError: It cannot be loaded, or fails the check.
    """

    def __init__(self, model: Model, settings: Settings) -> None:
        self.model = model
        self._settings = settings
        self._folder = Path(tempfile.mkdtemp(prefix="pixmill-serve-"))
        self._gradients: Service[Looked, bytes | str] | None = None
        self._lock = threading.Lock()
        self._service: Service[Asked | Looked, Answer | bytes | str] | None = None
        try:
            self._path = _copied(model.path, self._folder)
            # Where Keras runs the network, it uses all processors itself.
            workers = 1 if self._path.is_dir() and not converted_files(self._path) else settings.workers
            self._service = Service(
                Answering(self._path), workers=workers, limits=settings.limits, waiting=settings.waiting
            )
            self._service.__enter__()
            self._service.wait()
            self.golden = self._checked(workers)
            shown = self._service.submit(Looked(golden_images()[0])).result()
            self._by_maps = isinstance(shown, bytes)
            self.explains = self._by_maps or (self._path / "model.weights.h5").exists()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Finish what was taken, and end the workers."""
        for service in (self._service, self._gradients):
            if service is not None:
                service.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def waiting(self) -> int:
        """Images that wait for a worker."""
        return self._service.waiting if self._service else 0

    def predict(self, images: list[bytes]) -> list[Future[Any]]:
        """Return a future of an :class:`Answer`, or of a loss, for each image.

        Raises:
            Full: Too many images wait; none is taken.
        """
        service = self._service
        assert service is not None
        alone = len(images) == 1 and not service.busy and not service.waiting
        futures: list[Future[Any]] = []
        try:
            for image in images:
                futures.append(service.submit(Asked(image, alone)))
        except BaseException:
            for future in futures:
                future.cancel()
            raise
        return futures

    def explain(self, image: bytes, label: str | None) -> Future[Any]:
        """Return a future of a PNG, of a word why there is none, or of a loss.

        Keras starts with the first image that needs it, which takes some seconds.

        Raises:
            Full: Too many images wait.
        """
        row = Looked(image, label)
        if self._by_maps:
            assert self._service is not None
            return self._service.submit(row)
        with self._lock:
            if self._gradients is None:
                self._gradients = Service(
                    Gradients(self._path), workers=1, limits=self._settings.limits, waiting=self._settings.max_images
                )
                self._gradients.__enter__()
        return self._gradients.submit(row)

    def _checked(self, workers: int) -> list[str]:
        """Return the classes of the golden images.

        Raises:
            PixmillError: An answer is none, or differs between one thread and several, or between two runs.
        """
        assert self._service is not None
        images = golden_images()
        answers = []
        for alone in (False, True):
            # Several of each, so that all workers answer some.
            futures = [self._service.submit(Asked(image, alone)) for _ in range(workers) for image in images]
            answers += [future.result() for future in futures]
        labels = []
        for place, answer in enumerate(answers):
            prediction = answer.prediction if isinstance(answer, Answer) else None
            given = prediction.probabilities if prediction else None
            if prediction is None or given is None:
                reason = answer if prediction is None else prediction.reason
                raise self._refused(f"a test image has no prediction ({reason})")
            if given.shape != (len(self.model.labels),) or not np.isfinite(given).all():
                raise self._refused(f"expected {len(self.model.labels)} finite probabilities, received {given}")
            if abs(given.sum() - 1) > _TOLERANCE:
                raise self._refused(f"its probabilities of a test image sum to {given.sum()}")
            first = answers[place % len(images)].prediction.probabilities
            if not np.array_equal(first, given):
                raise self._refused("two workers answer differently to the same image")
            if place < len(images):
                labels.append(str(prediction.label))
        return labels

    def _refused(self, why: str) -> PixmillError:
        return PixmillError(
            f"{self.model.path} is not a model to serve: {why}", next="train it again: dvc repro -f train"
        )


def _copied(path: Path, folder: Path) -> Path:
    """Copy what a classifier is loaded from, and return where to."""
    if not path.is_dir():
        return Path(shutil.copy(path, folder))
    for name in _FILES:
        if (path / name).exists():
            shutil.copy(path / name, folder)
    return folder
