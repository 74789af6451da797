"""The head of a classifier: the layers after the features."""

from __future__ import annotations

from pixmill.models.tensorflow import keras

LOGITS_LAYER, PROBABILITIES_LAYER = "logits", "probabilities"
"""Names of the layer whose output the loss takes, and of the final softmax."""

WITH_BACKBONE = "backbone"
"""Name of every graph with a backbone."""

HEAD_PREFIX = "head_"
"""Name prefix of the head's layers, except the last."""


def in_head(layer: keras.layers.Layer) -> bool:
    """Return whether a layer of a classifier with a backbone belongs to its head."""
    return layer.name in (LOGITS_LAYER, PROBABILITIES_LAYER) or bool(layer.name.startswith(HEAD_PREFIX))


def head_graph(classifier: keras.Model) -> keras.Model:
    """Return a graph of a classifier's layers from the features of the backbone to the logits.

    Args:
        classifier: A classifier with a backbone.
    """
    return keras.Model(features_of(classifier), logits_of(classifier), name="head")


def logits_of(classifier: keras.Model) -> keras.KerasTensor:
    """Return the input of a classifier's final softmax."""
    return classifier.layers[-1].input


def head_features(classifier: keras.Model) -> keras.KerasTensor:
    """Return the features of the backbone; without a backbone, the input of the last dense layer."""
    features = features_of(classifier)
    if features is not None:
        return features
    return next(layer for layer in reversed(classifier.layers) if isinstance(layer, keras.layers.Dense)).input


def features_of(classifier: keras.Model) -> keras.KerasTensor | None:
    """Return the input of a classifier's head; ``None`` if it has no backbone."""
    if classifier.name != WITH_BACKBONE:
        return None
    return next(layer for layer in classifier.layers if in_head(layer)).input
