"""A network as one file that runs without the library that trained it, if it can be had."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

__all__ = ["TOLERANCE", "export_network"]

TOLERANCE = 1e-4
"""How far a probability may be from Keras' own."""


def export_network(model: keras.Model, folder: Path) -> Path:
    """Write the network and return its file: ``network.tflite``, or ``network.keras`` where that cannot be.

    LiteRT loads within a fraction of a second and needs no TensorFlow. It is taken where the graph can be converted,
    its runtime is installed, and it answers as Keras does; otherwise a line says why not.

    Args:
        model: Float32 pixels in, probabilities out.
        folder: Where it goes.
    """
    target = folder / "network.tflite"
    # Converters raise what they like; whatever it is, Keras' own file remains.
    try:
        with _silence():
            model.export(str(target), format="litert", verbose=False)
            agrees = _agrees(model, target)
    except Exception as error:  # noqa: BLE001 (as above)
        why = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    else:
        if agrees:
            return target
        why = "it answers otherwise than Keras does"
    sys.stderr.write(
        f"warning: the classifier in MLflow needs TensorFlow: it could not be converted for LiteRT ({why})\n"
    )
    target.unlink(missing_ok=True)
    target = folder / "network.keras"
    model.save(target)
    return target


def _agrees(model: keras.Model, path: Path) -> bool:
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    generator = np.random.default_rng(0)
    for scale in (0, 64, 255):
        pixels = (generator.random((1, *model.input_shape[1:])) * scale).astype(np.float32)
        interpreter.set_tensor(given, pixels)
        interpreter.invoke()
        if not np.allclose(interpreter.get_tensor(answer), np.asarray(model(pixels)), rtol=0, atol=TOLERANCE):
            return False
    return True


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep what the converter says of its steps from the terminal; C++ writes past Python to the descriptor."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as heard, contextlib.redirect_stdout(io.StringIO()):
        aside = os.dup(2)
        os.dup2(heard.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(aside, 2)
            os.close(aside)
