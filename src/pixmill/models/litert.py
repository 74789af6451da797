"""LiteRT: inference without TensorFlow, bit-identical on every x86-64-v3 processor."""

import contextlib
import io
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

NETWORK = "network.tflite"
"""File name of a classifier from pixels to logits."""

BACKBONE = "backbone.tflite"
HEAD = "head.tflite"
"""File names of a classifier in two files: from pixels to features, and from features to logits."""

FEATURES = "features"
MAP = "map_"
"""Output names of a backbone: the features, and the feature maps whose averages they are.

The name of a map ends with
the index of its first feature.
"""

LOGITS = "logits"
PROBABILITIES = "probabilities"
NOVELTY = "novelty"
"""Output names of a classifier.

An exported classifier has calibrated probabilities instead of logits.
"""

_MAX_THREADS = 8
"""Maximum number of threads by default; it does not affect the outputs."""

Floats = npt.NDArray[np.float32]
Items = npt.NDArray[Any]

Network = Callable[[Items], Floats]
"""Takes pixels of shape (n, side, side, 3) or features of shape (n, width).

Returns ``float32`` of shape (n, ...).
"""

Outputs = Callable[[Items, Sequence[str]], dict[str, Floats]]
"""Takes items and names of outputs; returns these outputs by name, each of shape (n, ...)."""

Scorer = Callable[[Items], tuple[Floats, Floats]]
"""Like a network, but also returns the novelty of each item, of shape (n,)."""

Maps = dict[int, Floats]
"""Feature maps of shape (n, height, width, channels), by the index of their first feature."""


def available_cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def converted_files(folder: Path) -> tuple[str, ...]:
    """Return the names of a classifier's LiteRT files, the file with the logits first.

    Empty if they are missing.

    Args:
        folder: ``artifacts/train``, or a copy of it.
    """
    for names in ((HEAD, BACKBONE), (NETWORK,)):
        if all((folder / name).exists() for name in names):
            return names
    return ()


def load_litert(model: Path | bytes, *, threads: int | None = None) -> Network:
    """Return a network that LiteRT runs item by item, so outputs do not depend on the batch.

    Args:
        model: File that :func:`pixmill.models.litert_export.convert` wrote, or its content. If it
            has several outputs, the network returns the features, the logits or the probabilities.
        threads: Threads per item, which do not affect the outputs. Default: one per processor, at
            most 8.

    Raises:
        ValueError: The file is not a model, or its main output is unknown.
    """
    return load_scorer(model, threads=threads)[0]


def load_scorer(
    model: Path | bytes, *, threads: int | None = None
) -> tuple[Network, Scorer | None]:
    """Return the same as :func:`load_litert`, and the novelty scorer, if any.

    Args:
        model: As for :func:`load_litert`.
        threads: As for :func:`load_litert`.

    Raises:
        ValueError: The file is not a model, or its main output is unknown.
    """
    outputs, names = load_outputs(model, threads=threads)
    name = main_output(names)

    def score(items: Items) -> tuple[Floats, Floats]:
        found = outputs(items, [name, NOVELTY])
        return found[name], found[NOVELTY][:, 0]

    return (lambda items: outputs(items, [name])[name]), score if NOVELTY in names else None


def main_output(names: Sequence[str]) -> str:
    """Return the name of the main output of a network.

    Raises:
        ValueError: Several outputs, or none, are candidates.
    """
    if len(names) == 1:
        return names[0]
    candidates = [name for name in names if name in (FEATURES, LOGITS, PROBABILITIES)]
    if len(candidates) != 1:
        raise ValueError(f"expected features, logits or probabilities, received {', '.join(names)}")
    return candidates[0]


def load_maps(model: Path | bytes) -> Callable[[Items], Maps]:
    """Return a network that returns the feature maps of a backbone that are larger than one pixel.

    Args:
        model: File of a backbone, or its content.

    Raises:
        ValueError: The file is not a model.
    """
    network, names = load_outputs(model)
    named = {int(name.removeprefix(MAP)): name for name in names if name.startswith(MAP)}

    def maps(items: Items) -> Maps:
        outputs = network(items, list(named.values()))
        found = {start: outputs[name] for start, name in sorted(named.items())}
        return {start: values for start, values in found.items() if values.shape[1:3] != (1, 1)}

    return maps


def load_outputs(model: Path | bytes, *, threads: int | None = None) -> tuple[Outputs, list[str]]:
    """Return a network that takes items and names of outputs, and the names of all its outputs.

    Args:
        model: File of a network, or its content.
        threads: As for :func:`load_litert`.

    Raises:
        ValueError: The file is not a model.
    """
    from ai_edge_litert.interpreter import Interpreter

    source = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
    with quiet():
        interpreter: Any = Interpreter(
            **source, num_threads=threads or min(_MAX_THREADS, available_cores())
        )
        interpreter.allocate_tensors()
    (details,) = interpreter.get_input_details()
    outputs = interpreter.get_signature_runner().get_output_details()
    lock = threading.Lock()

    def network(items: Items, names: Sequence[str]) -> dict[str, Floats]:
        # Some networks know the shapes of their outputs only after they ran.
        results: dict[str, list[Floats]] = {name: [] for name in names}
        for item in items:
            with lock:
                interpreter.set_tensor(details["index"], item[None].astype(np.float32))
                interpreter.invoke()
                for name, values in results.items():
                    values.append(interpreter.get_tensor(outputs[name]["index"])[0])
        return {
            name: np.array(values or np.empty((0, *outputs[name]["shape"][1:]), np.float32))
            for name, values in results.items()
        }

    return network, list(outputs)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide what the C++ code of TensorFlow and LiteRT writes to the file descriptor."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as unused, contextlib.redirect_stdout(io.StringIO()):
        stderr = os.dup(2)
        os.dup2(unused.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
