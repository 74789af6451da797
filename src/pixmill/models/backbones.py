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

from blake3 import blake3

from pixmill.core.errors import DownloadError, TrainError
from pixmill.core.files.writing import file_digest
from pixmill.core.install.plugins import load_plugin, plugin_digest, plugin_error
from pixmill.core.params import BackboneParams
from pixmill.core.provenance.results import digest_code
from pixmill.models.determinism import first_line
from pixmill.models.layers import TOP, average_layers
from pixmill.models.lite0 import WEIGHTS_SHA256, bundled_file, lite0_features, set_lite0_weights
from pixmill.models.model_folder import find_disallowed_class
from pixmill.models.preset_files import pinned_folder, preset_of
from pixmill.models.presets import preset_features
from pixmill.models.tensorflow import keras


def build_backbone(
    params: BackboneParams, *, image_size: int, seed: int, layers: Sequence[str] = (TOP,), root: Path | None = None
) -> keras.Model:
    """Return a network from pixels to features.

    It is one flat, uncompiled functional graph: float32 pixels from 0 to 255 of shape (n, image_size, image_size, 3)
    in; float32 features of shape (n, width) out, the averages of some layers over the image, in their order. Resizing
    to ``params.image_size`` and the network's own preprocessing are included.

    A preset of KerasHub takes its own preprocessing and layers from its files, see
    :func:`pixmill.models.presets.preset_features`.

    Args:
        params: The section ``train.backbone``.
        image_size: Side of the images in pixels.
        seed: Seed of fresh weights, if ``params.weights`` is ``none``.
        layers: Names of layers, see :func:`pixmill.models.layers.feature_layers`; default: the top alone.
        root: The project folder, to which a weights file is relative, and whose ``src`` holds a plugin; default: the
            current one.

    Raises:
        PluginError: There is no such plugin, or it returns no such network.
        TrainError: The weights are not available or belong to another network, the images are too small, or the network
            has no such layer.
    """
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    if preset_of(params) is not None:
        folder = pinned_folder(params, root or Path())
        return _with_own_names(preset_features(pixels, folder, layers, image_size=params.image_size))
    x = pixels
    if params.image_size not in (None, image_size):
        x = keras.layers.Resizing(params.image_size, params.image_size, interpolation="bilinear", name="resizing")(x)
    weights = _weights(params, root)
    if params.name == "efficientnet_lite0":
        x = keras.layers.GlobalAveragePooling2D(name="features")(lite0_features(x))
        model = keras.Model(pixels, x, name=params.name)
        if weights == "imagenet":
            set_lite0_weights(model, bundled_file())
        elif isinstance(weights, Path):
            _load_weights(model, weights, params.name)
    elif params.name.startswith("plugin:"):
        model = _plugin(pixels, x, params.name.removeprefix("plugin:"), root or Path(), seed=seed)
        if isinstance(weights, Path):
            _load_weights(model, weights, params.name)
    else:
        model = _application(pixels, x, params.name, weights=weights)
    if weights is None:
        _draw_weights(model, seed)
    return average_layers(model, layers)


def _draw_weights(model: keras.Model, seed: int) -> None:
    """Initialise all kernels as in He et al. (2015), "Delving deep into rectifiers", from a seed.

    Batch norm stays in inference mode, so nothing else normalises the scale: with Keras' own initialisers the features
    vanish (1e-10 after MobileNetV2), and nothing is learned.
    """
    import numpy as np

    for number, layer in enumerate(model.layers):
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            fan_in = np.prod(kernel.shape[: -2 if is_depthwise else -1])
            drawn = np.random.default_rng([seed, number]).standard_normal(kernel.shape)
            kernel.assign((drawn * np.sqrt(2 / fan_in)).astype(np.float32))


