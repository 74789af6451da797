"""The model in service: loaded at the start, and replaced by a newer one while requests run."""

import asyncio
import contextlib
import logging
import shutil
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import write_bytes
from pixmill.images.compute import Service, ServiceFullError
from pixmill.images.png import png_bytes
from pixmill.local.problems import ProblemError
from pixmill.models.inference import LIMITS, Answer
from pixmill.models.litert import BACKBONE, HEAD, NETWORK
from pixmill.models.model_folder import CALIBRATION_FILE, HELD_OUT_FILE, NOVELTY_FILE
from pixmill.models.prediction_reasons import meaning
from pixmill.serve.export.html.page import build_page
from pixmill.serve.http.worker import (
    GradCam,
    HeatmapRequest,
    PredictionRequest,
    Predictor,
    Request,
    VectorRequest,
)
from pixmill.serve.predict.model import IN_MLFLOW, Model, current_version, find_model
from pixmill.serve.predict.shifting import shift_model

if TYPE_CHECKING:
    from pixmill.dataset.log_writer import PredictionLog

_WEIGHTS = "model.weights.h5"
_FILES = (
    "labels.json",
    CALIBRATION_FILE,
    NOVELTY_FILE,
    HELD_OUT_FILE,
    "model.json",
    _WEIGHTS,
    NETWORK,
    BACKBONE,
    HEAD,
)
"""Files that predictions, other shares of the classes, and heatmaps need."""

_MAX_WAITING = 16
"""Maximum number of images that wait for each worker, which keeps the latency at a second or two.
"""

_SHARES = TypeAdapter(dict[str, float])

_LOG = logging.getLogger("pixmill.serve")


class LoadedModel:
    """A model and the worker processes that run it.

    The workers use a copy of the model's files: a replaced worker loads the same network, even if
    the files changed.

    Args:
        model: The model.
        workers: Number of worker processes.
        observes: Whether answers have measures for a log.

    Attributes:
        model: The model.
        path: The copy of its files.
        explains: Whether it can draw heatmaps.
        keras: Process that draws them by Grad-CAM; ``None`` if it was not started.

    Raises:
        PixmillError: The model cannot be loaded, or does not predict a test image.
    """

    def __init__(self, model: Model, workers: int, *, observes: bool = False) -> None:
        self.model = model
        self._lock = threading.Lock()
        self._page: asyncio.Future[Path] | None = None
        self.keras: Service[HeatmapRequest, bytes | str] | None = None
        with contextlib.ExitStack() as stack:
            folder = tempfile.TemporaryDirectory(
                prefix="pixmill-served-", ignore_cleanup_errors=True
            )
            self._folder = Path(stack.enter_context(folder))
            self.path = _copy(model.path, self._folder)
            self._service: Service[Request, Answer | bytes | str | None] = stack.enter_context(
                Service(
                    Predictor(self.path, observes=observes),
                    workers=workers,
                    limits=LIMITS,
                    waiting=_MAX_WAITING * workers,
                )
            )
            self._service.wait()
            image = png_bytes(
                np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
            )
            self._check(self._service.submit(PredictionRequest(image, all_threads=True)).result())
            self._has_maps = isinstance(self._service.submit(HeatmapRequest(image)).result(), bytes)
            self._open = stack.pop_all()
        has_gradients = find_spec("tensorflow") and (self.path / _WEIGHTS).is_file()
        self.explains = self._has_maps or bool(has_gradients)

    def _check(self, answer: Any) -> None:
        """Raise :class:`PixmillError` unless a test image has one finite probability per class."""
        prediction = answer.prediction if isinstance(answer, Answer) else None
        given = None if prediction is None else prediction.probabilities
        if (
            given is None
            or given.shape != (len(self.model.labels),)
            or not np.isfinite(given).all()
        ):
            reason = f"there is no prediction: {prediction.reason if prediction else answer}"
            raise PixmillError(
                f"{self.model.path} is not fit to serve: expected {len(self.model.labels)} finite "
                f"probabilities of a test image, but {reason if given is None else given}",
                next="train it again: dvc repro -f train",
            )

    def close(self) -> None:
        """Finish the accepted images, and stop the workers."""
        self._open.close()

    @property
    def waiting(self) -> int:
        """Number of images that wait for a worker."""
        return self._service.waiting

    def predict(self, images: Sequence[bytes]) -> list[Future[Any]]:
        """Return a future for each image: an :class:`Answer`, or a reason code if its worker died.

        Raises:
            ServiceFullError: Too many images wait; none of these is accepted.
        """
        is_idle = len(images) == 1 and not self._service.busy and not self._service.waiting
        return list(
            self._service.submit_all([PredictionRequest(image, is_idle) for image in images])
        )

    def vector(self, image: bytes) -> Future[Any]:
        """Return a future of the result of :func:`pixmill.models.nearest.vector_of`.

        Raises:
            ServiceFullError: Too many images wait.
        """
        return self._service.submit(VectorRequest(image))

    def explain(self, image: bytes, label: str | None) -> Future[Any]:
        """Return a future of a PNG or a reason code; see :meth:`warm`.

        Raises:
            ServiceFullError: Too many images wait.
        """
        row = HeatmapRequest(image, label)
        if self._has_maps:
            return self._service.submit(row)
        return self._start_keras().submit(row)

    def warm(self) -> None:
        """Begin to start Keras if heatmaps need it; with the first heatmap, it would take seconds."""
        if self.explains and not self._has_maps:
            self._start_keras()

    def _start_keras(self) -> Service[HeatmapRequest, bytes | str]:
        with self._lock:
            if self.keras is None:
                service = Service(
                    GradCam(self.path), workers=1, limits=LIMITS, waiting=_MAX_WAITING
                )
                self.keras = self._open.enter_context(service)
            return self.keras

    def shifted(self, classes: Sequence[str] | None, prior: str | None) -> Model:
        """Return the model with some classes only, or with other shares of the classes.

        Args:
            classes: As for :func:`pixmill.serve.predict.shifting.shift_model`.
            prior: Share of each class as a JSON object.

        Raises:
            ProblemError: They do not fit the model, or are malformed.
        """
        try:
            shares = None if prior is None else _SHARES.validate_json(prior, strict=True)
            return shift_model(replace(self.model, path=self.path), classes, shares)
        except PixmillError as error:
            raise ProblemError(422, f"{error.message}.".replace("?.", "?")) from error
        except ValueError as error:
            raise ProblemError(
                422, 'Expected prior as JSON: {"coat": 0.7, "dress": 0.3}.'
            ) from error

    async def page(self) -> Path:
        """Return the model as one HTML file, which the first call builds in some seconds.

        Raises:
            PixmillError: LiteRT.js is missing, or cannot run the model.
            OSError: The file cannot be written, or the model was closed.
        """
        if self._page is None:
            self._page = asyncio.ensure_future(asyncio.to_thread(self._build_page))
        page = self._page
        try:
            return await asyncio.shield(page)
        except Exception:
            if self._page is page:
                self._page = None  # The next call may succeed.
            raise

    def _build_page(self) -> Path:
        # A new folder, since a page with the old name may still be built or downloaded.
        path = Path(tempfile.mkdtemp(dir=self._folder)) / "model.html"
        write_bytes(path, build_page(replace(self.model, path=self.path)))
        return path

    def rename(self, model: Model) -> None:
        """Take name and version of an equal model."""
        self.model = model
        self._page = None


