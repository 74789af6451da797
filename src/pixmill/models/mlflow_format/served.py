"""The MLflow model of the classifier.

This file is packaged with the model and does not import Pixmill.

``mlflow.pyfunc.load_model`` runs it without pickle. The folder of the model contains the files of
the classifier and the code that loads them.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd


class ImageClassifier(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Predict one row per image: label, confidence, and the probability of each class.

    An input that is not an intact image gets a row without a label and with a ``reason`` of one
    word.
    """

    def load_context(self, context: Any) -> None:
        """Load the classifier with the code in the model's folder."""
        module = _import_copy(Path(context.artifacts["code"]))
        self._classifier = module.Classifier.load(Path(context.artifacts["classifier"]))

    def predict(self, context: Any, model_input: list[bytes], params: dict[str, Any] | None = None):  # type: ignore[no-untyped-def]  # noqa: ARG002
        """Return the table of predictions, in the order of the images.

        Args:
            context: MLflow's context; not used.
            model_input: Bytes of each image file, or a table with one such column.
            params: MLflow's params; not used.

        Returns:
            Columns ``label``, ``confidence`` (calibrated, 0 to 1), ``sure`` (whether it reaches the
            threshold), ``unlike`` (whether the image is unlike the training images), ``p_<class>``
            for each class (calibrated, 0 to 1) and ``reason``. Of several labels, ``label`` lists
            those that the image has, separated by ``;``, and ``yes_<label>`` and ``sure_<label>``
            are before ``reason``.
        """
        labels = self._classifier.labels
        rows = [prediction.as_row(labels) for prediction in self._classifier.predict(model_input)]
        numbers = ["confidence", *(f"p_{name}" for name in labels)]
        flags = self._classifier.head.flags(labels)
        table = pd.DataFrame(
            rows, columns=["label", "confidence", "sure", "unlike", *numbers[1:], *flags, "reason"]
        )
        return table.astype(dict.fromkeys(numbers, "float64")).astype(
            dict.fromkeys(["sure", "unlike", *flags], "boolean")
        )


def _import_copy(folder: Path) -> Any:
    """Import the module of the classifier in the package in a folder."""
    if str(folder.parent) not in sys.path:
        # Last on the path, to shadow nothing; the package name is unique.
        sys.path.append(str(folder.parent))
    return importlib.import_module(f"{folder.name}.models.classifier")


mlflow.models.set_model(ImageClassifier())
