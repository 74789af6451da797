"""Pretrained backbones, from pixels to features."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import itertools
import json
import os
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from blake3 import blake3

from pixmill.core.errors import DownloadError, TrainError
from pixmill.core.files.writing import file_digest
from pixmill.core.install.extras import installed_version
from pixmill.core.install.plugins import load_plugin, plugin_digest, plugin_error
from pixmill.core.params import BackboneParams
from pixmill.core.provenance.results import digest_code
from pixmill.models.determinism import first_line
from pixmill.models.layers import AUTO, TOP, auto_layers, average_layers, join_features
from pixmill.models.lite import VARIANTS, lite_features, set_lite_weights
from pixmill.models.model_folder import find_disallowed_class
from pixmill.models.preset_files import pinned_folder, preset_of
from pixmill.models.presets import preset_features
from pixmill.models.tensorflow import keras


def build_backbone(
    params: BackboneParams,
    *,
    image_size: int,
    seed: int = 0,
    layers: Sequence[str] = (TOP,),
    root: Path = Path(),
) -> keras.Model:
    """Return a network from pixels to features; several networks are joined in one graph.

    The network is one flat, uncompiled functional graph. It takes float32 pixels from 0 to 255 of
    shape (n, image_size, image_size, 3) and returns float32 features of shape (n, width): the
    averages of some layers over the image, in the order of the layers. It includes resizing to
    ``params.image_size`` and the preprocessing of the backbone.

    For a preset of KerasHub, preprocessing and layers come from its files, see
    :func:`pixmill.models.presets.preset_features`.

    Args:
        params: The section ``train.backbone``.
        image_size: Side of the images in pixels.
        seed: Seed of fresh weights, if ``params.weights`` is ``none``. Default: 0.
        layers: Names of layers, see :func:`pixmill.models.layers.feature_layers`. Default: only the
            top.
        root: Project folder; weights files are relative to it, and its ``src`` contains plugins.
            Default: the current folder.

    Raises:
        PluginError: The plugin does not exist or returns an unsupported network.
        TrainError: The weights are missing or belong to another network, the images are too small,
            or a layer does not exist.
    """
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    models = [
        _build_network(pixels, network, seed=seed, layers=layers, root=root)
        for network in params.networks
    ]
    return models[0] if len(models) == 1 else join_features(pixels, models)


def _build_network(
    pixels: keras.KerasTensor,
    params: BackboneParams,
    *,
    seed: int,
    layers: Sequence[str],
    root: Path,
) -> keras.Model:
    """Return one network; the arguments are those of :func:`build_backbone`."""
    assert not isinstance(params.image_size, tuple)
    if preset_of(params) is not None:
        folder = pinned_folder(params, root)
        return _renumber_layers(
            preset_features(pixels, folder, layers, image_size=params.image_size)
        )
    x = pixels
    name = params.title
    if params.image_size not in (None, pixels.shape[1]):
        x = keras.layers.Resizing(
            params.image_size, params.image_size, interpolation="bilinear", name="resizing"
        )(x)
    weights = _weights_source(params, root)
    if name in APPLICATIONS:
        model = _build_application(pixels, x, name, weights=weights)
    else:
        if name.startswith("plugin:"):
            model = _build_plugin(pixels, x, name.removeprefix("plugin:"), root, seed=seed)
        else:
            x = keras.layers.GlobalAveragePooling2D(name="features")(lite_features(x, name))
            model = keras.Model(pixels, x, name=name)
            if weights == "imagenet":
                set_lite_weights(model, name)
        if isinstance(weights, Path):
            _load_weights(model, weights, name)
    if weights is None:
        _initialize_weights(model, seed)
    return average_layers(model, auto_layers(name) if tuple(layers) == (AUTO,) else layers)


def _initialize_weights(model: keras.Model, seed: int) -> None:
    """Initialise all kernels from a seed, as in He et al. (2015), "Delving deep into rectifiers".

    Batch norm stays in inference mode and does not normalise the scale. With the default
    initialisers of Keras the features vanish (1e-10 after MobileNetV2), and the head learns
    nothing.
    """
    for number, layer in enumerate(model.layers):
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            fan_in = np.prod(kernel.shape[: -2 if is_depthwise else -1])
            drawn = np.random.default_rng([seed, number]).standard_normal(kernel.shape)
            kernel.assign((drawn * np.sqrt(2 / fan_in)).astype(np.float32))


def backbone_digest(
    params: BackboneParams, *, seed: int = 0, layers: Sequence[str] = (TOP,), root: Path = Path()
) -> str:
    """Return a digest of everything that features depend on, except for the pixels and the machine.

    Of several networks, it is the digest of each, separated by spaces.
    The digest covers the network, its weights, its input size, the code that builds it, and library
    versions.

    Args:
        params: The section ``train.backbone``.
        seed: Seed of fresh weights. Default: 0.
        layers: Names of the layers whose averages are the features. Default: only the top.
        root: Project folder.

    Raises:
        TrainError: The weights file is missing.
    """
    if len(params.networks) > 1:
        return " ".join(
            backbone_digest(network, seed=seed, layers=layers, root=root)
            for network in params.networks
        )
    weights = _weights_source(params, root)
    libraries = ["keras", "numpy", "tensorflow"]
    name = params.title
    if preset_of(params) is not None:
        origin = f"preset {params.revision} {params.sha256}"
        libraries.insert(1, "keras-hub")
    elif isinstance(weights, Path):
        origin = f"file {file_digest(weights)}"
    elif weights is None:
        origin = f"seed {seed}"
    else:
        # Keras verifies its downloads against digests in its code. A plugin may draw its weights.
        origin = f"published {VARIANTS[name].sha256}" if name in VARIANTS else "keras"
    parts = [
        f"network {name}",
        f"layers {list(layers)}",
        f"size {params.image_size}",
        f"weights {origin}",
    ]
    if name.startswith("plugin:"):
        parts.append(
            f"{plugin_digest('backbones', name.removeprefix('plugin:'), root)} seed {seed}"
        )
    parts += [f"{name} {installed_version(name)}" for name in libraries]
    parts.append(f"litert {runtime_version()}")
    parts.append(digest_code("backbone"))
    return blake3("\n".join(parts).encode()).hexdigest(length=16)


def runtime_version() -> str:
    """Return the version of LiteRT."""
    return importlib.metadata.version("ai-edge-litert")


def _weights_source(params: BackboneParams, root: Path) -> str | Path | None:
    """Return ``imagenet``, a weights file, or ``None`` for fresh weights."""
    if params.weights == "imagenet":
        return params.weights
    if params.weights == "none":
        return None
    path = root / params.weights
    if not os.path.isfile(path):  # noqa: PTH113 (Path.is_file raises where access is denied)
        raise TrainError(
            f"train.backbone.weights: {path} is missing",
            next="put the file there, or set another file or 'imagenet' in params.yaml, then: dvc "
            "repro train",
        )
    return path


_MIN_SIDE = 75
"""Image side in pixels that every network accepts; most accept 32."""


class _Network(NamedTuple):
    """A network of Keras Applications and its preprocessing of pixels from 0 to 255."""

    builder: str
    scale: float = 1.0
    offset: list[float] | float | None = None
    reversed_channels: bool = False
    """Whether the weights expect BGR channel order."""


APPLICATIONS = {
    "convnext_tiny": _Network("ConvNeXtTiny"),
    "efficientnet_v2_b0": _Network("EfficientNetV2B0"),
    "efficientnet_v2_b1": _Network("EfficientNetV2B1"),
    "efficientnet_v2_b2": _Network("EfficientNetV2B2"),
    "efficientnet_v2_b3": _Network("EfficientNetV2B3"),
    "efficientnet_v2_s": _Network("EfficientNetV2S"),
    "mobilenet_v2": _Network("MobileNetV2", 1 / 127.5, -1.0),
    "mobilenet_v3_large": _Network("MobileNetV3Large"),
    "mobilenet_v3_small": _Network("MobileNetV3Small"),
    "resnet50": _Network("ResNet50", 1.0, [-123.68, -116.779, -103.939], reversed_channels=True),
}
"""Networks of Keras Applications by name in params.

