"""Models in MLflow's format, written to a folder, so that no MLflow server is needed."""

from __future__ import annotations

import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.models.mlflow_format.standalone import copy_standalone
from pixmill.models.model_folder import classifier_files, keras_packages

if TYPE_CHECKING:
    import keras

_SERVED = Path(__file__).with_name("served.py")


def save_keras_model(model: keras.Model, folder: Path) -> None:
    """Write a Keras model in MLflow's format, with its signature.

    Args:
        model: One float32 tensor in, one out.
        folder: The target folder, which does not exist yet.
    """
    import mlflow.keras
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    def schema(shape: tuple[int | None, ...]) -> Schema:
        return Schema([TensorSpec(np.dtype("float32"), (-1, *shape[1:]))])

    folder.mkdir(exist_ok=True)
    mlflow.keras.save_model(
        model,
        str(folder),
        signature=ModelSignature(schema(model.input_shape), schema(model.output_shape)),
        pip_requirements=_pin(*keras_packages(model.to_json())),
    )


def save_classifier_model(classifier: Path, folder: Path) -> None:
    """Write a pyfunc model that takes the bytes of images, as code and files: no pickle, and no Pixmill to install.

    Args:
        classifier: ``artifacts/train``, or a copy.
        folder: The target folder, which does not exist yet.
    """
    import mlflow.pyfunc

    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        temporary = Path(name)
        (temporary / "classifier").mkdir()
        for file in classifier_files(classifier):
            shutil.copyfile(classifier / file, temporary / "classifier" / file)
        code = copy_standalone("pixmill.models.classifier", temporary)
        mlflow.pyfunc.save_model(
            str(folder),
            python_model=str(_SERVED),
            artifacts={"classifier": str(temporary / "classifier"), "code": str(code)},
            pip_requirements=_pin("mlflow", "numpy", "pandas", "pillow", "ai-edge-litert"),
        )
    for cache in folder.rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)


def _pin(*packages: str) -> list[str]:
    return [f"{package}=={version(package)}" for package in packages]
