"""What features depend on of the machine: its processors and what is set for them."""

from __future__ import annotations

import os

from pixmill.models.processor import processor

__all__ = ["machine"]

_SETTINGS = ("ONEDNN_MAX_CPU_ISA", "TF_ENABLE_ONEDNN_OPTS")


def machine() -> str:
    """Return the kind of processor and of accelerators, and the settings of the libraries that compute with them.

    The last bits of a sum of floats follow from the instructions that it is made with.
    """
    import tensorflow as tf

    devices = [
        str(tf.config.experimental.get_device_details(device).get("device_name"))
        for device in tf.config.list_physical_devices("GPU")
    ]
    settings = [f"{name}={os.environ.get(name, '')}" for name in _SETTINGS]
    return " ".join([processor(), *devices, *settings])
