"""Networks from params: a plain CNN, a pretrained backbone with a head, or only the head."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from pixmill.core.errors import TrainError
from pixmill.core.params import (
    BackboneModel,
    BackboneParams,
    BlockParams,
    CnnModel,
    CnnParams,
    DenseParams,
    FeatureModel,
    TrainParams,
)
from pixmill.heads import ONE_LABEL, Head
from pixmill.models.backbones import APPLICATIONS, build_backbone
from pixmill.models.determinism import derived_seed
from pixmill.models.layers import (
    HEAD_PREFIX,
    LOGITS_LAYER,
    PROBABILITIES_LAYER,
    WITH_BACKBONE,
    in_head,
    origin_of,
)
from pixmill.models.tensorflow import keras

_RESCALINGS = {"unit": (1 / 255, 0.0), "symmetric": (1 / 127.5, -1.0)}
"""Scale and offset; ``none`` adds no layer."""


class _Initializers:
    """Create a Glorot uniform initialiser (Glorot and Bengio, 2010) per layer, from one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._numbers = itertools.count()

    def __call__(self) -> keras.initializers.Initializer:
        """Return the initialiser of the next layer."""
        return keras.initializers.GlorotUniform(seed=derived_seed(self.seed, next(self._numbers)))


def _dense_layers(
    x: keras.KerasTensor,
    dense: Iterable[DenseParams],
    initializers: _Initializers,
    *,
    prefix: str = "",
) -> keras.KerasTensor:
    """Return the output of dense layers on vectors, with ReLU and optional dropout."""
    for index, layer in enumerate(dense):
        name = f"{prefix}dense_{index}"
        x = keras.layers.Dense(
            layer.units, activation="relu", kernel_initializer=initializers(), name=name
        )(x)
        if layer.dropout:
            x = keras.layers.Dropout(layer.dropout, seed=initializers.seed, name=f"{name}_dropout")(
                x
            )
    return x


def _end_layers(
    x: keras.KerasTensor, end: str, initializers: _Initializers, *, head: Head, labels: int
) -> keras.KerasTensor:
    """Return probabilities in float32, at any precision of the other layers.

    A sigmoid end scores each class independently. For inference the scores are normalised by the
    softmax of their logarithms, which stays finite if all scores underflow. The loss of the end
    ``normalized_sigmoid`` takes these logarithms as logits.

    Args:
        x: Shape (n, features).
        end: ``softmax``, ``sigmoid`` or ``normalized_sigmoid``.
        initializers: Initialisers of the layers.
        head: What the model answers; it may replace the end.
        labels: Number of outputs.
    """
    scores, logarithms = (
        ("scores", LOGITS_LAYER)
        if end == "normalized_sigmoid" and head.end is None
        else (LOGITS_LAYER, "log_sigmoid")
    )
    x = keras.layers.Dense(labels, kernel_initializer=initializers(), dtype="float32", name=scores)(
        x
    )
    if head.end is not None:
        return keras.layers.Activation(head.end, dtype="float32", name=PROBABILITIES_LAYER)(x)
    if end != "softmax":
        x = keras.layers.Activation("log_sigmoid", dtype="float32", name=logarithms)(x)
    return keras.layers.Activation("softmax", dtype="float32", name=PROBABILITIES_LAYER)(x)


def build_classifier(
    params: TrainParams,
    *,
    head: Head = ONE_LABEL,
    labels: int,
    image_size: int,
    root: Path = Path(),
) -> keras.Model:
    """Return a classifier with fresh weights, drawn from ``params.seed``.

    The classifier is one flat, uncompiled functional graph. It takes float32 pixels from 0 to 255
    of shape (n, image_size, image_size, 3), includes all preprocessing after the resize, and
    returns float32 probabilities of shape (n, labels).

    For the model ``features``, the whole backbone is frozen, whatever the value of ``unfreeze``.
    Batch norm of a backbone stays in inference mode, since the statistics of a few small batches
    are worse than the pretrained ones.

    Args:
        params: The section ``train``.
        head: What the model answers. Default: one class.
        labels: Number of outputs.
        image_size: Side of the images in pixels.
        root: Project folder, to which a weights file is relative. Default: the current folder.

    Raises:
        TrainError: The images are too small for the layers, or the weights of a backbone are
            missing or do not match.
    """
    model = params.kind
    if isinstance(model, CnnModel):
        return _build_cnn(
            model.cnn, head=head, labels=labels, image_size=image_size, seed=params.seed
        )
    backbone = build_backbone(model.backbone, image_size=image_size, **origin_of(params, root))
    _unfreeze(backbone, 0 if model.on_features else model.backbone.unfreeze)
    probabilities = _head(backbone.output, model, params.seed, head=head, labels=labels)
    return keras.Model(backbone.input, probabilities, name=WITH_BACKBONE)


