"""A model in service: a copy of its files, and the workers that run it."""

import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import filelock

from pixmill.compute import Service
from pixmill.learn.inference import Answer
from pixmill.learn.litert import BACKBONE, HEAD, NETWORK
from pixmill.learn.model_folder import CALIBRATION_FILE, NOVELTY_FILE
from pixmill.predict.model import Model
from pixmill.serve.answering import Answering, Gradients, HeatmapRequest, PredictionRequest
from pixmill.serve.golden import check, golden_images
from pixmill.serve.settings import Settings

_WEIGHTS = "model.weights.h5"
_FILES = ("labels.json", CALIBRATION_FILE, NOVELTY_FILE, "model.json", _WEIGHTS, NETWORK, BACKBONE, HEAD)
"""What a classifier is loaded and explained from."""

_PREFIX, _LOCK = "pixmill-served-", "lock"
_NEW_SECONDS = 60
"""Age from which a copy without a holder is taken for one that was left behind."""


class LoadedModel:
    """A model that answers requests.

    It works on a copy of the model's files, so that a worker that is replaced loads the same network again, whatever
    happens to the originals.

    Args:
        model: The model.
        settings: The service's.

    Attributes:
        model: The model.
        golden: The classes that it predicts for :func:`pixmill.serve.golden.golden_images`.
        explains: Whether it can show where it looked.

    Raises:
        PixmillError: It cannot be loaded, or fails the check.
    """

    def __init__(self, model: Model, settings: Settings) -> None:
        self.model = model
        self._settings = settings
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        _sweep(self._folder)
        self._held = filelock.FileLock(self._folder / _LOCK, blocking=False)
        self._held.acquire()
        self._gradients: Service[HeatmapRequest, bytes | str] | None = None
        self._lock = threading.Lock()
        try:
            self._path = _copy(model.path, self._folder)
            workers = settings.workers
            self._service: Service[PredictionRequest | HeatmapRequest, Answer | bytes | str] = Service(
                Answering(self._path), workers=workers, limits=settings.limits, waiting=settings.waiting * workers
            )
            self._service.__enter__()
        except BaseException:
            self._remove()
            raise
        try:
            self._service.wait()
            self.golden = check(model, lambda *row: self._service.submit(PredictionRequest(*row)), workers=workers)
            self._by_maps = isinstance(self._service.submit(HeatmapRequest(golden_images()[0])).result(), bytes)
            by_keras = find_spec("tensorflow") and self._path.is_dir() and (self._path / _WEIGHTS).exists()
            self.explains = self._by_maps or bool(by_keras)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Finish what was taken, and end the workers."""
        self._service.close()
        if self._gradients is not None:
            self._gradients.close()
        self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._held.release()

    @property
    def served_version(self) -> str:
        """Its version in MLflow's registry; ``1`` for a model that has none, for protocols that ask for one."""
        return self.model.version or "1"

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


def _sweep(own: Path) -> None:
    """Remove the copies of this user's servers that were killed: nobody holds their lock any more."""
    user = own.lstat().st_uid
    for folder in own.parent.glob(f"{_PREFIX}*"):
        try:
            found = folder.lstat()
            is_new = time.time() - found.st_mtime < _NEW_SECONDS
            if is_new or not stat.S_ISDIR(found.st_mode) or found.st_uid != user:
                continue
            with filelock.FileLock(folder / _LOCK, blocking=False):
                shutil.rmtree(folder, ignore_errors=True)
        except (OSError, filelock.Timeout):
            continue  # Somebody else's, held, or gone.


def _copy(path: Path, folder: Path) -> Path:
    """Copy what a classifier is loaded from, and return where to."""
    if not path.is_dir():
        return Path(shutil.copy(path, folder))
    for name in _FILES:
        if (path / name).exists():
            shutil.copy(path / name, folder)
    return folder
