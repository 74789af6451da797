"""What is computed with: float32 throughout, or bfloat16 between the ends of a graph."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import keras

__all__ = ["Precision", "computing_with"]

Precision = Literal["float32", "bfloat16"]


@contextlib.contextmanager
def computing_with(graph: keras.Model, precision: Precision) -> Iterator[None]:
    """Let the inner layers of a graph compute with a precision while they are called in here.

    The weights are float32 all the same, and so are both ends: what comes before the first layer with weights, and the
    last one with all behind it. The layers are as before afterwards, so what is saved knows nothing of it.

    Args:
        graph: Whose layers are meant.
        precision: What the inner ones compute with.
    """
    import keras

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