def backbone_digest(
    params: BackboneParams, *, seed: int, layers: Sequence[str] = (TOP,), root: Path | None = None
) -> str:
    """Return a digest of everything that features depend on except the pixels and the machine.

    That is the network, its weights, its input size, the code that builds it, and the library versions.

    Args:
        params: The section ``train.backbone``.
        seed: Seed of fresh weights.
        layers: Names of the layers whose averages are the features; default: the top alone.
        root: The project folder.

    Raises:
        TrainError: The weights file is missing.
    """
    weights, libraries = _weights(params, root), ["keras", "numpy", "tensorflow"]
    if preset_of(params) is not None:
        origin = f"preset {params.revision} {params.sha256}"
        libraries.insert(1, "keras-hub")
    elif isinstance(weights, Path):
        origin = f"file {file_digest(weights)}"
    elif weights is None:
        origin = f"seed {seed}"
    else:
        # Keras verifies its downloads against the digests in its code. A plugin may draw weights.
        origin = f"published {WEIGHTS_SHA256}" if params.name == "efficientnet_lite0" else "keras"
    parts = [f"network {params.name}", f"layers {list(layers)}", f"size {params.image_size}", f"weights {origin}"]
    if params.name.startswith("plugin:"):
        parts.append(f"{plugin_digest('backbones', params.name.removeprefix('plugin:'), root or Path())} seed {seed}")
    parts += [f"{name} {importlib.metadata.version(name)}" for name in libraries]
    parts.append(f"litert {runtime_version()}")
    parts.append(digest_code("backbone"))
    return blake3("\n".join(parts).encode()).hexdigest(length=16)


def runtime_version() -> str:
    """Return the version of LiteRT."""
    return importlib.metadata.version("ai-edge-litert")


def _weights(params: BackboneParams, root: Path | None) -> str | Path | None:
    if params.weights == "imagenet":
        return params.weights
    if params.weights == "none":
        return None
    path = (root or Path()) / params.weights
    if not os.path.isfile(path):  # noqa: PTH113 (false, too, where access is denied)
        raise TrainError(
            f"train.backbone.weights: {path} is missing",
            next="put the file there, or set another file or 'imagenet' in params.yaml, then: dvc repro train",
        )
    return path


_SMALLEST = 75
"""Side in pixels below which a network may reject images; most accept 32 and more."""


class _Network(NamedTuple):
    """A network of Keras Applications and its preprocessing of pixels from 0 to 255."""

    builder: str
    scale: float = 1.0
    offset: tuple[float, ...] | float | None = None
    reversed_channels: bool = False
    """Whether its weights expect BGR channel order."""


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
    "resnet50": _Network("ResNet50", 1.0, (-123.68, -116.779, -103.939), reversed_channels=True),
}
"""By their names in params. Without an offset, the network includes its preprocessing."""


def _application(
    pixels: keras.KerasTensor, x: keras.KerasTensor, name: str, *, weights: str | Path | None
) -> keras.Model:
    """Return one graph from pixels to globally average-pooled features of shape (n, width).

    Args:
        pixels: The input, from 0 to 255.
        x: The network's input, such as the resized pixels, also from 0 to 255.
        name: One of :data:`APPLICATIONS`.
        weights: ``imagenet`` for those that Keras downloads or has cached, a file, or ``None`` for random ones.

    Raises:
        TrainError: The weights are not available or belong to another network, or the images are too small.
    """
    network = APPLICATIONS[name]
    if network.offset is not None:
        offset = network.offset if isinstance(network.offset, float) else list(network.offset)
        x = keras.layers.Rescaling(network.scale, offset=offset, name="rescaling")(x)
    model = _build(network, x, download=weights == "imagenet", name=name)
    if isinstance(weights, Path):
        _load_weights(model, weights, name)
    if network.reversed_channels and weights is not None:
        _reverse_channels(model)
    model = keras.Model(pixels, model.output, name=name)
    return _flatten(model)


def _plugin(pixels: keras.KerasTensor, x: keras.KerasTensor, name: str, root: Path, *, seed: int) -> keras.Model:
    """Return the graph that a team's own function builds, with the weights that it loads or draws.

    Args:
        pixels: The input, from 0 to 255.
        x: The network's input, such as the resized pixels, also from 0 to 255.
        name: The plugin's name.
        root: The project's folder.
        seed: Seed of weights that the function draws.

    Raises:
        PluginError: It returns something else, or what could not be loaded again.
    """
    function: Callable[[keras.KerasTensor], keras.KerasTensor] = load_plugin("backbones", name, root)
    # Keras' own initialisers draw from these, and the network is built several times.
    keras.utils.set_random_seed(seed)
    y = function(x)
    if not isinstance(y, keras.KerasTensor) or len(y.shape) not in (2, 4):
        problem = f"expected a feature map (n, height, width, channels) or features (n, width), received {y!r}"
        raise plugin_error("backbones", name, root, problem)
    if len(y.shape) == 4:
        y = keras.layers.GlobalAveragePooling2D()(y)
    model = _flatten(keras.Model(pixels, y, name=name.replace("-", "_")))
    nested = next((layer.name for layer in model.layers if isinstance(layer, keras.Model)), None)
    strange = f"the model '{nested}' as a layer" if nested else find_disallowed_class(json.loads(model.to_json()))
    if strange or model.output.dtype != "float32":
        problem = (
            f"expected float32 and layers that Pixmill loads without their code, received {strange or model.output}"
        )
        raise plugin_error("backbones", name, root, problem)
    return model


