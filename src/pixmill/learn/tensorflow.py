"""TensorFlow and Keras, loaded when one of their names is first used: importing them takes seconds."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, Any

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
    descriptor of standard error, whatever its settings. They are captured, and shown only if the import fails.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ["KERAS_BACKEND"] = "tensorflow"
    sys.stderr.flush()
    with tempfile.TemporaryFile() as heard:
        stderr = os.dup(2)
        os.dup2(heard.fileno(), 2)
        try:
            import keras
            import tensorflow as tf

            tf.config.list_physical_devices()
        except Exception:
            heard.seek(0)
            with os.fdopen(os.dup(stderr), "wb") as screen:
                shutil.copyfileobj(heard, screen)
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_epsilon(1e-7)