def _build_cnn(
    params: CnnParams, *, head: Head, labels: int, image_size: int, seed: int
) -> keras.Model:
    """Return a CNN: convolutional blocks, then dense layers, then probabilities."""
    initializers = _Initializers(seed)
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    x = pixels
    if params.channels == 1:
        # Weighted as in ITU-R BT.601; Keras has an operation for it, but no layer.
        x = keras.ops.image.rgb_to_grayscale(x)
    if params.rescaling in _RESCALINGS:
        scale, offset = _RESCALINGS[params.rescaling]
        x = keras.layers.Rescaling(scale, offset, name="rescaling")(x)
    for index, block in enumerate(params.blocks):
        try:
            x = _block(x, block, initializers, f"block_{index}")
        except ValueError as error:
            raise TrainError(
                f"train.cnn.blocks.{index}: the kernel or pooling is larger than this block's "
                f"input of {x.shape[1]} x {x.shape[2]} (split.image_size: {image_size})",
                next="use fewer blocks, less pooling, `padding: same`, or a larger "
                "split.image_size in params.yaml, then: dvc repro",
            ) from error
    flatten = keras.layers.Flatten(name="flatten")
    average = keras.layers.GlobalAveragePooling2D(name="average")
    x = _dense_layers(
        (flatten if params.head == "flatten" else average)(x), params.dense, initializers
    )
    outputs = _end_layers(x, params.end, initializers, head=head, labels=labels)
    model = keras.Model(pixels, outputs, name="cnn")
    for operation in model.operations:
        if not isinstance(operation, keras.layers.Layer):
            # An automatic name would depend on the number of operations in this process.
            operation.name = "grey"
    return model


def _block(
    x: keras.KerasTensor, block: BlockParams, initializers: _Initializers, name: str
) -> keras.KerasTensor:
    for index in range(block.convolutions):
        x = keras.layers.Conv2D(
            block.filters,
            block.kernel,
            padding=block.padding,
            activation=block.activation,
            kernel_initializer=initializers(),
            name=f"{name}_convolution_{index}",
        )(x)
        if block.batch_norm is True:
            x = keras.layers.BatchNormalization(name=f"{name}_normalization_{index}")(x)
    if block.pooling > 1:
        x = keras.layers.MaxPooling2D(
            block.pooling, padding=block.pool_padding, name=f"{name}_pooling"
        )(x)
    if block.batch_norm == "after_pooling":
        x = keras.layers.BatchNormalization(name=f"{name}_normalization")(x)
    if block.dropout:
        x = keras.layers.Dropout(block.dropout, seed=initializers.seed, name=f"{name}_dropout")(x)
    return x


def build_head(params: TrainParams, *, head: Head, labels: int, features: int) -> keras.Model:
    """Return only the head of the model ``features``, from features to probabilities.

    Args:
        params: The section ``train``.
        head: What the model answers.
        labels: Number of outputs.
        features: Number of features per image.
    """
    vectors = keras.Input((features,), name="features")
    model = params.kind
    assert isinstance(model, FeatureModel)
    outputs = _head(vectors, model, params.seed, head=head, labels=labels)
    return keras.Model(vectors, outputs, name="head")


