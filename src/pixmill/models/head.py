"""The last layers of a network: dense layers and the end, whose outputs are probabilities."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pixmill.params import DenseParams

if TYPE_CHECKING:
    import keras

__all__ = ["PROBABILITIES", "SCORES", "Draw", "dense_layers", "end_layers"]

PROBABILITIES, SCORES = "probabilities", "scores"
"""Names of the layers that end every classifier: what is used, and what was fitted where that is something else."""


class Draw:
    """Give each layer first weights of its own, all of which follow from one seed.

    Uniform with a variance by the layer's inputs and outputs (Glorot and Bengio 2010).

    Args:
        seed: What all of them are drawn from.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._drawn = itertools.count()

    def __call__(self) -> keras.initializers.Initializer:
        """Return the next layer's initializer."""
        import keras

        return keras.initializers.GlorotUniform(seed=self.seed + next(self._drawn))


def dense_layers(
    x: keras.KerasTensor, dense: Iterable[DenseParams], draw: Draw, *, prefix: str = ""
) -> keras.KerasTensor:
    """Return vectors behind dense layers, each with ReLU and perhaps dropout.

    Args:
        x: Vectors, of shape (n, features).
        dense: The layers.
        draw: Gives the first weights.
        prefix: What the layers' names begin with; default: nothing.
    """
    from keras import layers

    for index, layer in enumerate(dense):
        name = f"{prefix}dense_{index}"
        x = layers.Dense(layer.units, activation="relu", kernel_initializer=draw(), name=name)(x)
        if layer.dropout:
            x = layers.Dropout(layer.dropout, seed=draw.seed, name=f"{name}_dropout")(x)
    return x


def end_layers(x: keras.KerasTensor, end: str, draw: Draw, *, labels: int) -> keras.KerasTensor:
    """Return probabilities, in float32 whatever the precision of the rest.

    A sigmoid end answers yes or no for each class by itself. In use its answers are scaled to sum to one, as the
    softmax of their logarithms: the same number, and one too where all answers are too close to zero for a float.

    Args:
        x: Vectors, of shape (n, features).
        end: ``softmax``, ``sigmoid`` or ``logits``.
        draw: Gives the first weights.
        labels: How many classes there are.
    """
    from keras import layers

    softmax = end == "softmax"
    x = layers.Dense(
        labels,
        activation="softmax" if softmax else None,
        kernel_initializer=draw(),
        dtype="float32",
        name=PROBABILITIES if softmax else SCORES,
    )(x)
    if end == "sigmoid":
        x = layers.Activation("log_sigmoid", dtype="float32", name="log_sigmoid")(x)
    return x if softmax else layers.Activation("softmax", dtype="float32", name=PROBABILITIES)(x)