def _load_weights(model: keras.Model, path: Path, name: str) -> None:
    """Load a model's weights from a file.

    Args:
        model: The model.
        path: A file as ``Model.save_weights`` writes it, or as Keras publishes it.
        name: The network's name in params.

    Raises:
        TrainError: The file belongs to another network, or contains non-finite values.
    """
    import numpy as np

    try:
        with warnings.catch_warnings():
            # If a weight is missing from the file, Keras only warns and keeps the random one.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
        for weight in model.weights:
            if not np.isfinite(weight.numpy()).all():
                raise ValueError(f"{weight.path} is not finite everywhere")
    except Exception as error:
        raise TrainError(
            f"train.backbone.weights: {path} does not match {name} without its top layers (expected a Keras .h5 "
            f"file): {first_line(error)}",
            next="set train.backbone.name to the file's network, or choose another file, then: dvc repro train",
        ) from error


def _build(network: _Network, x: keras.KerasTensor, *, download: bool, name: str) -> keras.Model:
    """Return the network as Keras builds it, with ImageNet weights or fresh ones."""
    builder: Callable[..., keras.Model] = getattr(keras.applications, network.builder)
    shape = tuple(x.shape[1:])
    try:
        # Its progress bar would go to standard output, which is for results.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            # It is known that the weights were trained at another image size.
            warnings.filterwarnings("ignore", message=".*input_shape", category=UserWarning)
            return builder(
                include_top=False,
                weights="imagenet" if download else None,
                input_tensor=x,
                input_shape=shape,
                pooling="avg",
            )
    except Exception as error:
        # Keras checks the size before it fetches weights; a failed download raises another exception.
        if shape[0] < _SMALLEST and isinstance(error, ValueError):
            raise TrainError(
                f"images of {shape[0]} x {shape[1]} pixels are too small for {name}: {first_line(error)}",
                next="set train.backbone.image_size in params.yaml, for example to 224, then: dvc repro train",
            ) from error
        if not download:
            raise
        raise DownloadError(
            f"the weights of {name} cannot be downloaded: {first_line(error)}",
            next="check the network connection; or, in params.yaml, set train.backbone.weights to a local file, or "
            "train.backbone.name to efficientnet_lite0, which is bundled; then: dvc repro train",
        ) from error


def _reverse_channels(model: keras.Model) -> None:
    """Reorder the first kernel from BGR to RGB input, with the same output."""
    first = next(layer for layer in model.layers if layer.weights)
    kernel, *others = first.get_weights()
    first.set_weights([kernel[:, :, ::-1, :], *others])


def _flatten(model: keras.Model) -> keras.Model:
    """Return a model without nested Sequential ones, such as ConvNeXt's, and with the same names in each process."""
    flat = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=_call_flat)
    return _with_own_names(flat)


def _call_flat(layer: keras.layers.Layer, *arguments: Any, **named: Any) -> Any:
    if not isinstance(layer, keras.Sequential):
        return layer(*arguments, **named)
    (x,) = arguments
    for inner in layer.layers:
        x = inner(x)
    return x


def _with_own_names(model: keras.Model) -> keras.Model:
    """Renumber automatically named layers: Keras continues its count from one model to the next."""
    numbers: dict[str, itertools.count[int]] = {}
    for operation in model.operations:
        kind = type(operation).__name__.lower()
        if re.fullmatch(rf"{kind}\d*", operation.name.replace("_", "")):
            operation.name = f"{kind}_{next(numbers.setdefault(kind, itertools.count()))}"
    return model
