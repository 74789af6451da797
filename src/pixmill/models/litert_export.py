"""Conversion of networks to LiteRT."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from blake3 import blake3
from platformdirs import user_cache_path

from pixmill.core.errors import TrainError
from pixmill.core.files.writing import replacing, write_bytes
from pixmill.core.params import BackboneParams, TrainParams
from pixmill.core.process.progress import announce
from pixmill.models.backbones import backbone_digest, build_backbone
from pixmill.models.determinism import fix_threads
from pixmill.models.heads import head_graph
from pixmill.models.layers import TOP, feature_layers, feature_maps
from pixmill.models.litert import BACKBONE, FEATURES, HEAD, LOGITS, MAP, NETWORK, load_outputs, quiet
from pixmill.models.novelty import Novelty, add_novelty, logits_and_novelty
from pixmill.models.tensorflow import keras, tf

TOLERANCE = 1e-3
"""Maximum difference of an output from Keras', relative to the largest output, or to 1 if that is larger."""


def export_classifier(
    model: keras.Model,
    params: TrainParams,
    folder: Path,
    *,
    scratch: Path,
    novelty: Novelty | None = None,
    root: Path | None = None,
) -> None:
    """Convert a classifier to LiteRT, from pixels to logits.

    For the model ``features`` these are two files, since the head also runs on stored features; else one.

    Args:
        model: The classifier.
        params: The section ``train``.
        folder: ``artifacts/train``.
        scratch: The cache of features.
        novelty: What tells the novelty, which is another output. Default: none.
        root: The project folder, to which a weights file is relative; default: the current one.

    Raises:
        TrainError: It cannot be converted.
    """
    if params.model != "features":
        # Softmax, the last layer, is computed in float64 by the classifier.
        convert(logits_and_novelty(model, novelty), folder / NETWORK)
        return
    origin: dict[str, Any] = {"seed": params.seed, "layers": feature_layers(params), "root": root}
    image_size = model.input_shape[1]
    backbone = convert_backbone(
        params.backbone, image_size=image_size, scratch=scratch, threads=params.threads, **origin
    )
    head = head_graph(model)
    convert(add_novelty(head, head.input, novelty, name=LOGITS), folder / HEAD)
    write_bytes(folder / BACKBONE, backbone.read_bytes())


def convert_backbone(
    params: BackboneParams,
    *,
    image_size: int,
    scratch: Path,
    threads: int,
    seed: int = 0,
    layers: Sequence[str] = (TOP,),
    root: Path | None = None,
) -> Path:
    """Return the LiteRT file of a frozen backbone.

    It is converted once for all projects of a user, and kept in ``pixmill/backbones`` of the user's cache folder, under
    a digest of what it is made of. A plugin's may also depend on files of its project, and is kept in ``scratch``.

    Its outputs are named :data:`~pixmill.models.litert.FEATURES` and, for each feature map whose averages are among
    them, :data:`~pixmill.models.litert.MAP`.

    Args:
        params: The section ``train.backbone``.
        image_size: Side of the images in pixels.
        scratch: The folder that holds it if the user's cache cannot.
        threads: Number of threads of TensorFlow, which converts; then fixed for the rest of this process.
        seed: Seed of fresh weights, if ``params.weights`` is ``none``. Default: 0.
        layers: Names of the layers whose averages are the features; default: the top alone.
        root: The project folder, to which a weights file is relative; default: the current one.

    Raises:
        TrainError: As :func:`pixmill.models.backbones.build_backbone` raises it, or it cannot be converted.
    """
    origin: dict[str, Any] = {"seed": seed, "layers": layers, "root": root}
    key = blake3(f"{backbone_digest(params, **origin)} {image_size}".encode())
    name = f"{key.hexdigest(length=16)}.tflite"
    path = _folder(params, scratch) / name
    if path.exists():
        return path
    announce(f"features: converting {params.name} to LiteRT, once for these layers")
    fix_threads(threads)
    backbone = build_backbone(params, image_size=image_size, **origin)
    maps = {f"{MAP}{start}": values for start, values in feature_maps(backbone.output).items()}
    model = keras.Model(backbone.input, {FEATURES: backbone.output, **maps}, name="backbone")
    return convert(model, path)


def _folder(params: BackboneParams, scratch: Path) -> Path:
    """Return the folder of converted backbones: in the user's cache, if it can be written to."""
    if not params.name.startswith("plugin:"):
        with contextlib.suppress(OSError, RuntimeError):  # The user has no home.
            shared = user_cache_path("pixmill", appauthor=False) / "backbones"
            shared.mkdir(parents=True, exist_ok=True)
            if os.access(shared, os.W_OK):
                return shared
    return scratch


