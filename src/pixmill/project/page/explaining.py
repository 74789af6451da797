"""Ask the model about one image: prediction, evidence, and similar training images."""

import base64
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.images.compute import ServiceFullError
from pixmill.models.classifier import Prediction
from pixmill.models.inference import Answer
from pixmill.models.prediction_reasons import meaning
from pixmill.project.page.last_results import find_kept
from pixmill.serve.http.examples import nearest_finder
from pixmill.serve.http.models import LoadedModel, answer_row
from pixmill.serve.http.worker import UNEXPLAINED
from pixmill.serve.predict.model import TRAINED, Model, current_version, find_model
from pixmill.tracking.model_versions import Registry


@dataclass(frozen=True)
class _Choice:
    """A model that answers.

    Args:
        named: The result of :func:`name_model` for it.
        title: Which one it is in words.
        loaded: The loaded model.
        fault: Why no newer one answers; empty if none should.
    """

    named: tuple[str | None, str, str]
    title: str
    loaded: LoadedModel
    fault: str = ""


class Explainer:
    """The models that answer: the default one, and the project's own, which was trained last.

    Each is loaded by the first question after a training or promotion; equal ones are loaded once.
    While a training replaces the files, and if the new model is broken, the previous one answers,
    with a word on that.

    Args:
        root: Project folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._choices: dict[bool, _Choice] = {}

    def answer(self, content: bytes, name: str = "", *, own: bool = False) -> dict[str, Any]:
        """Return the prediction and the most similar training images, ready for JSON.

        Args:
            content: Bytes of the file.
            name: Id of the image, which is not similar to itself.
            own: Whether the model that was trained last answers, not the default one.

        Returns:
            The content of :func:`pixmill.serve.http.models.answer_row`, ``model``: which one it is
            in words, the ``threshold`` of sure predictions, ``explains``: whether there are
            heatmaps, and ``nearest`` as from :func:`pixmill.serve.http.examples.nearest_finder`.

        Raises:
            PixmillError: There is no model, it cannot be loaded, or too many images wait.
        """
        choice = self._choose(own)
        loaded = choice.loaded
        find = nearest_finder(self._root, loaded.path, loaded.model)
        found = _result(lambda: loaded.predict([content])[0])
        vector = _result(lambda: loaded.vector(content)) if find else None
        answer = found if isinstance(found, Answer) else Answer(None, Prediction(reason=found))
        nearest = find(vector) if find and isinstance(vector, bytes) else []
        return {
            **answer_row(answer, loaded.model.labels),
            "model": choice.title + (f", since {choice.fault}" if choice.fault else ""),
            "threshold": loaded.model.threshold,
            "explains": loaded.explains,
            "nearest": [each for each in nearest if each["id"] != name],
        }

    def heatmap(self, content: bytes, label: str, *, own: bool = False) -> str:
        """Return a heatmap of the evidence for a class as a ``data:`` URI.

        Args:
            content: Bytes of the file.
            label: The class.
            own: As for :meth:`answer`.

        Raises:
            PixmillError: There is no such class or no heatmap, or as for :meth:`answer`.
        """
        loaded = self._choose(own).loaded
        if label not in loaded.model.labels:
            raise PixmillError(f"the model has no class {label!r}", next="load the page again")
        found = _result(lambda: loaded.explain(content, label)) if loaded.explains else UNEXPLAINED
        if isinstance(found, bytes):
            return f"data:image/png;base64,{base64.b64encode(found).decode()}"
        why = "this model cannot show where it looked" if found == UNEXPLAINED else meaning(found)
        raise PixmillError(why, next="try another image")

    def close(self) -> None:
        """End the worker processes."""
        for choice in self._choices.values():
            choice.loaded.close()

    def _choose(self, own: bool) -> _Choice:
        with self._lock:
            former = self._choices.get(own)
            try:
                named = name_model(self._root, own=own)
                (spec, _, fault) = named
                # While MLflow does not respond, the model in production goes on answering.
                is_away = former is not None and former.named[0] is None and fault
                if former is None or not (former.named == named or is_away):
                    model = find_model(spec, self._root)
                    title = model.title if spec is None else "the model that was trained last"
                    self._choices[own] = _Choice(named, title, self._load(model), fault)
                else:
                    self._choices[own] = replace(former, fault="" if is_away else fault)
            except (PixmillError, OSError) as error:
                if former is None:
                    raise
                self._choices[own] = replace(former, fault=str(error))
            if former and all(each.loaded != former.loaded for each in self._choices.values()):
                former.loaded.close()
            return self._choices[own]

    def _load(self, model: Model) -> LoadedModel:
        loaded = (each.loaded for each in self._choices.values())
        same = (each for each in loaded if each.model.digest == model.digest)
        return next(same, None) or LoadedModel(model, workers=1)


def name_model(root: Path, *, own: bool = False) -> tuple[str | None, str, str]:
    """Return which model answers on the page: its name for ``find_model``, its version, a fault.

    The name is ``None`` for the model in production. While MLflow does not respond, that is the
    fault, and the model that was trained last answers; otherwise the fault is empty. While a run
    replaces that model, the one before it answers.

    Args:
        root: Project folder.
        own: Whether to take the model that was trained last; default: the default one.

    Raises:
        PixmillError: There is no model.
    """
    fault = ""
    if not own:
        try:
            number = Registry(Workspace(root, root)).champion()
        except PixmillError as error:
            fault = error.message
        else:
            if number is not None:
                return None, str(number), ""
    is_here = (root / TRAINED / "labels.json").exists()
    place = None if is_here else find_kept(root)
    spec = str((place or root) / TRAINED)
    return spec, current_version(spec, root), fault


def _result(submit: Callable[[], Future[Any]]) -> Any:
    try:
        return submit().result()
    except ServiceFullError as error:
        raise PixmillError("the model is busy", next="try again") from error