class Models:
    """Hold the model that answers, and replace it when its name points to another one.

    Args:
        spec: Name of the model, as for :func:`pixmill.serve.predict.model.find_model`.
        root: Project folder; ``None`` outside of a project.
        workers: Number of worker processes.
        poll: Seconds between two checks for a newer model; 0: no checks.
        log: Destination of a row for each prediction, closed at the end; default: none.
        shadow: Name of a second model, whose answers are only logged; default: none.

    Attributes:
        log: The log.
        shadow: The second model, of the same task, in one process; ``None`` as for ``current``.
        current: The model that answers; ``None`` before :meth:`open` and after :meth:`close`.
        refused: Error of the newer model that was refused last; ``None`` if there is none.
    """

    def __init__(
        self,
        spec: str | None,
        root: Path | None,
        *,
        workers: int,
        poll: float = 0,
        log: "PredictionLog | None" = None,
        shadow: str | None = None,
    ) -> None:
        self._spec = spec
        self.log = log
        self._shadow_spec = shadow
        self._root = root
        self._workers = workers
        self._poll = poll
        self._seen: str | None = None
        self.current: LoadedModel | None = None
        self.shadow: LoadedModel | None = None
        self.refused: str | None = None

    @property
    def _is_recorded(self) -> bool:
        """Whether the name leads to MLflow."""
        in_production = self.current is not None and self.current.model.in_production
        return in_production or (self._spec or "").startswith(IN_MLFLOW)

    def open(self) -> None:
        """Load the models, and return once all of their workers run.

        Raises:
            PixmillError: There is no such model, it cannot be loaded, it fails its check, or the
                second one answers another question.
        """
        if self.current is not None:
            return
        model = find_model(self._spec, self._root)
        if self._shadow_spec:
            second = find_model(self._shadow_spec, self._root)
            if second.head != model.head:
                raise PixmillError(
                    f"--shadow {self._shadow_spec} is a model of the task {second.task}, "
                    f"{model.title} of {model.task}",
                    next="name a model of the same task",
                )
            self.shadow = LoadedModel(second, 1)
        self._seen = model.version or model.digest
        self.current = self._load(model)

    def _load(self, model: Model) -> LoadedModel:
        return LoadedModel(model, self._workers, observes=self.log is not None)

    def close(self) -> None:
        """Finish the accepted images, stop all workers, and write the log."""
        parts = (self.current, self.shadow, self.log)
        self.current = None
        for part in parts:
            if part is not None:
                part.close()

    def write(self, model: Model, content: bytes, answer: Answer) -> None:
        """Log an answer about an image, empty if not fetched, once the second model has answered."""
        if self.log is None:
            return
        about = model.about
        add = partial(self.log.add, about, answer, lambda: content)
        if self.shadow is not None:
            about["shadow"] = self.shadow.model.identity
            # A file without a prediction may be one that stops a worker.
            if answer.observed and self.log.takes(answer):
                with contextlib.suppress(ServiceFullError):
                    asked = self.shadow.predict([content])[0]
                    asked.add_done_callback(lambda done: add(shadow=_answer_of(done)))
                    return
        add()

    async def watch(self, ending: asyncio.Event) -> None:
        """Check for a newer model every ``poll`` seconds.

        At the end, a model that is being loaded is loaded first.

        Args:
            ending: Set when the service ends.
        """
        while self._poll and not ending.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), self._poll)
                break
            await self.refresh()

    async def refresh(self) -> None:
        """Replace the model if its name points to another one, and close the old one.

        A broken model is refused.
        """
        try:
            version = await asyncio.to_thread(current_version, self._spec, self._root)
        except Exception as error:  # noqa: BLE001 (MLflow or the files may be in order at the next check)
            if self._is_recorded:
                _LOG.warning("cannot look for a newer model: %s", _describe(error))
            else:
                self._seen = None  # The old files may come back.
                self._refuse(self._title(""), error)
            return
        if version == self._seen:
            return
        try:
            model = await asyncio.to_thread(find_model, self._spec, self._root)
            # The next check retries a model that cannot be fetched, but not one that fails its
            # check.
            self._seen = model.version or (version if self._is_recorded else model.digest)
            await self._replace(model)
        except Exception as error:  # noqa: BLE001 (the old model serves on)
            self._refuse(self._title(version), error)

    def _refuse(self, name: str, error: Exception) -> None:
        refused = f"{name}: {_describe(error)}"
        if refused != self.refused:  # Log it once.
            _LOG.error("refused a newer model, the old one serves on: %s", refused)
        self.refused = refused

    async def _replace(self, model: Model) -> None:
        old = self.current
        assert old is not None
        if model.digest == old.model.digest:
            _LOG.info("serving %s, the same model as %s", _full_name(model), _full_name(old.model))
            old.rename(model)
            self.refused = None
            return
        loaded = await asyncio.to_thread(self._load, model)
        if old.keras:
            loaded.warm()
        _LOG.info("serving %s instead of %s", _full_name(model), _full_name(old.model))
        self.current = loaded
        self.refused = None
        await asyncio.to_thread(old.close)

    def _title(self, version: str) -> str:
        spec = self._spec or "the project's model"
        return f"{spec} (version {version})" if self._is_recorded else spec


