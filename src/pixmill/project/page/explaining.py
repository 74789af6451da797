"""Ask the model about one image: prediction, evidence, and similar training images."""

import asyncio
import base64
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import file_mark
from pixmill.images.compute import ServiceFullError
from pixmill.models.classifier import Prediction
from pixmill.models.inference import Answer
from pixmill.models.prediction_reasons import meaning
from pixmill.serve.http.examples import nearest_finder
from pixmill.serve.http.models import LoadedModel, Models, answer_row
from pixmill.serve.http.worker import UNEXPLAINED


class Explainer:
    """The model in ``artifacts/train``, loaded by the first question after each training.

    While a training replaces the files, and if the new model is broken, the previous one answers.

    Args:
        root: Project folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._models = Models(None, root, workers=1)
        self._mark = tuple[int, ...]()

    def answer(self, content: bytes, name: str = "") -> dict[str, Any]:
        """Return the prediction and the most similar training images, ready for JSON.

        Args:
            content: Bytes of the file.
            name: Id of the image, which is not similar to itself.

        Returns:
            The content of :func:`pixmill.serve.http.models.answer_row`, the ``threshold`` of sure
            predictions, ``explains``: whether there are heatmaps, and ``nearest`` as from
            :func:`pixmill.serve.http.examples.nearest_finder`.

        Raises:
            PixmillError: There is no model, it cannot be loaded, or too many images wait.
        """
        loaded = self._load()
        find = nearest_finder(self._root, loaded.path)
        found = _result(lambda: loaded.predict([content])[0])
        vector = _result(lambda: loaded.vector(content)) if find else None
        answer = found if isinstance(found, Answer) else Answer(None, Prediction(reason=found))
        nearest = find(vector) if find and isinstance(vector, bytes) else []
        return {
            **answer_row(answer, loaded.model.labels),
            "threshold": loaded.model.threshold,
            "explains": loaded.explains,
            "nearest": [each for each in nearest if each["id"] != name],
        }

    def heatmap(self, content: bytes, label: str) -> str:
        """Return a heatmap of the evidence for a class as a ``data:`` URI.

        Args:
            content: Bytes of the file.
            label: The class.

        Raises:
            PixmillError: There is no such class or no heatmap, or as for :meth:`answer`.
        """
        loaded = self._load()
        if label not in loaded.model.labels:
            raise PixmillError(f"the model has no class {label!r}", next="load the page again")
        found = _result(lambda: loaded.explain(content, label)) if loaded.explains else UNEXPLAINED
        if isinstance(found, bytes):
            return f"data:image/png;base64,{base64.b64encode(found).decode()}"
        why = "this model cannot show where it looked" if found == UNEXPLAINED else meaning(found)
        raise PixmillError(why, next="try another image")

    def close(self) -> None:
        """End the worker process."""
        self._models.close()

    def _load(self) -> LoadedModel:
        with self._lock:
            mark = file_mark(self._root / "artifacts" / "train")
            if self._models.current is None:
                self._models.open()
            elif mark != self._mark:
                asyncio.run(self._models.refresh())
            self._mark = mark
            assert self._models.current is not None
            return self._models.current


def _result(submit: Callable[[], Future[Any]]) -> Any:
    try:
        return submit().result()
    except ServiceFullError as error:
        raise PixmillError("the model is busy", next="try again") from error
