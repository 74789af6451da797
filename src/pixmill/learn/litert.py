"""A network for LiteRT: one file that runs without the library that trained it."""

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
"""The file's name beside the weights that it was converted from."""

TOLERANCE = 1e-4
"""How far a probability may be from Keras' own."""

_THREADS = 4
"""Threads at most; how many there are changes no answer."""

Network = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
"""Takes ``uint8`` pixels of shape (n, side, side, 3); returns probabilities of shape (n, classes)."""


def export_litert(model: keras.Model, folder: Path) -> Path | None:
    """Convert a network for LiteRT and return its file, or ``None`` where Keras must run it.

    LiteRT loads within a fraction of a second and needs no TensorFlow. It is used where the graph can be converted, its
    runtime is installed, and it answers as Keras does; otherwise a warning says why not.

    Args:
        model: Float32 pixels in, probabilities out.
        folder: Where :func:`pixmill.learn.save_classifier` put the weights.
    """
    target, temporary = folder / LITERT, folder / f".part-{LITERT}"
    # Converters raise whatever they like; the weights remain in any case.
    try:
        with _quiet():
            model.export(str(temporary), format="litert", verbose=False)
        if _agrees(model, load_litert(temporary)):
            temporary.rename(target)
            return target
        reason = "it answers otherwise than Keras does"
    except Exception as error:  # noqa: BLE001 (as above)
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    temporary.unlink(missing_ok=True)
    sys.stderr.write(f"warning: the model needs TensorFlow: it could not be converted for LiteRT ({reason})\n")
    return None


def load_litert(path: Path) -> Network:
    """Return a network that LiteRT runs, one image at a time, so that no answer depends on what else is asked.

    Args:
        path: What :func:`export_litert` wrote.

    Raises:
        ValueError: The file is no model.
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
    """Keep what the converter says of its steps from the terminal; C++ writes past Python to the descriptor."""
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
