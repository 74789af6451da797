"""Networks from params: a plain CNN, a pretrained backbone with a head, or the head alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pixmill.core.errors import TrainError
from pixmill.core.params import BlockParams, CnnParams, DenseParams, TrainParams
from pixmill.models.backbones import APPLICATIONS, build_backbone
from pixmill.models.determinism import derived_seed
from pixmill.models.heads import HEAD_PREFIX, LOGITS_LAYER, PROBABILITIES_LAYER, WITH_BACKBONE, in_head
from pixmill.models.layers import feature_layers
from pixmill.models.tensorflow import keras

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_RESCALINGS = {"unit": (1 / 255, 0.0), "symmetric": (1 / 127.5, -1.0)}
"""Scale and offset; ``none`` has no layer."""


class _Draw:
    """Give each layer its own initialiser, all derived from one seed.

    Glorot uniform (Glorot and Bengio 2010).

    Args:
        seed: The seed of all of them.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._drawn = itertools.count()

    def __call__(self) -> keras.initializers.Initializer:
        """Return the next layer's initializer."""
        return keras.initializers.GlorotUniform(seed=derived_seed(self.seed, next(self._drawn)))


def _dense_layers(
    x: keras.KerasTensor, dense: Iterable[DenseParams], draw: _Draw, *, prefix: str = ""
) -> keras.KerasTensor:
    """Return the output of dense layers, each with ReLU and optional dropout.

    Args:
        x: Vectors, of shape (n, features).
        dense: The layers.
        draw: Gives the initialisers.
        prefix: Prefix of the layers' names; default: none.
    """
    for index, layer in enumerate(dense):
        name = f"{prefix}dense_{index}"
        x = keras.layers.Dense(layer.units, activation="relu", kernel_initializer=draw(), name=name)(x)
        if layer.dropout:
            x = keras.layers.Dropout(layer.dropout, seed=draw.seed, name=f"{name}_dropout")(x)
    return x


def _end_layers(x: keras.KerasTensor, end: str, draw: _Draw, *, labels: int) -> keras.KerasTensor:
    """Return probabilities, in float32 whatever the precision of the rest.

    A sigmoid end scores each class independently. For inference the scores are normalised to sum to one, as the softmax
    of their logarithms, which stays finite even if all scores underflow. These logarithms are the logits that are
    fitted if the end is ``normalized_sigmoid``.

    Args:
        x: Vectors, of shape (n, features).
        end: ``softmax``, ``sigmoid`` or ``normalized_sigmoid``.
        draw: Gives the initialisers.
        labels: How many classes there are.
    """
    scores, logarithms = ("scores", LOGITS_LAYER) if end == "normalized_sigmoid" else (LOGITS_LAYER, "log_sigmoid")
    x = keras.layers.Dense(labels, kernel_initializer=draw(), dtype="float32", name=scores)(x)
    if end != "softmax":
        x = keras.layers.Activation("log_sigmoid", dtype="float32", name=logarithms)(x)
    return keras.layers.Activation("softmax", dtype="float32", name=PROBABILITIES_LAYER)(x)


def build_classifier(params: TrainParams, *, labels: int, image_size: int, root: Path | None = None) -> keras.Model:
    """Return a classifier with fresh weights, drawn from ``params.seed``.

    It is one flat, uncompiled functional graph: float32 pixels from 0 to 255 of shape (n, image_size, image_size, 3)
    in, float32 probabilities of shape (n, labels) out. It includes all preprocessing after the resize.

    Args:
        params: The section ``train``.
        labels: How many classes there are.
        image_size: Side of the images in pixels.
        root: The project folder, to which a weights file is relative; default: the current one.

    Raises:
        TrainError: The images are too small for so many layers, or a backbone's weights are not available.
    """
    if params.model == "cnn":
        return _build_cnn(params.cnn, labels=labels, image_size=image_size, seed=params.seed)
    return _build_with_backbone(params, labels=labels, image_size=image_size, root=root)


