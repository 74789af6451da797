"""A Keras model as MLflow keeps it: native, with a signature."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    from mlflow import MlflowClient

__all__ = ["log_keras_model"]


def log_keras_model(client: MlflowClient, run_id: str, model: keras.Model, name: str) -> None:
    """Record a model within a run that is kept in its state.

    Args:
        client: The store.
        run_id: The run.
        model: One float32 tensor in, one out.
        name: The model's name in the run.
    """
    import mlflow
    import mlflow.keras
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    def schema(shape: tuple[int | None, ...]) -> Schema:
        return Schema([TensorSpec(np.dtype("float32"), (-1, *shape[1:]))])

    before = client.get_run(run_id).info
    # Only the fluent functions log models, and only into the active run, which they end afterwards.
    outer, uri = os.environ.get("MLFLOW_TRACKING_URI"), client.tracking_uri
    mlflow.set_tracking_uri(uri)
    try:
        with mlflow.start_run(run_id=run_id):
            mlflow.keras.log_model(
                model,
                name=name,
                signature=ModelSignature(schema(model.input_shape), schema(model.output_shape)),
                pip_requirements=[f"{package}=={version(package)}" for package in ("keras", "tensorflow")],
            )
    finally:
        mlflow.set_tracking_uri(outer)
        client.update_run(run_id, status=before.status)
