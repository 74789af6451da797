"""TensorFlow, loaded without what its libraries say of themselves."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile

__all__ = ["load_tensorflow"]


def load_tensorflow() -> None:
    """Import TensorFlow and Keras for the first time, quietly, with the settings that results rest on.

    A person's ``KERAS_BACKEND`` or ``keras.json`` (backend, float type, order of axes, epsilon) would give another
    model under the same params, or none, so they do not count here.

    While it is loaded and looks for devices, TensorFlow writes lines about oneDNN and absent GPUs straight to the file
    descriptor of standard error, whatever its own settings say. They are kept, and shown where the import fails.
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
