"""TensorFlow and Keras, loaded when one of their names is first used: importing them takes seconds."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from pixmill.models.litert import quiet

__all__ = ["keras", "load_tensorflow", "tf"]

if TYPE_CHECKING:
    import keras
    import tensorflow as tf
else:

    class _LazyModule:
        """Stand for a module until one of its names is used."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):  # Asked by what inspects modules, such as doctest.
                raise AttributeError(name)
            load_tensorflow()
            return getattr(importlib.import_module(self._name), name)

    keras, tf = _LazyModule("keras"), _LazyModule("tensorflow")


def load_tensorflow() -> None:
    """Import TensorFlow and Keras for the first time, quietly, with the settings that results depend on.

    Your ``KERAS_BACKEND`` or ``keras.json`` (backend, float type, order of axes, epsilon) is ignored, since it would
    give another model under the same params, or none.

    While TensorFlow loads and looks for devices, it writes lines about oneDNN and absent GPUs directly to the file
    descriptor of standard error, whatever its settings. They are hidden.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with quiet():
        import keras
        import tensorflow as tf

        tf.config.list_physical_devices()
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_epsilon(1e-7)
