"""TensorFlow and Keras, imported on first use, since their import takes seconds."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from pixmill.core.process.progress import begin
from pixmill.models.litert import quiet

__all__ = ["keras", "load_tensorflow", "tf"]

if TYPE_CHECKING:
    import keras
    import tensorflow as tf
else:

    class _LazyModule:
        """Import a module on the first access to one of its names."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):  # Tools that inspect modules, such as doctest.
                raise AttributeError(name)
            load_tensorflow()
            return getattr(importlib.import_module(self._name), name)

    keras = _LazyModule("keras")
    tf = _LazyModule("tensorflow")


def load_tensorflow() -> None:
    """Import TensorFlow and Keras quietly, with the settings that results depend on.

    ``KERAS_BACKEND`` and ``keras.json`` (backend, float type, order of axes, epsilon) are ignored,
    since they would change the model.

    TensorFlow writes lines about oneDNN and missing GPUs to the file descriptor of standard error;
    they are hidden.
    """
    if "tensorflow" in sys.modules:
        return
    begin("Load the neural network library")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with quiet():
        import keras
        import tensorflow as tf

        tf.config.list_physical_devices()
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_epsilon(1e-7)