def answer_row(answer: Answer, labels: Sequence[str], name: str | None = None) -> dict[str, Any]:
    """Return an answer ready for JSON, as :class:`.Prediction` in ``schemas`` describes it.

    Args:
        answer: The answer.
        labels: Classes in the order of the outputs.
        name: Name of the image.
    """
    prediction = answer.prediction
    given = prediction.probabilities
    row: dict[str, Any] = {
        "id": answer.id,
        "name": name,
        "label": prediction.label,
        "confidence": prediction.confidence,
        "sure": prediction.sure,
        "unlike": prediction.unlike,
        "probabilities": None if given is None else dict(zip(labels, given.tolist(), strict=True)),
        "reason": prediction.reason,
        "message": None if prediction.reason is None else f"{meaning(prediction.reason)}.",
    }
    if prediction.labels and prediction.sure_labels:
        row["labels"] = [
            {
                "label": label,
                "probability": row["probabilities"][label],
                "answer": has,
                "sure": prediction.sure_labels[label],
            }
            for label, has in prediction.labels.items()
        ]
    return row


def _answer_of(done: Future[Any]) -> Answer | None:
    found = None if done.exception() else done.result()
    return found if isinstance(found, Answer) else None


def _copy(path: Path, folder: Path) -> Path:
    """Copy a model to a folder, and return the path to load it from."""
    if not path.is_dir():
        return Path(shutil.copy(path, folder))
    for name in _FILES:
        if (path / name).exists():
            shutil.copy(path / name, folder)
    return folder


def _full_name(model: Model) -> str:
    return f"{model.name} {model.version or model.digest[:12]}"


def _describe(error: Exception) -> str:
    return error.message if isinstance(error, PixmillError) else repr(error)
