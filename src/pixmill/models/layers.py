"""The layers of a backbone whose averages are its features, and those of the head after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from pixmill.core.errors import TrainError
from pixmill.core.params import TrainParams
from pixmill.core.words import did_you_mean
from pixmill.models.tensorflow import keras

AUTO = "auto"
"""Setting for the layers that the kind of backbone determines."""

TOP = "top"
"""Name of the last layer of a backbone in :attr:`pixmill.core.params.FeaturesParams.layers`."""

STAGE_ENDS = {
    "efficientnet_lite0": (
        "block4_depthwise_relu",
        "block10_depthwise_relu",
        "block14_expand_relu",
    ),
    "efficientnet_lite2": (
        "block6_depthwise_relu",
        "block14_depthwise_relu",
        "block19_expand_relu",
    ),
    # Normalised, unlike the outputs of the stages. The third stage ends with the top.
    "convnext_tiny": (
        "convnext_tiny_downsampling_layernorm_1",
        "convnext_tiny_downsampling_layernorm_2",
    ),
    "efficientnet_v2_b0": ("block3b_expand_activation", "block5e_activation", "block6h_activation"),
    "efficientnet_v2_b1": ("block3c_expand_activation", "block5f_activation", "block6i_activation"),
    "efficientnet_v2_b2": ("block3c_expand_activation", "block5f_activation", "block6j_activation"),
    "efficientnet_v2_b3": ("block3c_expand_activation", "block5g_activation", "block6l_activation"),
    "efficientnet_v2_s": ("block3d_expand_activation", "block5i_activation", "block6o_activation"),
    "mobilenet_v2": (
        "block_5_depthwise_relu",
        "block_12_depthwise_relu",
        "block_15_depthwise_relu",
    ),
    "mobilenet_v3_large": tuple(
        f"expanded_conv_{number}_squeeze_excite_mul" for number in (5, 11, 14)
    ),
    "mobilenet_v3_small": (
        "relu_5",
        "expanded_conv_7_squeeze_excite_mul",
        "expanded_conv_10_squeeze_excite_mul",
    ),
    # The last stage ends with the top.
    "resnet50": ("conv3_block4_out", "conv4_block6_out"),
}
"""The layers that ``auto`` selects before the top.

They are the last wide, activated feature maps at 1/8, 1/16 and 1/32 of the input size. In networks
of inverted bottlenecks these are inside the last block of their size, before the projection to a
few channels.
"""

LOGITS_LAYER = "logits"
PROBABILITIES_LAYER = "probabilities"
"""Names of the layer whose output the loss takes, and of the final softmax."""

WITH_BACKBONE = "backbone"
"""Name of every graph with a backbone."""

HEAD_PREFIX = "head_"
"""Name prefix of the head's layers, except the last."""


def feature_layers(params: TrainParams) -> tuple[str, ...]:
    """Return the layers of a backbone whose averages are its features.

    >>> from pixmill.core.params import BackboneParams, TrainParams
    >>> feature_layers(TrainParams(model="features", backbone=BackboneParams(name="resnet50")))
    ('conv3_block4_out', 'conv4_block6_out', 'top')

    Returns:
        Names of layers. For a preset and for several networks, their kinds determine the layers, so
        that this is the setting itself: ``auto`` or ``top``.

    Args:
        params: The section ``train``. ``auto`` selects only the top of a plugin, whose stages are
            unknown, and for the model ``backbone``: on CIFAR-10, fine-tuning with four layers was
            2.7 points worse at 50 images a class.
    """
    layers = params.features.layers
    if layers == AUTO and params.kind.on_features:
        name = params.backbone.name
        if not isinstance(name, str) or name.startswith("hub:"):
            return (AUTO,)
        return auto_layers(name)
    return (TOP,) if layers in (AUTO, TOP) else tuple(dict.fromkeys(layers))


def auto_layers(name: str) -> tuple[str, ...]:
    """Return the layers that ``auto`` selects for a network that is no preset."""
    return (*STAGE_ENDS.get(name, ()), TOP)


class Origin(TypedDict, total=False):
    """Arguments that determine features, in addition to the section ``train.backbone``.

    Args:
        seed: Seed of fresh weights, if ``params.weights`` is ``none``. Default: 0.
        layers: Names of the layers whose averages are the features. Default: only the top.
        root: Project folder; weights files are relative to it, and its ``src`` contains plugins.
            Default: the current folder.
    """

    seed: int
    layers: Sequence[str]
    root: Path


def origin_of(params: TrainParams, root: Path) -> Origin:
    """Return the origin of the features of a model.

    Args:
        params: The section ``train``.
        root: Project folder.
    """
    return {"seed": params.seed, "layers": feature_layers(params), "root": root}


def several_layers(params: TrainParams) -> bool:
    """Return whether the features come from more than one layer.

    Args:
        params: The section ``train``.
    """
    layers = feature_layers(params)
    return len(layers) > 1 or layers == (AUTO,) or len(params.backbone.networks) > 1


