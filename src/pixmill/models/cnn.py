"""A plain convolutional network, described by params."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.errors import TrainError
from pixmill.params import CnnParams

if TYPE_CHECKING:
    import keras

__all__ = ["build_cnn"]


def build_cnn(params: CnnParams, *, labels: int, image_size: int, seed: int) -> keras.Model:
    """Return convolutions of 3x3, each with ReLU and a 2x2 max-pooling, flattened into dense layers and a softmax.

    There is no batch norm and no global pooling: on a thousand pictures of garments they cost 15 to 30 points of
    accuracy.

    Args:
        params: Filters of each convolution, units of each dense layer, and dropout before the last.
        labels: Units of the softmax.
        image_size: Side of the pictures in pixels.
        seed: What the first weights are drawn from.

    Raises:
        TrainError: The pictures are too small for so many convolutions.
    """
    import keras
    from keras import layers

    least = 2 ** len(params.filters)
    if image_size < least:
        raise TrainError(
            f"train.cnn.filters: {len(params.filters)} poolings need pictures of at least {least} pixels, "
            f"received {image_size} (split.image_size)",
            next="edit params.yaml (fewer filters or larger pictures), then: dvc repro",
        )

    def drawn(layer: int) -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(seed=seed + layer)

    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    x = layers.Rescaling(1 / 255, name="rescaling")(pixels)
    for index, filters in enumerate(params.filters):
        x = layers.Conv2D(
            filters,
            3,
            padding="same",
            activation="relu",
            kernel_initializer=drawn(index),
            name=f"convolution_{index}",
        )(x)
        x = layers.MaxPooling2D(2, name=f"pooling_{index}")(x)
    x = layers.Flatten(name="flatten")(x)
    for index, units in enumerate(params.dense):
        x = layers.Dense(units, activation="relu", kernel_initializer=drawn(100 + index), name=f"dense_{index}")(x)
    x = layers.Dropout(params.dropout, seed=seed, name="dropout")(x)
    probabilities = layers.Dense(
        labels,
        activation="softmax",
        dtype="float32",
        kernel_initializer=drawn(200),
        name="probabilities",
    )(x)
    return keras.Model(pixels, probabilities, name="cnn")