def convert(model: keras.Model, path: Path) -> Path:
    """Convert a network to a LiteRT file, and return it.

    LiteRT loads within a fraction of a second and needs no TensorFlow. Its outputs must match Keras'. Batch norm is
    folded into the convolutions beforehand, so equal weights give an equal file on every processor: the converter would
    fold it in the processor's own arithmetic.

    Args:
        model: Float32 pixels or features in, a float32 output or several, by name. Its own name is part of the file;
            Keras would number an unnamed one by a count of this process.
        path: The file to write.

    Raises:
        OSError: The file cannot be written.
        TrainError: The network cannot be converted.
    """
    try:
        with replacing(path) as temporary:
            with quiet():
                fold_batch_norm(model).export(str(temporary), format="litert", verbose=False)
            _require_agreement(model, temporary)
    except (ImportError, OSError):
        raise
    except Exception as error:  # Converters raise all kinds.
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        raise TrainError(
            f"the network '{model.name}' cannot be converted to LiteRT: {reason}",
            next="choose another network in params.yaml, then: dvc repro train",
        ) from error
    return path


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """Return an equivalent model in which convolutions include the batch norm that directly follows them.

    The weights are computed in ``float64`` and rounded once. Batch norm after anything else stays.

    Args:
        model: One flat functional graph.
    """
    # Layers may belong to other graphs, too.
    nodes = {node for nodes in model._nodes_by_depth.values() for node in nodes}
    convolution_of: dict[str, Any] = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            (node,) = nodes.intersection(layer._inbound_nodes)
            before = node.parent_nodes[0].operation
            is_linear = isinstance(before, keras.layers.Conv2D | keras.layers.DepthwiseConv2D) and (
                before.activation is keras.activations.linear
            )
            if is_linear and len(nodes.intersection(before._outbound_nodes)) == 1:
                convolution_of[layer.name] = before
    norm_of = {convolution.name: model.get_layer(name) for name, convolution in convolution_of.items()}

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        bias = {"use_bias": True} if layer.name in norm_of else {}
        return type(layer).from_config({**layer.get_config(), **bias})

    def call(layer: keras.layers.Layer, *arguments: Any, **named: Any) -> Any:
        return arguments[0] if layer.name in convolution_of else layer(*arguments, **named)

    folded = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for layer in (layer for layer in folded.layers if layer.weights):
        weights = model.get_layer(layer.name).get_weights()
        layer.set_weights(_fold(layer, weights, norm_of[layer.name]) if layer.name in norm_of else weights)
    # Resizing would otherwise switch what follows it to training mode: it is a layer of augmentation, too.
    folded.trainable = False
    return folded


def _fold(convolution: Any, weights: list[npt.NDArray[Any]], norm: Any) -> list[npt.NDArray[np.float32]]:
    """Return kernel and bias of a convolution that includes a batch norm."""
    kernel, *biases = (np.asarray(weight, np.float64) for weight in weights)
    gamma, beta, mean, variance = (
        np.float64(default) if variable is None else np.asarray(variable, np.float64)
        for variable, default in ((norm.gamma, 1), (norm.beta, 0), (norm.moving_mean, 0), (norm.moving_variance, 1))
    )
    scale = gamma / np.sqrt(variance + norm.epsilon)
    bias = beta + ((biases[0] if biases else 0.0) - mean) * scale
    # A depthwise kernel has the shape (height, width, channels, multiplier).
    shape = kernel.shape[-2:] if isinstance(convolution, keras.layers.DepthwiseConv2D) else kernel.shape[-1:]
    return [(kernel * scale.reshape(shape)).astype(np.float32), bias.astype(np.float32)]


def _require_agreement(model: keras.Model, path: Path) -> None:
    """Compare LiteRT's outputs with Keras' for random inputs of several magnitudes."""
    shape = (3, *model.input_shape[1:])
    scale = np.array([0, 64, 255]).reshape(-1, *[1] * (len(shape) - 1))
    inputs = np.rint(np.random.default_rng(0).random(shape) * scale).astype(np.float32)
    # GPUs may round to fewer digits.
    with tf.device("CPU"):
        outputs = model(inputs, training=False)
    network, names = load_outputs(path)
    converted = network(inputs, names)
    expected = outputs if isinstance(outputs, dict) else dict(zip(names, [outputs], strict=True))
    for name, output in expected.items():
        exact = np.asarray(output)
        if not np.allclose(converted[name], exact, rtol=0, atol=TOLERANCE * max(1.0, float(np.abs(exact).max()))):
            raise ValueError("its outputs differ from Keras'")
