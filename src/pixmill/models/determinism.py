"""Reproducible TensorFlow: threads, seeds, precision, and a fingerprint of the machine."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

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


def first_line(error: Exception) -> str:
    """Return the first line of an exception's message, or its repr if the message is empty."""
    return (str(error).strip() or repr(error)).splitlines()[0]


def fix_threads(threads: int) -> None:
    """Fix the number of threads and the order of operations in TensorFlow and NumPy.

    The sum of floats depends on the summation order, which depends on the number of threads. Call
    this function before the first computation: TensorFlow does not accept another number
    afterwards.

    SciPy and scikit-learn bring their own libraries, whose threads callers must limit themselves.

    Args:
        threads: Number of threads within and between operations.

    Raises:
        RuntimeError: TensorFlow has already computed with another number (a bug in the caller).
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
    # With op determinism, TensorFlow requires a global seed even for seeded random operations.
    tf.random.set_seed(0)
    # Imported last: without the extra `pipeline`, the message names Keras.
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)


def reseed(model: keras.Model | Iterable[keras.Variable], *, seed: int, epoch: int) -> None:
    """Set the state of every random layer from seed and epoch.

    Weights files do not contain these states; a resumed training restores them with this function.

    Args:
        model: The training graph, or variables that include such states, in a fixed order.
        seed: The seed of the run.
        epoch: Number of the epoch, from 1.
    """
    variables = getattr(model, "variables", model)
    states = [variable for variable in variables if variable.path.endswith("seed_generator_state")]
    for index, state in enumerate(states):
        state.assign(np.random.SeedSequence([seed, epoch, index]).generate_state(2))


def derived_seed(seed: int, number: int) -> int:
    """Return the seed of one of several draws; different seeds share no draws.

    >>> derived_seed(7, 0), derived_seed(7, 1), derived_seed(8, 0)
    (2083679832, 369571992, 765685289)

    Args:
        seed: The seed of the run.
        number: Index of the draw, such as the number of a layer.
    """
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


@contextlib.contextmanager
def computing_with(graph: keras.Model, precision: Precision) -> Iterator[None]:
    """Set the compute precision of the inner layers of a graph within the block.

    The weights stay float32, as do the layers before the first one with weights, the last one with
    weights, and all layers after it. The policies of the layers are restored afterwards, since
    saved files would contain them.

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
    settings = [
        f"{name}={value}"
        for name, value in sorted(os.environ.items())
        if name.startswith(_SETTINGS)
    ]
    gpus = [
        tf.config.experimental.get_device_details(gpu)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return " ".join([processor(), *(str(gpu.get("device_name")) for gpu in gpus), *settings])
