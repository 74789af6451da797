"""A plain convolutional network, described by params."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.errors import TrainError
from pixmill.models.head import Draw, dense_layers, end_layers
from pixmill.params import BlockParams, CnnParams

if TYPE_CHECKING:
    import keras

__all__ = ["build_cnn"]

_RESCALINGS = {"unit": (1 / 255, 0.0), "symmetric": (1 / 127.5, -1.0)}
"""Factor and summand; ``none`` has no layer."""


def build_cnn(params: CnnParams, *, labels: int, image_size: int, seed: int) -> keras.Model:
    """Return blocks of convolutions, joined by dense layers to probabilities.

    Args:
        params: The layers.
        labels: How many classes there are.
        image_size: Side of the pictures in pixels.
        seed: What the first weights are drawn from.

    Raises:
        TrainError: The pictures are too small for so many layers.
    """
    _require_room(params, image_size)
    import keras
    from keras import layers

    draw = Draw(seed)
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    x = pixels
    if params.channels == 1:
        # Weighted as in ITU-R BT.601; an operation, since no layer of Keras does only this.
        x = keras.ops.image.rgb_to_grayscale(x)
    if params.rescaling in _RESCALINGS:
        scale, offset = _RESCALINGS[params.rescaling]
        x = layers.Rescaling(scale, offset, name="rescaling")(x)
    for index, block in enumerate(params.blocks):
        x = _block(x, block, draw, f"block_{index}")
    join = layers.Flatten(name="flatten") if params.head == "flatten" else layers.GlobalAveragePooling2D(name="average")
    x = dense_layers(join(x), params.dense, draw)
    model = keras.Model(pixels, end_layers(x, params.end, draw, labels=labels), name="cnn")
    for operation in model.operations:
        if not isinstance(operation, layers.Layer):
            # Keras names it by counting those of this process.
            operation.name = "grey"
    return model


def _block(x: keras.KerasTensor, block: BlockParams, draw: Draw, name: str) -> keras.KerasTensor:
    from keras import layers

    for index in range(block.convolutions):
        x = layers.Conv2D(
            block.filters,
            block.kernel,
            padding=block.padding,
            activation="relu",
            kernel_initializer=draw(),
            name=f"{name}_convolution_{index}",
        )(x)
        if block.batch_norm:
            x = layers.BatchNormalization(name=f"{name}_normalization_{index}")(x)
    if block.pooling > 1:
        x = layers.MaxPooling2D(block.pooling, padding=block.pool_padding, name=f"{name}_pooling")(x)
    if block.dropout:
        x = layers.Dropout(block.dropout, seed=draw.seed, name=f"{name}_dropout")(x)
    return x


def _require_room(params: CnnParams, image_size: int) -> None:
    """Follow the side of the pictures through the blocks, which take from it."""
    side = image_size
    for index, block in enumerate(params.blocks):
        steps = [("kernel", block.kernel, block.padding)] * block.convolutions
        for name, size, padding in [*steps, ("pooling", block.pooling, block.pool_padding)]:
            if padding == "valid" and side < size:
                raise TrainError(
                    f"train.cnn.blocks.{index}.{name}: {size} pixels are more than the {side} that are left there "
                    f"of pictures of {image_size} (split.image_size)",
                    next="take fewer blocks or poolings, `padding: same`, or a larger split.image_size in "
                    "params.yaml, then: dvc repro",
                )
            if name == "kernel":
                side -= size - 1 if padding == "valid" else 0
            else:
                side = side // size if padding == "valid" else -(-side // size)
