"""The graph that is trained: random changes of the pictures, then the classifier, whose layers it shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.params import AugmentationParams

if TYPE_CHECKING:
    import keras

__all__ = ["training_graph"]


def training_graph(classifier: keras.Model, params: AugmentationParams) -> keras.Model:
    """Return the classifier behind random changes that are active in training alone.

    What is trained here is trained there: the weights are the same. The classifier stays as it is, so nothing of
    training is in what is saved and used.

    Args:
        classifier: The graph that is used.
        params: The changes; those that are off add no layer.
    """
    import keras

    pixels = keras.Input(classifier.input_shape[1:], name="pixels")
    x = pixels
    for layer in _changes(params):
        x = layer(x)
    return keras.Model(pixels, classifier(x), name="training")


def _changes(params: AugmentationParams) -> list[keras.layers.Layer]:
    from keras import layers

    # States of their generators are assigned anew each epoch: these seeds only keep them from being drawn.
    common = {"fill_mode": "nearest", "seed": 0}
    changes = []
    if params.flip:
        changes.append(layers.RandomFlip("horizontal", seed=0, name="flip"))
    if params.rotation:
        changes.append(layers.RandomRotation(params.rotation / 360, name="rotation", **common))
    if params.zoom:
        changes.append(layers.RandomZoom(params.zoom, name="zoom", **common))
    if params.shift:
        changes.append(layers.RandomTranslation(params.shift, params.shift, name="shift", **common))
    return changes
