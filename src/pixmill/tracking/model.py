"""A model as MLflow keeps it, written to a folder: MLflow itself may be away."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.tracking.network import export_network
from pixmill.tracking.preprocessing import copy_images

if TYPE_CHECKING:
    import keras

__all__ = ["save_classifier_model", "save_keras_model"]

_SERVED = Path(__file__).with_name("served.py")


def save_keras_model(model: keras.Model, folder: Path) -> None:
    """Write a Keras model in MLflow's own form, with its signature and an example.

    Args:
        model: One float32 tensor in, one out.
        folder: Where it goes; nothing is there yet.
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
        input_example=np.full((1, *model.input_shape[1:]), 127, np.float32),
        pip_requirements=_pinned("keras", "tensorflow"),
    )


def save_classifier_model(
    model: keras.Model, labels: Sequence[str], folder: Path, *, image_size: int, aspect: str, resize: str
) -> None:
    """Write what takes the bytes of pictures, as code with its files: no pickle, and nothing of Pixmill to install.

    Args:
        model: Float32 pixels in, probabilities out.
        labels: The classes, in the order of its outputs.
        folder: Where it goes; nothing is there yet.
        image_size: Side of the square that a picture is fitted to, in pixels.
        aspect: How a picture becomes square.
        resize: The filter that it is resized with.
    """
    import mlflow.pyfunc

    described = {"labels": list(labels), "image_size": image_size, "aspect": aspect, "resize": resize}
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        made = Path(name)
        network = export_network(model, made)
        (made / "labels.json").write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        preprocessing = copy_images(made)
        mlflow.pyfunc.save_model(
            str(folder),
            python_model=str(_SERVED),
            artifacts={
                "network": str(network),
                "labels": str(made / "labels.json"),
                "preprocessing": str(preprocessing),
            },
            pip_requirements=_pinned(
                "mlflow", "numpy", "pandas", "pillow", "ai-edge-litert" if network.suffix == ".tflite" else "tensorflow"
            ),
        )
    for cache in folder.rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)


def _pinned(*packages: str) -> list[str]:
    found = []
    for package in packages:
        try:
            found.append(f"{package}=={version(package)}")
        except PackageNotFoundError:
            found.append(package)
    return found
