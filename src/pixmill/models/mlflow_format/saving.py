"""Models in MLflow's format, written to a folder without an MLflow server."""

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
        model: Takes one float32 tensor and returns one.
        folder: Target folder, which must not exist.
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
    """Write a pyfunc model that takes the bytes of images, without pickles and without Pixmill as a requirement.

    Args:
        classifier: ``artifacts/train``, or a copy of it.
        folder: Target folder, which must not exist.
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
