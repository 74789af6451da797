"""A pretrained network with a head of its own: frozen, fitted in part or as a whole, or with a head fitted apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pixmill.models.head import PROBABILITIES, Draw, dense_layers, end_layers
from pixmill.params import DenseParams, TrainParams

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt

__all__ = ["backbone_variables", "build_backbone_classifier", "build_head", "fuse"]

_NAME = "backbone"
"""The name of the whole graph, by which one is told from a plain network."""

_HEAD = "head_"
"""What the names of the head's layers begin with, but for the last."""


def build_backbone_classifier(
    params: TrainParams, *, labels: int, image_size: int, root: Path | None = None
) -> keras.Model:
    """Return a backbone with a fresh head, in one un-nested graph.

    For the model ``features`` the backbone is frozen as a whole, whatever ``unfreeze`` says. Batch norm stays in
    inference, since the statistics of a few small batches are worse than those that came with the weights.

    Args:
        params: The section ``train``.
        labels: How many classes there are.
        image_size: Side of the pictures in pixels.
        root: The project's folder, where a file of weights is looked for; default: the current one.

    Raises:
        TrainError: The weights cannot be had or do not fit.
    """
    # Imported here, since backbones are built with what this package has of TensorFlow.
    import keras

    from pixmill.backbones import build_backbone

    backbone = build_backbone(params.backbone, image_size=image_size, seed=params.seed, root=root)
    _unfreeze(backbone, params.backbone.unfreeze if params.model == "backbone" else 0)
    probabilities = _head(backbone.output, params, labels=labels)
    return keras.Model(backbone.input, probabilities, name=_NAME)


def build_head(params: TrainParams, *, labels: int, features: int) -> keras.Model:
    """Return the head alone, from features to probabilities: what ``features`` fits, to be fused afterwards.

    Args:
        params: The section ``train``.
        labels: How many classes there are.
        features: How many values the backbone gives for a picture.
    """
    import keras

    vectors = keras.Input((features,), name="features")
    return keras.Model(vectors, _head(vectors, params, labels=labels), name="head")


def fuse(classifier: keras.Model, weights: Sequence[npt.NDArray[np.float32]]) -> None:
    """Put a fitted head onto its backbone.

    Args:
        classifier: A classifier of the model ``features``, changed in place.
        weights: Kernel and bias of each dense layer of the head in turn, as ``get_weights`` of :func:`build_head`'s
            model returns them; of a logistic regression (coefficients transposed, intercepts).
    """
    import numpy as np

    layers = [layer for layer in classifier.layers if _of_head(layer) and layer.weights]
    owned = [weight for layer in layers for weight in layer.weights]
    for variable, weight in zip(owned, weights, strict=True):
        variable.assign(np.asarray(weight, dtype=np.float32))


def backbone_variables(classifier: keras.Model) -> list[keras.Variable]:
    """Return the trainable variables of the backbone, which learn at a lower rate; none in a plain network.

    Args:
        classifier: Any classifier of ours, or a copy of it.
    """
    if classifier.name != _NAME:
        return []
    return [variable for layer in classifier.layers if not _of_head(layer) for variable in layer.trainable_variables]


def _head(x: keras.KerasTensor, params: TrainParams, *, labels: int) -> keras.KerasTensor:
    from keras import layers

    draw = Draw(params.seed)
    dense: tuple[DenseParams, ...] = params.backbone.dense
    dropout = params.backbone.dropout
    if params.model == "features":
        dense, dropout = (params.features.dense if params.features.head == "mlp" else ()), 0.0
    if dropout:
        x = layers.Dropout(dropout, seed=params.seed, name=f"{_HEAD}dropout")(x)
    return end_layers(dense_layers(x, dense, draw, prefix=_HEAD), "softmax", draw, labels=labels)


def _of_head(layer: keras.layers.Layer) -> bool:
    return bool(layer.name == PROBABILITIES or layer.name.startswith(_HEAD))


def _unfreeze(backbone: keras.Model, count: int | Literal["all"]) -> None:
    """Leave only the last layers with weights trainable, and silence what is random in the frozen ones."""
    from keras import layers

    able = [
        layer
        for layer in backbone.layers
        if layer.weights and not isinstance(layer, layers.BatchNormalization | layers.Normalization)
    ]
    fitted = able if count == "all" else able[len(able) - min(count, len(able)) :]
    begun = False
    for layer in backbone.layers:
        layer.trainable = layer in fitted
        begun = begun or layer.trainable
        if isinstance(layer, layers.Dropout) and not begun:
            # What is before the first fitted layer is the same each time.
            layer.rate = 0.0
