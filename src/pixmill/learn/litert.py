"""LiteRT: networks that run without TensorFlow, with the same bits on every x86-64-v3 processor."""

import contextlib
import importlib.util
import io
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

NETWORK = "network.tflite"
"""File name of a classifier, from pixels to logits, beside the weights that it was converted from."""

BACKBONE, HEAD = "backbone.tflite", "head.tflite"
"""File names of a classifier in two files: from pixels to features, and from features to logits."""

_THREADS = 8
"""Maximum threads; their number does not affect the outputs."""

Network = Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]]
"""Takes pixels of shape (n, side, side, 3) or features of shape (n, width); returns ``float32`` of shape (n, ...)."""


def available_cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def converted_files(folder: Path) -> tuple[str, ...]:
    """Return the names of a classifier's LiteRT files, the one with the logits first; none if Keras must run it.

    Args:
        folder: ``artifacts/train``, or a copy.
    """
    if importlib.util.find_spec("ai_edge_litert"):
        for names in ((HEAD, BACKBONE), (NETWORK,)):
            if all((folder / name).exists() for name in names):
                return names
    return ()


def load_litert(model: Path | bytes, *, rank: int = 2, threads: int | None = None) -> Network:
    """Return a network that LiteRT runs, one item at a time, so that no output depends on its batch.

    Args:
        model: The file that :func:`pixmill.learn.litert_export.convert` wrote, or its content.
        rank: Rank of the wanted output, including the batch; default: 2, a vector.
        threads: Threads per item, which do not affect the outputs; default: one per processor, at most 8.

    Raises:
        ValueError: The file is not a model, or has no such output.
    """
    from ai_edge_litert.interpreter import Interpreter

    source = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
    with quiet():
        interpreter: Any = Interpreter(**source, num_threads=threads or min(_THREADS, available_cores()))
        interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    (answer,) = (output for output in interpreter.get_output_details() if len(output["shape"]) == rank)
    lock = threading.Lock()

    def network(items: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        results = np.empty((len(items), *answer["shape"][1:]), np.float32)
        for place, item in enumerate(items):
            with lock:
                interpreter.set_tensor(given["index"], item[None].astype(np.float32))
                interpreter.invoke()
                results[place] = interpreter.get_tensor(answer["index"])[0]
        return results

    return network


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide the converter's output; C++ writes directly to the file descriptor."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as unread, contextlib.redirect_stdout(io.StringIO()):
        stderr = os.dup(2)
        os.dup2(unread.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