def average_layers(model: keras.Model, layers: Sequence[str]) -> keras.Model:
    """Return a graph of the same layers that returns the averages of some of them over the image.

    Args:
        model: A graph that returns the average of its top.
        layers: Names of layers.

    Raises:
        TrainError: A layer does not exist.
    """
    if tuple(layers) == (TOP,):
        return model
    # Not `layer.output`, which may belong to another graph of the same layers.
    nodes = {
        node.operation.name: node for nodes in model._nodes_by_depth.values() for node in nodes
    }
    averages = [
        model.output if name == TOP else _average(name, model.name, nodes)
        for name in dict.fromkeys(layers)
    ]
    whole = keras.layers.Concatenate(name="layers")(averages) if len(averages) > 1 else averages[0]
    return keras.Model(model.input, whole, name=model.name)


def _average(name: str, network: str, nodes: Mapping[str, Any]) -> keras.KerasTensor:
    """Return the average of a layer's output over the image; vectors are left as they are.

    Args:
        name: Name of the layer.
        network: Name of the network, for messages.
        nodes: All layers of the network by name.

    Raises:
        TrainError: The layer does not exist, or has neither maps nor vectors.
    """
    outputs = {each: node.outputs[0] for each, node in nodes.items()}
    usable = [each for each, output in outputs.items() if len(output.shape) in (2, 4)]
    if name not in usable:
        raise TrainError(
            f"train.features.layers: {network} has no layer {name!r} whose average could be a "
            f"feature{did_you_mean(name, usable)}",
            next="set train.features.layers in params.yaml to auto or to some of its layers, then: "
            "dvc repro train",
        )
    if len(outputs[name].shape) == 2:
        return outputs[name]
    return keras.layers.GlobalAveragePooling2D(name=f"average_{name}")(outputs[name])


def join_features(pixels: keras.KerasTensor, models: Sequence[keras.Model]) -> keras.Model:
    """Return one graph of several networks, with the features of the first first.

    The names of a network's layers get its name as their prefix.

    Args:
        pixels: The input that the networks share.
        models: Graphs from the pixels to the averages of layers.
    """
    for model in models:
        for operation in model.operations:
            if not isinstance(operation, keras.layers.InputLayer):
                operation.name = f"{model.name}_{operation.name}"
    parts = [part for model in models for part in _parts_of(model.output)]
    return keras.Model(pixels, keras.layers.Concatenate(name="layers")(parts), name="joined")


def last_features(features: keras.KerasTensor) -> keras.KerasTensor:
    """Return the features of the last of :func:`feature_layers`, usually the top.

    Of several networks, of the last.

    Args:
        features: Output of the graph of :func:`pixmill.models.backbones.build_backbone`, or of a
            graph that extends it.
    """
    return _parts_of(features)[-1]


def feature_maps(features: keras.KerasTensor) -> dict[int, keras.KerasTensor]:
    """Return the feature maps (n, height, width, channels) whose averages are features.

    Args:
        features: As for :func:`last_features`.

    Returns:
        The maps by the index of their first feature; features that are not averages have no map.
        Empty if the last features are not averages, as in ConvNeXt, which normalises the averages.
    """
    maps = {}
    start = 0
    for part in _parts_of(features):
        node = _node_of(part)
        if isinstance(node.operation, keras.layers.GlobalAveragePooling2D):
            maps[start] = node.input_tensors[0]
        start += part.shape[-1]
    return maps if isinstance(node.operation, keras.layers.GlobalAveragePooling2D) else {}


def _parts_of(features: keras.KerasTensor) -> Sequence[keras.KerasTensor]:
    """Return the features of each layer."""
    node = _node_of(features)
    return (
        node.input_tensors if isinstance(node.operation, keras.layers.Concatenate) else [features]
    )


def _node_of(tensor: keras.KerasTensor) -> Any:
    operation, number, _ = tensor._keras_history
    return operation._inbound_nodes[number]


def in_head(layer: keras.layers.Layer) -> bool:
    """Return whether a layer of a classifier with a backbone belongs to its head."""
    return layer.name in (LOGITS_LAYER, PROBABILITIES_LAYER) or bool(
        layer.name.startswith(HEAD_PREFIX)
    )


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
    """Return the features of the backbone.

    Without a backbone, the input of the last dense layer.
    """
    features = features_of(classifier)
    if features is not None:
        return features
    return next(
        layer for layer in reversed(classifier.layers) if isinstance(layer, keras.layers.Dense)
    ).input


def features_of(classifier: keras.Model) -> keras.KerasTensor | None:
    """Return the input of a classifier's head; ``None`` if it has no backbone."""
    if classifier.name != WITH_BACKBONE:
        return None
    return next(layer for layer in classifier.layers if in_head(layer)).input
