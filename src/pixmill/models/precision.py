"""The compute precision, float32 or bfloat16 in the inner layers, and the machine."""

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
"""Environment variables that choose between implementations, which round differently."""


@contextlib.contextmanager
def computing_with(graph: keras.Model, precision: Precision) -> Iterator[None]:
    """Let the inner layers of a graph compute in a precision inside this block.

    The weights stay float32, and so do both ends: everything before the first layer with weights, and everything from
    the last one on. The layers' policies are restored afterwards, so saved files are not affected.

    Args:
        graph: The graph.
        precision: Precision of its inner layers.
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
    """Return the CPU model and its instruction sets, as far as Linux reports them."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    # Of all distinct cores; ARM calls the flags Features.
    facts = re.findall(r"^(?:model name|flags|Features)\s*: (.*)$", text, re.MULTILINE)
    return " ".join([platform.machine(), *dict.fromkeys(facts)])


def machine() -> str:
    """Return the models of CPU and GPUs, and the settings of the numerical libraries.

    The last bits of a sum of floats depend on them.
    """
    settings = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(_SETTINGS)]
    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    return " ".join([processor(), *(str(gpu.get("device_name")) for gpu in gpus), *settings])