Those without an offset include their preprocessing.
"""


def _build_application(
    pixels: keras.KerasTensor, x: keras.KerasTensor, name: str, *, weights: str | Path | None
) -> keras.Model:
    """Return a graph from pixels to globally average-pooled features of shape (n, width).

    Args:
        pixels: Input of the graph, from 0 to 255.
        x: Input of the network: the pixels, possibly resized.
        name: One of :data:`APPLICATIONS`.
        weights: ``imagenet`` for the weights that Keras downloads and caches, a file, or ``None``
            for random weights.

    Raises:
        TrainError: The weights are missing or belong to another network, or the images are too
            small.
    """
    network = APPLICATIONS[name]
    if network.offset is not None:
        x = keras.layers.Rescaling(network.scale, offset=network.offset, name="rescaling")(x)
    model = _call_builder(network, x, download=weights == "imagenet", name=name)
    if isinstance(weights, Path):
        _load_weights(model, weights, name)
    if network.reversed_channels and weights is not None:
        # Reorder the first kernel from BGR to RGB input.
        first = next(layer for layer in model.layers if layer.weights)
        kernel, *others = first.get_weights()
        first.set_weights([kernel[:, :, ::-1, :], *others])
    return _flatten(keras.Model(pixels, model.output, name=name))


def _build_plugin(
    pixels: keras.KerasTensor, x: keras.KerasTensor, name: str, root: Path, *, seed: int
) -> keras.Model:
    """Return the graph that a plugin builds, with the weights that the plugin loads or draws.

    Args:
        pixels: Input of the graph, from 0 to 255.
        x: Input of the network: the pixels, possibly resized.
        name: Name of the plugin.
        root: Project folder.
        seed: Seed of weights that the plugin draws.

    Raises:
        PluginError: The output has another type or shape, or a saved classifier could not be
            loaded.
    """
    built = graph_of(load_plugin("backbones", name, root), pixels, x, name=name, seed=seed)
    if isinstance(built, str):
        raise plugin_error("backbones", name, root, built)
    return built


def graph_of(
    function: Callable[[keras.KerasTensor], Any],
    pixels: keras.KerasTensor,
    x: keras.KerasTensor,
    *,
    name: str,
    seed: int,
) -> keras.Model | str:
    """Return the graph of a plugin, or why it cannot be used: "expected …, received …".

    Args:
        function: The plugin.
        pixels: As for the plugin's graph, as are the following.
        x: Input of the network.
        name: Name of the plugin.
        seed: Seed of its weights.
    """
    # The network is built several times, and the initialisers of Keras draw from the global seeds.
    keras.utils.set_random_seed(seed)
    y = function(x)
    if not isinstance(y, keras.KerasTensor) or len(y.shape) not in (2, 4):
        return (
            "expected a feature map (n, height, width, channels) or features (n, width), "
            f"received {y!r}"
        )
    if len(y.shape) == 4:
        y = keras.layers.GlobalAveragePooling2D()(y)
    model = _flatten(keras.Model(pixels, y, name=name.replace("-", "_")))
    nested = [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
    received = find_disallowed_class(json.loads(model.to_json()))
    if nested:
        received = f"the model '{nested[0]}' as a layer"
    elif model.output.dtype != "float32":
        received = received or str(model.output)
    if received:
        needed = "float32 and layers that Pixmill loads without their code"
        return f"expected {needed}, received {received}"
    return model


def _load_weights(model: keras.Model, path: Path, name: str) -> None:
    """Load the weights of a model from a file.

    Args:
        model: The model.
        path: File written by ``Model.save_weights`` or published by Keras.
        name: Name of the network in params.

    Raises:
        TrainError: The file belongs to another network, or is damaged, or has non-finite values.
    """
    import numpy as np

    try:
        with warnings.catch_warnings():
            # Keras only warns about weights that are missing from the file, and keeps the random
            # ones.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
        for weight in model.weights:
            if not np.isfinite(weight.numpy()).all():
                raise ValueError(f"{weight.path} has non-finite values")
    except Exception as error:
        raise TrainError(
            f"train.backbone.weights: {path} does not match {name} without its top layers "
            f"(expected a Keras .h5 file): {first_line(error)}",
            next="set train.backbone.name to the file's network, or choose another file, then: dvc "
            "repro train",
        ) from error


def _call_builder(
    network: _Network, x: keras.KerasTensor, *, download: bool, name: str
) -> keras.Model:
    """Return the network of Keras, with ImageNet weights or fresh ones."""
    builder: Callable[..., keras.Model] = getattr(keras.applications, network.builder)
    shape = tuple(x.shape[1:])
    try:
        # Standard output is for results, not for a progress bar.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            # Keras warns that the weights were trained at another image size.
            warnings.filterwarnings("ignore", message=".*input_shape", category=UserWarning)
            return builder(
                include_top=False,
                weights="imagenet" if download else None,
                input_tensor=x,
                input_shape=shape,
                pooling="avg",
            )
    except Exception as error:
        # Keras checks the size before downloading; a failed download raises another exception.
        if shape[0] < _MIN_SIDE and isinstance(error, ValueError):
            raise TrainError(
                f"images of {shape[0]} x {shape[1]} pixels are too small for {name}: "
                f"{first_line(error)}",
                next="set train.backbone.image_size in params.yaml, for example to 224, then: dvc "
                "repro train",
            ) from error
        if not download:
            raise
        raise DownloadError(
            f"the weights of {name} cannot be downloaded: {first_line(error)}",
            next="check the network connection; or, in params.yaml, set train.backbone.weights to "
            "a local file, or "
            "train.backbone.name to efficientnet_lite0, which is bundled; then: dvc repro train",
        ) from error


def _flatten(model: keras.Model) -> keras.Model:
    """Inline nested Sequential models, such as those of ConvNeXt, and renumber the layers."""
    flat = keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=_call_flat
    )
    return _renumber_layers(flat)


def _call_flat(layer: keras.layers.Layer, *arguments: Any, **named: Any) -> Any:
    if not isinstance(layer, keras.Sequential):
        return layer(*arguments, **named)
    (x,) = arguments
    for inner in layer.layers:
        x = inner(x)
    return x


def _renumber_layers(model: keras.Model) -> keras.Model:
    """Number automatically named layers from 0.

    Keras continues its count from one model to the next.
    """
    numbers: dict[str, itertools.count[int]] = {}
    for operation in model.operations:
        kind = type(operation).__name__.lower()
        if re.fullmatch(rf"{kind}\d*", operation.name.replace("_", "")):
            operation.name = f"{kind}_{next(numbers.setdefault(kind, itertools.count()))}"
    return model