def _build_cnn(params: CnnParams, *, labels: int, image_size: int, seed: int) -> keras.Model:
    """Return a CNN: convolutional blocks, then dense layers, then probabilities.

    Args:
        params: The layers.
        labels: How many classes there are.
        image_size: Side of the images in pixels.
        seed: Seed of the initial weights.

    Raises:
        TrainError: The images are too small for so many layers.
    """
    draw = _Draw(seed)
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    x = pixels
    if params.channels == 1:
        # Weighted as in ITU-R BT.601; an operation, since Keras has no layer for it.
        x = keras.ops.image.rgb_to_grayscale(x)
    if params.rescaling in _RESCALINGS:
        scale, offset = _RESCALINGS[params.rescaling]
        x = keras.layers.Rescaling(scale, offset, name="rescaling")(x)
    for index, block in enumerate(params.blocks):
        try:
            x = _block(x, block, draw, f"block_{index}")
        except ValueError as error:
            raise TrainError(
                f"train.cnn.blocks.{index}: kernel or pooling exceed this block's input of {x.shape[1]} x {x.shape[2]} "
                f"(split.image_size: {image_size})",
                next="use fewer blocks or poolings, `padding: same`, or a larger split.image_size in params.yaml, "
                "then: dvc repro",
            ) from error
    flatten, average = keras.layers.Flatten(name="flatten"), keras.layers.GlobalAveragePooling2D(name="average")
    x = _dense_layers((flatten if params.head == "flatten" else average)(x), params.dense, draw)
    model = keras.Model(pixels, _end_layers(x, params.end, draw, labels=labels), name="cnn")
    for operation in model.operations:
        if not isinstance(operation, keras.layers.Layer):
            # Keras would number it by a count of this process.
            operation.name = "grey"
    return model


def _block(x: keras.KerasTensor, block: BlockParams, draw: _Draw, name: str) -> keras.KerasTensor:
    for index in range(block.convolutions):
        x = keras.layers.Conv2D(
            block.filters,
            block.kernel,
            padding=block.padding,
            activation=block.activation,
            kernel_initializer=draw(),
            name=f"{name}_convolution_{index}",
        )(x)
        if block.batch_norm is True:
            x = keras.layers.BatchNormalization(name=f"{name}_normalization_{index}")(x)
    if block.pooling > 1:
        x = keras.layers.MaxPooling2D(block.pooling, padding=block.pool_padding, name=f"{name}_pooling")(x)
    if block.batch_norm == "after_pooling":
        x = keras.layers.BatchNormalization(name=f"{name}_normalization")(x)
    if block.dropout:
        x = keras.layers.Dropout(block.dropout, seed=draw.seed, name=f"{name}_dropout")(x)
    return x


def _build_with_backbone(params: TrainParams, *, labels: int, image_size: int, root: Path | None = None) -> keras.Model:
    """Return a backbone with a fresh head, in one flat graph.

    For the model ``features`` the whole backbone is frozen, whatever ``unfreeze`` says. Batch norm stays in inference
    mode, since the statistics of a few small batches are worse than the pretrained ones.

    Args:
        params: The section ``train``.
        labels: How many classes there are.
        image_size: Side of the images in pixels.
        root: The project folder, to which a weights file is relative; default: the current one.

    Raises:
        TrainError: The weights are not available or do not match.
    """
    layers = feature_layers(params)
    backbone = build_backbone(params.backbone, image_size=image_size, seed=params.seed, layers=layers, root=root)
    _unfreeze(backbone, params.backbone.unfreeze if params.model == "backbone" else 0)
    probabilities = _head(backbone.output, params, labels=labels)
    return keras.Model(backbone.input, probabilities, name=WITH_BACKBONE)


def build_head(params: TrainParams, *, labels: int, features: int) -> keras.Model:
    """Return the head alone, from features to probabilities; the model ``features`` fits it and fuses it afterwards.

    Args:
        params: The section ``train``.
        labels: How many classes there are.
        features: Number of features per image.
    """
    vectors = keras.Input((features,), name="features")
    return keras.Model(vectors, _head(vectors, params, labels=labels), name="head")


def fuse(classifier: keras.Model, weights: Sequence[npt.NDArray[np.float32]]) -> None:
    """Copy a fitted head's weights into a classifier with its backbone.

    Args:
        classifier: A classifier with a backbone, changed in place.
        weights: Kernel and bias of each dense layer of the head in turn, as ``get_weights`` of :func:`build_head`'s
            model returns them; for a logistic regression, the transposed coefficients and the intercepts.
    """
    import numpy as np

    layers = [layer for layer in classifier.layers if in_head(layer) and layer.weights]
    owned = [weight for layer in layers for weight in layer.weights]
    for variable, weight in zip(owned, weights, strict=True):
        variable.assign(np.asarray(weight, dtype=np.float32))


