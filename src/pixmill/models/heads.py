"""The head of a classifier: the layers behind its features."""

from __future__ import annotations

from pixmill.models.tensorflow import keras

LOGITS_LAYER, PROBABILITIES_LAYER = "logits", "probabilities"
"""Names of the layer whose output is fitted, and of the softmax that ends the network."""

WITH_BACKBONE = "backbone"
"""Name of a graph with a backbone, which distinguishes it from a plain network."""

HEAD_PREFIX = "head_"
"""Name prefix of the head's layers, except the last."""


def in_head(layer: keras.layers.Layer) -> bool:
    """Tell whether a layer of a classifier with a backbone belongs to its head."""
    return layer.name in (LOGITS_LAYER, PROBABILITIES_LAYER) or bool(layer.name.startswith(HEAD_PREFIX))


def head_graph(classifier: keras.Model) -> keras.Model:
    """Return a graph of the classifier's own layers from the backbone's features to the logits.

    Args:
        classifier: A classifier with a backbone.
    """
    return keras.Model(features_of(classifier), logits_of(classifier), name="head")


def logits_of(classifier: keras.Model) -> keras.KerasTensor:
    """Return the tensor that the softmax at a classifier's end gets."""
    return classifier.layers[-1].input


def head_features(classifier: keras.Model) -> keras.KerasTensor:
    """Return the features of the backbone; without one, what the last dense layer gets."""
    features = features_of(classifier)
    if features is not None:
        return features
    return next(layer for layer in reversed(classifier.layers) if isinstance(layer, keras.layers.Dense)).input


def features_of(classifier: keras.Model) -> keras.KerasTensor | None:
    """Return the features that the head of a classifier gets; ``None`` if it has no backbone."""
    if classifier.name != WITH_BACKBONE:
        return None
    return next(layer for layer in classifier.layers if in_head(layer)).input
