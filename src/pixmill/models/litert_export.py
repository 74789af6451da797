"""Conversion of networks to LiteRT."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt
from blake3 import blake3
from platformdirs import user_cache_path

from pixmill.core.errors import TrainError
from pixmill.core.files.writing import replacing, write_bytes
from pixmill.core.params import BackboneParams, TrainParams
from pixmill.core.process.progress import announce, report_progress
from pixmill.models.backbones import backbone_digest, build_backbone
from pixmill.models.determinism import fix_threads
from pixmill.models.layers import (
    Origin,
    feature_maps,
    head_features,
    head_graph,
    logits_of,
    origin_of,
)
from pixmill.models.litert import (
    BACKBONE,
    FEATURES,
    HEAD,
    LOGITS,
    MAP,
    NETWORK,
    load_outputs,
    quiet,
)
from pixmill.models.novelty import Novelty, add_novelty
from pixmill.models.tensorflow import keras, tf

TOLERANCE = 1e-3
"""Maximum difference from the output of Keras, relative to the largest output, at least to 1."""


def export_classifier(
    model: keras.Model,
    params: TrainParams,
    folder: Path,
    *,
    scratch: Path,
    novelty: Novelty | None = None,
    root: Path = Path(),
) -> None:
    """Convert a classifier to LiteRT, from pixels to logits.

    The model ``features`` is written to two files, since its head also runs on stored features;
    other models to one.

    Args:
        model: The classifier.
        params: The section ``train``.
        folder: ``artifacts/train``.
        scratch: Cache folder of features.
        novelty: Parameters of the output ``novelty``. Default: no such output.
        root: Project folder, to which a weights file is relative. Default: the current folder.

    Raises:
        TrainError: The classifier cannot be converted.
    """
    if not params.kind.on_features:
        # The classifier computes the final softmax, in float64.
        graph = keras.Model(model.input, logits_of(model), name="network")
        whole = add_novelty(graph, head_features(model), novelty, name=LOGITS)
        convert(whole, folder / NETWORK)
        return
    options = {"image_size": model.input_shape[1], "scratch": scratch, "threads": params.threads}
    backbone = convert_backbone(params.backbone, **options, **origin_of(params, root))
    head = head_graph(model)
    convert(add_novelty(head, head.input, novelty, name=LOGITS), folder / HEAD)
    write_bytes(folder / BACKBONE, backbone.read_bytes())


def convert_backbone(
    params: BackboneParams,
    *,
    image_size: int,
    scratch: Path,
    threads: int,
    **origin: Unpack[Origin],
) -> Path:
    """Return the LiteRT file of a frozen backbone, converting it unless cached.

    The file is shared by all projects of a user, in ``pixmill/backbones`` of the user's cache
    folder. Its name is a digest of the network, weights and code. The file of a plugin may depend
    on its project, so it is in ``scratch``.

    The outputs are named :data:`~pixmill.models.litert.FEATURES` and, for each feature map whose
    averages are features, :data:`~pixmill.models.litert.MAP` with the index of the first feature.

    Args:
        params: The section ``train.backbone``.
        image_size: Side of the images in pixels.
        scratch: Folder of plugins, and of all backbones if the user's cache is not writable.
        threads: Number of threads of TensorFlow, which converts; then fixed for the rest of this
            process.
        origin: Seed, layers and project folder.

    Raises:
        TrainError: As for :func:`pixmill.models.backbones.build_backbone`, or the backbone cannot
            be converted.
    """
    key = blake3(f"{backbone_digest(params, **origin)} {image_size}".encode())
    name = f"{key.hexdigest(length=16)}.tflite"
    path = _cache_folder(params, scratch) / name
    if path.exists():
        return path
    announce(f"features: converting {params.title} to LiteRT, once on this machine")
    report_progress("Convert the network, once on this machine", 0, None, "", is_kept=True)
    fix_threads(threads)
    backbone = build_backbone(params, image_size=image_size, **origin)
    maps = {f"{MAP}{start}": values for start, values in feature_maps(backbone.output).items()}
    model = keras.Model(backbone.input, {FEATURES: backbone.output, **maps}, name="backbone")
    return convert(model, path)


def _cache_folder(params: BackboneParams, scratch: Path) -> Path:
    """Return the folder for converted backbones: the user's cache, else the project."""
    if not params.title.startswith("plugin:"):
        with contextlib.suppress(
            OSError, RuntimeError
        ):  # RuntimeError: the user has no home folder.
            shared = user_cache_path("pixmill", appauthor=False) / "backbones"
            shared.mkdir(parents=True, exist_ok=True)
            if os.access(shared, os.W_OK):
                return shared
    return scratch


