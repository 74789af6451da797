"""A classifier of pictures' bytes, as MLflow loads it: this file goes with the model and imports nothing of Pixmill.

It is run by ``mlflow.pyfunc.load_model``, which needs no pickle for it. The model's folder holds all that it uses: the
network, the labels, and the code that decodes pictures and fits them to a square.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import numpy as np
import numpy.typing as npt
import pandas as pd

Predict = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]


class PictureClassifier(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Answer with a row for each picture: its label, how sure that is, and the probability of each class.

    What is no whole picture gets a row without a label, whose ``error`` says why in one word; the others are answered
    all the same.
    """

    def load_context(self, context: Any) -> None:
        """Load the network, the labels and the preprocessing from the model's own folder."""
        described = json.loads(Path(context.artifacts["labels"]).read_text(encoding="utf-8"))
        self._labels: list[str] = described["labels"]
        self._fitting = described["image_size"], described["aspect"], described["resize"]
        self._images = _package(Path(context.artifacts["preprocessing"]))
        network = Path(context.artifacts["network"])
        self._predict = _litert(network) if network.suffix == ".tflite" else _keras(network)
        self._lock = threading.Lock()

    def predict(self, context: Any, model_input: list[bytes], params: dict[str, Any] | None = None):  # type: ignore[no-untyped-def]  # noqa: ARG002
        """Return the table of answers, in the order of the pictures.

        Args:
            context: MLflow's; all that matters was loaded from it before.
            model_input: The bytes of each picture's file; or a table with one column of such.
            params: MLflow's; none are used.

        Returns:
            Columns ``label``, ``confidence`` (0 to 1), ``p_<class>`` for each class (0 to 1) and ``error``.
        """
        return pd.DataFrame(
            [self._row(content) for content in model_input],
            columns=["label", "confidence", *(f"p_{label}" for label in self._labels), "error"],
        )

    def _row(self, content: bytes) -> list[Any]:
        try:
            pixels = self._images.fit(self._images.decode(bytes(content)).pixels, *self._fitting)
        except self._images.Undecodable as error:
            return [None, np.nan, *[np.nan] * len(self._labels), error.reason]
        except MemoryError:
            return [None, np.nan, *[np.nan] * len(self._labels), "too_many_pixels"]
        with self._lock:
            # One at a time: an answer does not depend on what else was asked.
            probabilities = self._predict(pixels)
        best = int(probabilities.argmax())
        return [self._labels[best], float(probabilities[best]), *map(float, probabilities), None]


def _litert(path: Path) -> Predict:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def predict(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        interpreter.set_tensor(given, pixels[None].astype(np.float32))
        interpreter.invoke()
        probabilities: npt.NDArray[np.float32] = interpreter.get_tensor(answer)[0]
        return probabilities

    return predict


def _keras(path: Path) -> Predict:
    import keras

    model = keras.saving.load_model(path, compile=False, safe_mode=True)

    def predict(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        probabilities: npt.NDArray[np.float32] = np.asarray(model(pixels[None].astype(np.float32), training=False))[0]
        return probabilities

    return predict


def _package(folder: Path) -> ModuleType:
    """Return the package in a folder, imported under the name that its files know themselves by."""
    name = folder.name
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"the model lacks its preprocessing: {folder}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


mlflow.models.set_model(PictureClassifier())