def backbone_variables(classifier: keras.Model) -> list[keras.Variable]:
    """Return the backbone's trainable variables, which have a lower learning rate; none in a plain network.

    Args:
        classifier: Any classifier built here, or a copy of it.
    """
    if classifier.name != WITH_BACKBONE:
        return []
    return [variable for layer in classifier.layers if not in_head(layer) for variable in layer.trainable_variables]


def _head(x: keras.KerasTensor, params: TrainParams, *, labels: int) -> keras.KerasTensor:
    draw = _Draw(params.seed)
    dense: tuple[DenseParams, ...] = params.backbone.dense
    dropout = params.backbone.dropout
    if params.model == "features":
        dense, dropout = (params.features.dense if params.features.head == "mlp" else ()), 0.0
    if dropout:
        x = keras.layers.Dropout(dropout, seed=params.seed, name=f"{HEAD_PREFIX}dropout")(x)
    return _end_layers(_dense_layers(x, dense, draw, prefix=HEAD_PREFIX), "softmax", draw, labels=labels)


def _unfreeze(backbone: keras.Model, count: int | Literal["all"]) -> None:
    """Make only the last layers with weights trainable, and disable dropout in the frozen ones."""
    weighted = [
        layer
        for layer in backbone.layers
        if layer.weights and not isinstance(layer, keras.layers.BatchNormalization | keras.layers.Normalization)
    ]
    fitted = weighted if count == "all" else weighted[max(0, len(weighted) - count) :]
    frozen = True
    for layer in backbone.layers:
        layer.trainable = layer in fitted
        frozen = frozen and not layer.trainable
        if isinstance(layer, keras.layers.Dropout) and frozen:
            # Layers before the first trainable one must be deterministic.
            layer.rate = 0.0


def objective(params: TrainParams) -> keras.losses.Loss:
    """Return the cross-entropy between one-hot targets, or mixtures of them, and the outputs of ``logits_graph``.

    For the end ``sigmoid`` it is the mean binary cross-entropy over the classes, else the categorical one, in nats.
    Called with targets and logits, both float32 of shape (n, labels), and optional sample weights, it returns the mean.

    Args:
        params: The section ``train``.
    """
    sigmoid = params.model == "cnn" and params.cnn.end == "sigmoid"
    kind = keras.losses.BinaryCrossentropy if sigmoid else keras.losses.CategoricalCrossentropy
    return kind(from_logits=True, label_smoothing=params.label_smoothing, dtype="float32")


def logits_graph(classifier: keras.Model) -> keras.Model:
    """Return a graph of the classifier's own layers that ends at the logits, whose loss is numerically stable.

    Args:
        classifier: The classifier to fit; the graph shares its weights. Probabilities have the order of
            the logits, but may be equal where sigmoids saturate.
    """
    return keras.Model(classifier.input, classifier.get_layer(LOGITS_LAYER).output, name="logits")


def describe_model(params: TrainParams) -> str:
    """Return in a few words what the model is.

    >>> from pixmill.core.params import TrainParams
    >>> describe_model(TrainParams(model="features"))
    'A logistic regression on features of EfficientNet-Lite0'

    Args:
        params: The section ``train``.
    """
    if params.model == "cnn":
        count = sum(block.convolutions for block in params.cnn.blocks)
        return f"A convolutional network with {count} convolutions, trained from scratch"
    name = params.backbone.name
    own = f"'{name.partition(':')[2]}'" if name.startswith(("plugin:", "hub:")) else None
    backbone = APPLICATIONS[name].builder if name in APPLICATIONS else own or "EfficientNet-Lite0"
    origin = "randomly initialized" if params.backbone.weights == "none" else "pretrained"
    if params.model == "features":
        head = {"logistic": "A logistic regression", "mlp": "A small neural network"}[params.features.head]
        return f"{head} on features of {backbone}" + (", randomly initialized" if origin != "pretrained" else "")
    unfrozen = {0: "frozen", "all": "fine-tuned"}.get(
        params.backbone.unfreeze, f"fine-tuned in its last {params.backbone.unfreeze} layers"
    )
    if own and params.backbone.weights == "imagenet":  # Whether it is pretrained, its code alone tells.
        return f"{backbone}, {unfrozen}, with a new head"
    return f"{backbone}, {origin} and {unfrozen}, with a new head"