def convert(model: keras.Model, path: Path) -> Path:
    """Convert a network to a LiteRT file, and return the file.

    The outputs of LiteRT must match those of Keras. Batch norm is folded into the convolutions
    before the conversion; the arithmetic of the converter depends on the processor, which would
    change the bytes of the file.

    Args:
        model: Takes float32 pixels or features; returns one float32 output, or several by name. Its
            name is part of the file; an automatic name would depend on the number of models in this
            process.
        path: The file to write.

    Raises:
        OSError: The file cannot be written.
        TrainError: The network cannot be converted.
    """
    try:
        with replacing(path) as temporary:
            with quiet():
                fold_batch_norm(model).export(str(temporary), format="litert", verbose=False)
            _check_outputs(model, temporary)
    except (ImportError, OSError):
        raise
    except Exception as error:  # Converters raise all kinds of exceptions.
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        raise TrainError(
            f"the network '{model.name}' cannot be converted to LiteRT: {reason}",
            next="choose another network in params.yaml, then: dvc repro train",
        ) from error
    return path


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """Return an equivalent model whose convolutions include the batch norm after them.

    Weights are computed in ``float64`` and rounded once. Other batch norm layers stay.

    Args:
        model: One flat functional graph.
    """
    convolution_of = _foldable(model)
    norm_of = {
        convolution.name: model.get_layer(name) for name, convolution in convolution_of.items()
    }

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        bias = {"use_bias": True} if layer.name in norm_of else {}
        return type(layer).from_config({**layer.get_config(), **bias})

    def call(layer: keras.layers.Layer, *arguments: Any, **named: Any) -> Any:
        return arguments[0] if layer.name in convolution_of else layer(*arguments, **named)

    folded = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for layer in (layer for layer in folded.layers if layer.weights):
        weights = model.get_layer(layer.name).get_weights()
        layer.set_weights(
            _fold(layer, weights, norm_of[layer.name]) if layer.name in norm_of else weights
        )
    # In a trainable model, Resizing, which is also an augmentation, would switch later layers to
    # training mode.
    folded.trainable = False
    return folded


def _foldable(model: keras.Model) -> dict[str, Any]:
    """Return the linear convolution directly before each batch norm, by the name of the latter."""
    # Layers may also belong to other graphs.
    nodes = {node for nodes in model._nodes_by_depth.values() for node in nodes}
    found: dict[str, Any] = {}
    for layer in model.layers:
        if not isinstance(layer, keras.layers.BatchNormalization):
            continue
        (node,) = nodes.intersection(layer._inbound_nodes)
        before = node.parent_nodes[0].operation
        is_linear = (
            isinstance(before, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
            and before.activation is keras.activations.linear
        )
        if is_linear and len(nodes.intersection(before._outbound_nodes)) == 1:
            found[layer.name] = before
    return found


def _fold(
    convolution: Any, weights: list[npt.NDArray[Any]], norm: Any
) -> list[npt.NDArray[np.float32]]:
    """Return kernel and bias of a convolution with a folded batch norm."""
    kernel, *biases = (np.asarray(weight, np.float64) for weight in weights)
    gamma, beta, mean, variance = (
        np.float64(default) if variable is None else np.asarray(variable, np.float64)
        for variable, default in (
            (norm.gamma, 1),
            (norm.beta, 0),
            (norm.moving_mean, 0),
            (norm.moving_variance, 1),
        )
    )
    scale = gamma / np.sqrt(variance + norm.epsilon)
    bias = beta + ((biases[0] if biases else 0.0) - mean) * scale
    # A depthwise kernel has the shape (height, width, channels, multiplier).
    shape = (
        kernel.shape[-2:]
        if isinstance(convolution, keras.layers.DepthwiseConv2D)
        else kernel.shape[-1:]
    )
    return [(kernel * scale.reshape(shape)).astype(np.float32), bias.astype(np.float32)]


def _check_outputs(model: keras.Model, path: Path) -> None:
    """Compare the outputs of LiteRT with those of Keras for random inputs of several magnitudes."""
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
        if not np.allclose(
            converted[name], exact, rtol=0, atol=TOLERANCE * max(1.0, float(np.abs(exact).max()))
        ):
            raise ValueError("its outputs differ from Keras'")
