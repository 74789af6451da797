"""A network for LiteRT: one file that runs without TensorFlow."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import keras

__all__ = ["LITERT", "TOLERANCE", "Network", "export_litert", "load_litert"]

LITERT = "network.tflite"
"""File name, beside the weights that it was converted from."""

TOLERANCE = 1e-4
"""Maximum difference of a probability from Keras'."""

_THREADS = 4
"""Maximum threads; their number does not affect predictions."""

Network = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
"""Takes ``uint8`` pixels of shape (n, side, side, 3); returns probabilities of shape (n, classes)."""


def export_litert(model: keras.Model, folder: Path) -> Path | None:
    """Convert a network to LiteRT and return its file, or ``None`` if Keras must run it.

    LiteRT loads within a fraction of a second and needs no TensorFlow. It is used if the graph can be converted, the
    runtime is installed, and its predictions match Keras'; otherwise a warning says why not.

    Args:
        model: Float32 pixels in, probabilities out.
        folder: The folder that :func:`pixmill.learn.save_classifier` wrote.
    """
    target, temporary = folder / LITERT, folder / f".part-{LITERT}"
    # Converters raise all kinds of exceptions; the weights remain in any case.
    try:
        with _quiet():
            model.export(str(temporary), format="litert", verbose=False)
        if _agrees(model, load_litert(temporary)):
            temporary.rename(target)
            return target
        reason = "its predictions differ from Keras'"
    except Exception as error:  # noqa: BLE001 (as above)
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    temporary.unlink(missing_ok=True)
    sys.stderr.write(f"warning: the model could not be converted to LiteRT, so inference needs TensorFlow ({reason})\n")
    return None


def load_litert(path: Path) -> Network:
    """Return a network that LiteRT runs, one image at a time, so that no prediction depends on its batch.

    Args:
        path: The file that :func:`export_litert` wrote.

    Raises:
        ValueError: The file is not a model.
    """
    from ai_edge_litert.interpreter import Interpreter

    with _quiet():
        interpreter: Any = Interpreter(str(path), num_threads=min(_THREADS, os.cpu_count() or 1))
        interpreter.allocate_tensors()
    (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    lock = threading.Lock()

    def network(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        probabilities = np.empty((len(pixels), answer["shape"][-1]), np.float32)
        for place, image in enumerate(pixels):
            with lock:
                interpreter.set_tensor(given["index"], image[None].astype(np.float32))
                interpreter.invoke()
                probabilities[place] = interpreter.get_tensor(answer["index"])[0]
        return probabilities

    return network


def _agrees(model: keras.Model, network: Network) -> bool:
    generator = np.random.default_rng(0)
    shape = (3, *model.input_shape[1:])
    pixels = (generator.random(shape) * np.array([0, 64, 255])[:, None, None, None]).astype(np.uint8)
    return np.allclose(network(pixels), np.asarray(model(pixels.astype(np.float32))), rtol=0, atol=TOLERANCE)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
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
