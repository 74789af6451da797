"""Fresh weights, drawn from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

__all__ = ["draw_anew"]


def draw_anew(model: keras.Model, seed: int) -> None:
    """Draw the kernels that Keras drew by chance from a seed instead.

    He et al. (2015), Delving deep into rectifiers: the variance is two by the numbers that each output is made of.

    Args:
        model: The model; its other weights begin with fixed values.
        seed: What is drawn from; each kernel has a state of its own.
    """
    import numpy as np
    from keras import layers

    for number, layer in enumerate(model.layers):
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            sources = kernel.shape[:-2] if isinstance(layer, layers.DepthwiseConv2D) else kernel.shape[:-1]
            drawn = np.random.default_rng([seed, number]).standard_normal(kernel.shape)
            kernel.assign((drawn * np.sqrt(2 / np.prod(sources))).astype(np.float32))
