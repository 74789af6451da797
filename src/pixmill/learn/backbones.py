"""Pretrained networks from pixels to features, as params choose them."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import itertools
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from blake3 import blake3

from pixmill.core.code import code_digest
from pixmill.core.errors import TrainError
from pixmill.core.files import file_digest
from pixmill.core.params import BackboneParams
from pixmill.learn.determinism import first_line
from pixmill.learn.lite0 import WEIGHTS_SHA256, bundled_file, lite0_features, set_lite0_weights

if TYPE_CHECKING:
    import keras

__all__ = ["APPLICATIONS", "backbone_digest", "build_backbone"]

_SOURCES = ("backbones.py", "determinism.py", "features.py", "lite0.py")
"""The modules that features follow from."""


def build_backbone(params: BackboneParams, *, image_size: int, seed: int, root: Path | None = None) -> keras.Model:
    """Return a network from pixels to features.

    It is one functional graph, un-nested and uncompiled: float32 pixels from 0 to 255 of shape (n, image_size,
    image_size, 3) in, float32 features of shape (n, width) out, averaged over the last map. The change of size that
    ``params.image_size`` asks for and the network's own preprocessing are within.

    Args:
        params: The section ``train.backbone``.
        image_size: Side of the images in pixels.
        seed: What fresh weights are drawn from, where ``params.weights`` is ``none``.
        root: The project's folder, which a file of weights is relative to; default: the current one.

    Raises:
        TrainError: The weights cannot be had or are of another network, or the images are too small for it.
    """
    import keras
    from keras import layers

    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    x = pixels
    if params.image_size not in (None, image_size):
        x = layers.Resizing(params.image_size, params.image_size, interpolation="bilinear", name="resizing")(x)
    weights = _weights(params, root)
    if params.name == "efficientnet_lite0":
        x = layers.GlobalAveragePooling2D(name="features")(lite0_features(x))
        model = keras.Model(pixels, x, name=params.name)
        if weights == "imagenet":
            set_lite0_weights(model, bundled_file())
        elif isinstance(weights, Path):
            _load_weights(model, weights, params.name)
    else:
        model = _application(pixels, x, params.name, weights=weights)
    if weights is None:
        _draw_weights(model, seed)
    return model


def _draw_weights(model: keras.Model, seed: int) -> None:
    """Draw all kernels as He et al. (2015), "Delving deep into rectifiers", from a seed.

    Batch norm stays in inference, so nothing else keeps the scale: with Keras' own initializers the features of fresh
    weights vanish (1e-10 after MobileNetV2), and nothing is learned.
    """
    import numpy as np
    from keras import layers

    for number, layer in enumerate(model.layers):
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            fan_in = np.prod(kernel.shape[:-2] if isinstance(layer, layers.DepthwiseConv2D) else kernel.shape[:-1])
            drawn = np.random.default_rng([seed, number]).standard_normal(kernel.shape)
            kernel.assign((drawn * np.sqrt(2 / fan_in)).astype(np.float32))


def backbone_digest(params: BackboneParams, *, seed: int, root: Path | None = None) -> str:
    """Return a digest of all that features depend on besides the pixels and the machine.

    That is the network, its weights, the size within it, the code that builds it, and the versions of the libraries.

    Args:
        params: The section ``train.backbone``.
        seed: What fresh weights are drawn from.
        root: The project's folder.

    Raises:
        TrainError: A file of weights is missing.
    """
    weights = _weights(params, root)
    if isinstance(weights, Path):
        origin = f"file {file_digest(weights)}"
    elif weights is None:
        origin = f"seed {seed}"
    else:
        # Keras checks what it downloads by the digests in its own code.
        origin = f"published {WEIGHTS_SHA256}" if params.name == "efficientnet_lite0" else "keras"
    parts = [f"network {params.name}", f"size {params.image_size}", f"weights {origin}"]
    parts += [f"{name} {importlib.metadata.version(name)}" for name in ("keras", "numpy", "tensorflow")]
    parts.append(code_digest(Path(__file__).with_name(name) for name in _SOURCES))
    return blake3("\n".join(parts).encode()).hexdigest(length=16)


def _weights(params: BackboneParams, root: Path | None) -> str | Path | None:
    if params.weights == "imagenet":
        return params.weights
    if params.weights == "none":
        return None
    path = (root or Path()) / params.weights
    if not os.path.isfile(path):  # noqa: PTH113 (false, too, where the system refuses to look)
        raise TrainError(
            f"train.backbone.weights: {path} is missing",
            next="put the file there, or name another one or 'imagenet' in params.yaml, then: dvc repro train",
        )
    return path


_SMALLEST = 75
"""Side in pixels below which a network may refuse images: most accept 32 and more."""


class _Network(NamedTuple):
    """Name a network of Keras, and the preprocessing that it expects of pixels from 0 to 255."""

    builder: str
    scale: float = 1.0
    offset: tuple[float, ...] | float | None = None
    reversed_channels: bool = False
    """Whether its weights are for blue, green, red."""


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
"""By their names in params. Where no offset is given, the network has its preprocessing within."""


def _application(
    pixels: keras.KerasTensor, x: keras.KerasTensor, name: str, *, weights: str | Path | None
) -> keras.Model:
    """Return one graph from pixels to features of shape (n, width), averaged over the last map.

    Args:
        pixels: The input, from 0 to 255.
        x: What the network sees of them, such as another size, from 0 to 255 too.
        name: One of :data:`APPLICATIONS`.
        weights: ``imagenet`` to have Keras download them or take them from its cache, a file, or ``None`` for those
            that Keras draws by chance.

    Raises:
        TrainError: The weights cannot be had or are of another network, or the images are too small for it.
    """
    import keras

    network = APPLICATIONS[name]
    if network.offset is not None:
        offset = network.offset if isinstance(network.offset, float) else list(network.offset)
        x = keras.layers.Rescaling(network.scale, offset=offset, name="rescaling")(x)
    model = _built(network, x, download=weights == "imagenet", name=name)
    if isinstance(weights, Path):
        _load_weights(model, weights, name)
    if network.reversed_channels and weights is not None:
        _reverse_channels(model)
    model = keras.Model(pixels, model.output, name=name)
    # ConvNeXt has sequences of layers as layers.
    flat = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=_call_flat)
    _name_anew(flat)
    return flat


def _load_weights(model: keras.Model, path: Path, name: str) -> None:
    """Give a model the weights in a file.

    Args:
        model: The model.
        path: A file as ``Model.save_weights`` writes it, or as Keras' own host has it.
        name: The network's name in params.

    Raises:
        TrainError: The file is of another network, or holds what is no number.
    """
    import numpy as np

    try:
        with warnings.catch_warnings():
            # Where a weight is absent from the file, Keras only warns and leaves chance in its place.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
        for weight in model.weights:
            if not np.isfinite(weight.numpy()).all():
                raise ValueError(f"{weight.path} is not finite everywhere")
    except Exception as error:
        raise TrainError(
            f"train.backbone.weights: {path} does not fit {name} without its last layers (a file of Keras that ends "
            f"in .h5): {first_line(error)}",
            next="name the network that the file is of as train.backbone.name, or another file, then: dvc repro train",
        ) from error


def _built(network: _Network, x: keras.KerasTensor, *, download: bool, name: str) -> keras.Model:
    """Return the network as Keras builds it, with the weights of ImageNet or fresh ones."""
    import keras

    builder: Callable[..., keras.Model] = getattr(keras.applications, network.builder)
    shape = tuple(x.shape[1:])
    try:
        # Its bar of progress goes to standard output, where results are.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            # That the weights were fitted to images of another size is known.
            warnings.filterwarnings("ignore", message=".*input_shape", category=UserWarning)
            return builder(
                include_top=False,
                weights="imagenet" if download else None,
                input_tensor=x,
                input_shape=shape,
                pooling="avg",
            )
    except Exception as error:
        # Keras refuses a size before it asks for weights, and what it cannot fetch with another exception.
        if shape[0] < _SMALLEST and isinstance(error, ValueError):
            raise TrainError(
                f"images of {shape[0]} x {shape[1]} pixels are too small for {name}: {first_line(error)}",
                next="set train.backbone.image_size in params.yaml, to 224 to begin with, then: dvc repro train",
            ) from error
        if not download:
            raise
        raise TrainError(
            f"the weights of {name} cannot be downloaded: {first_line(error)}",
            next="connect to the network; or, in params.yaml, set train.backbone.weights to a file that you have, or "
            "train.backbone.name to efficientnet_lite0, which is installed; then: dvc repro train",
        ) from error


def _reverse_channels(model: keras.Model) -> None:
    """Turn the first kernel from blue, green, red to red, green, blue: what comes of the images is the same."""
    first = next(layer for layer in model.layers if layer.weights)
    kernel, *others = first.get_weights()
    first.set_weights([kernel[:, :, ::-1, :], *others])


def _call_flat(layer: keras.layers.Layer, *arguments: Any, **named: Any) -> Any:
    import keras

    if not isinstance(layer, keras.Sequential):
        return layer(*arguments, **named)
    (x,) = arguments
    for inner in layer.layers:
        x = inner(x)
    return x


def _name_anew(model: keras.Model) -> None:
    """Number the layers that Keras named by counting: it goes on counting from one model to the next."""
    numbers: dict[str, itertools.count[int]] = {}
    for operation in model.operations:
        kind = type(operation).__name__.lower()
        if re.fullmatch(rf"{kind}\d*", operation.name.replace("_", "")):
            operation.name = f"{kind}_{next(numbers.setdefault(kind, itertools.count()))}"