def set_head_weights(classifier: keras.Model, weights: Sequence[npt.NDArray[np.float32]]) -> None:
    """Copy the weights of a fitted head into a classifier with a backbone.

    Args:
        classifier: A classifier with a backbone, changed in place.
        weights: Kernel and bias of each dense layer of the head, in the order of ``get_weights`` of
            :func:`build_head`'s model; for a logistic regression, the transposed coefficients and
            the intercepts.
    """
    layers = [layer for layer in classifier.layers if in_head(layer) and layer.weights]
    variables = [variable for layer in layers for variable in layer.weights]
    for variable, weight in zip(variables, weights, strict=True):
        variable.assign(np.asarray(weight, dtype=np.float32))


def backbone_variables(classifier: keras.Model) -> list[keras.Variable]:
    """Return the trainable variables of the backbone, which have a lower learning rate.

    Empty without a backbone.

    Args:
        classifier: A classifier of :func:`build_classifier`, or a copy of it.
    """
    if classifier.name != WITH_BACKBONE:
        return []
    return [
        variable
        for layer in classifier.layers
        if not in_head(layer)
        for variable in layer.trainable_variables
    ]


def _head(
    x: keras.KerasTensor,
    model: FeatureModel | BackboneModel,
    seed: int,
    *,
    head: Head,
    labels: int,
) -> keras.KerasTensor:
    initializers = _Initializers(seed)
    dense: tuple[DenseParams, ...] = ()
    dropout = 0.0
    if isinstance(model, BackboneModel):
        dense = model.backbone.dense
        dropout = model.backbone.dropout
    elif not model.is_logistic:
        dense = model.features.dense
    if dropout:
        x = keras.layers.Dropout(dropout, seed=seed, name=f"{HEAD_PREFIX}dropout")(x)
    x = _dense_layers(x, dense, initializers, prefix=HEAD_PREFIX)
    return _end_layers(x, "softmax", initializers, head=head, labels=labels)


def _unfreeze(backbone: keras.Model, count: int | Literal["all"]) -> None:
    """Make the last ``count`` layers with weights trainable, and disable dropout before them."""
    weighted = [
        layer
        for layer in backbone.layers
        if layer.weights
        and not isinstance(layer, keras.layers.BatchNormalization | keras.layers.Normalization)
    ]
    fitted = weighted if count == "all" else weighted[max(0, len(weighted) - count) :]
    frozen = True
    for layer in backbone.layers:
        layer.trainable = layer in fitted
        frozen = frozen and not layer.trainable
        if isinstance(layer, keras.layers.Dropout) and frozen:
            # The frozen part must be deterministic.
            layer.rate = 0.0


def objective(params: TrainParams) -> keras.losses.Loss:
    """Return the cross-entropy, in nats, between targets and the output of :func:`logits_graph`.

    It takes targets and logits, both float32 of shape (n, labels), and optional sample weights, and
    returns the mean. For the end ``sigmoid``, it is the mean binary cross-entropy over the classes;
    otherwise the categorical one.

    Args:
        params: The section ``train``.
    """
    model = params.kind
    sigmoid = isinstance(model, CnnModel) and model.cnn.end == "sigmoid"
    kind = keras.losses.BinaryCrossentropy if sigmoid else keras.losses.CategoricalCrossentropy
    return kind(from_logits=True, label_smoothing=params.label_smoothing, dtype="float32")


def logits_graph(classifier: keras.Model) -> keras.Model:
    """Return a classifier's graph up to the logits, whose loss is numerically stable.

    Probabilities have the order of the logits, but may be equal where sigmoids saturate.

    Args:
        classifier: The classifier to fit; the graph shares its weights.
    """
    return keras.Model(classifier.input, classifier.get_layer(LOGITS_LAYER).output, name="logits")


def describe_model(params: TrainParams) -> str:
    """Return a description of the model in a few words.

    >>> from pixmill.core.params import TrainParams
    >>> describe_model(TrainParams(model="features"))
    'A logistic regression on features of EfficientNet-Lite0'

    Args:
        params: The section ``train``.
    """
    model = params.kind
    return model.describe(_display_name(model.backbone) if model.backbone else "")


def _display_name(params: BackboneParams) -> str:
    if params.is_external:
        return f"'{params.title.partition(':')[2]}'"
    names = (network.title for network in params.networks)
    return " and ".join(
        APPLICATIONS[name].builder
        if name in APPLICATIONS
        else name.replace("efficientnet_lite", "EfficientNet-Lite")
        for name in names
    )
