"""Compute precision (float32, or bfloat16 in the inner layers) and a fingerprint of the machine."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pixmill.models.tensorflow import keras, tf

Precision = Literal["float32", "bfloat16"]

_SETTINGS = (
    "CUDA_VISIBLE_DEVICES",
    "MKL_",
    "NPY_DISABLE_CPU_FEATURES",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_",
    "OPENBLAS_CORETYPE",
    "TF_ENABLE_",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
)
"""Prefixes of environment variables that select implementations, which round differently."""


@contextlib.contextmanager
def computing_with(graph: keras.Model, precision: Precision) -> Iterator[None]:
    """Set the compute precision of the inner layers of a graph within the block.

    The weights stay float32, as do the layers before the first one with weights, the last one with weights, and all
    layers after it. The policies of the layers are restored afterwards, since saved files would contain them.

    Args:
        graph: The graph.
        precision: Precision of the inner layers.
    """
    weighted = [index for index, layer in enumerate(graph.layers) if layer.weights]
    inner = graph.layers[weighted[0] : weighted[-1]] if weighted and precision == "bfloat16" else []
    before = [layer.dtype_policy for layer in inner]
    try:
        for layer in inner:
            layer.dtype_policy = keras.DTypePolicy("mixed_bfloat16")
        yield
    finally:
        for layer, policy in zip(inner, before, strict=True):
            layer.dtype_policy = policy


def processor() -> str:
    """Return the CPU model and, on Linux, its instruction sets."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    # Distinct values of all cores; ARM calls the flags Features.
    facts = re.findall(r"^(?:model name|flags|Features)\s*: (.*)$", text, re.MULTILINE)
    return " ".join([platform.machine(), *dict.fromkeys(facts)])


def machine() -> str:
    """Return the models of CPU and GPUs, and the settings of the numerical libraries.

    The last bits of a sum of floats depend on them.
    """
    settings = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(_SETTINGS)]
    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    return " ".join([processor(), *(str(gpu.get("device_name")) for gpu in gpus), *settings])
