"""The classifier as MLflow loads it: this file goes with the model and imports nothing of Pixmill.

``mlflow.pyfunc.load_model`` runs it, which needs no pickle for it. The model's folder holds all that it uses: the
classifier's files and the code that loads them.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd


class ImageClassifier(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Answer with a row for each image: its label, how sure that is, and the probability of each class.

    What is no whole image gets a row without a label, whose ``reason`` says why in one word; the others are answered
    all the same.
    """

    def load_context(self, context: Any) -> None:
        """Load the classifier by the code in the model's own folder."""
        module = _imported(Path(context.artifacts["code"]), "learn.classifier")
        self._classifier = module.Classifier.load(Path(context.artifacts["classifier"]))

    def predict(self, context: Any, model_input: list[bytes], params: dict[str, Any] | None = None):  # type: ignore[no-untyped-def]  # noqa: ARG002
        """Return the table of answers, in the order of the images.

        Args:
            context: MLflow's; all that matters was loaded from it before.
            model_input: The bytes of each image's file; or a table with one column of such.
            params: MLflow's; none are used.

        Returns:
            Columns ``label``, ``confidence`` (calibrated, 0 to 1), ``sure`` (whether that reaches the threshold),
            ``p_<class>`` for each class (calibrated, 0 to 1) and ``reason``.
        """
        rows = [answer.as_row(self._classifier.labels) for answer in self._classifier.predict(model_input)]
        numbers = ["confidence", *(f"p_{name}" for name in self._classifier.labels)]
        table = pd.DataFrame(rows, columns=["label", "confidence", "sure", *numbers[1:], "reason"])
        return table.astype(dict.fromkeys(numbers, "float64")).astype({"sure": "boolean"})


def _imported(folder: Path, module: str) -> Any:
    """Return a module of the package in a folder, imported under the name that its files know themselves by."""
    if str(folder.parent) not in sys.path:
        # Behind all others: it hides nothing, and nothing else has the package's name.
        sys.path.append(str(folder.parent))
    return importlib.import_module(f"{folder.name}.{module}")


mlflow.models.set_model(ImageClassifier())
