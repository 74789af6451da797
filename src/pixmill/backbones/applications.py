"""The networks of ``keras.applications``, as parts of one graph without graphs in it."""

from __future__ import annotations

import contextlib
import io
import itertools
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pixmill.errors import TrainError

if TYPE_CHECKING:
    import keras

__all__ = ["APPLICATIONS", "build_application", "check_file", "load_weights"]

_SMALLEST = 75
"""Side in pixels below which a network may not do: most do down to 32."""


class _Application(NamedTuple):
    """Name a network of Keras, and what it wants of pixels from 0 to 255."""

    builder: str
    scale: float = 1.0
    offset: tuple[float, ...] | float | None = None
    reversed_channels: bool = False
    """Whether its weights are for blue, green, red."""


APPLICATIONS = {
    "convnext_tiny": _Application("ConvNeXtTiny"),
    "efficientnet_v2_b0": _Application("EfficientNetV2B0"),
    "efficientnet_v2_b1": _Application("EfficientNetV2B1"),
    "efficientnet_v2_b2": _Application("EfficientNetV2B2"),
    "efficientnet_v2_b3": _Application("EfficientNetV2B3"),
    "efficientnet_v2_s": _Application("EfficientNetV2S"),
    "mobilenet_v2": _Application("MobileNetV2", 1 / 127.5, -1.0),
    "mobilenet_v3_large": _Application("MobileNetV3Large"),
    "mobilenet_v3_small": _Application("MobileNetV3Small"),
    "resnet50": _Application("ResNet50", 1.0, (-123.68, -116.779, -103.939), reversed_channels=True),
}
"""By their names in params. Where no offset is given, the network has its preprocessing within."""


def build_application(
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
        TrainError: The weights cannot be had or are of another network, or the pictures are too small for it.
    """
    import keras

    application = APPLICATIONS[name]
    if application.offset is not None:
        offset = application.offset if isinstance(application.offset, float) else list(application.offset)
        x = keras.layers.Rescaling(application.scale, offset=offset, name="rescaling")(x)
    model = _built(application, x, download=weights == "imagenet", name=name)
    if isinstance(weights, Path):
        load_weights(model, weights, name)
    if application.reversed_channels and weights is not None:
        _reverse_channels(model)
    model = keras.Model(pixels, model.output, name=name)
    # ConvNeXt has sequences of layers as layers.
    flat = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=_call_flat)
    _name_anew(flat)
    return flat


def load_weights(model: keras.Model, path: Path, name: str) -> None:
    """Give a model the weights in a file.

    Args:
        model: The model.
        path: A file as ``Model.save_weights`` writes it, or as Keras' own host has it.
        name: The network's name in params.

    Raises:
        TrainError: The file is absent, is of another network, or holds what is no number.
    """
    import numpy as np
    import tensorflow as tf

    # What such a file asks for may be larger than any memory.
    harms = (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)
    check_file(path)
    try:
        with warnings.catch_warnings():
            # Where a weight is absent from the file, Keras only warns and leaves chance in its place.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
    except (*harms, UserWarning, zipfile.BadZipFile, tf.errors.OpError) as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise TrainError(
            f"train.backbone.weights: {path} does not fit {name} without its last layers (a file of Keras that ends "
            f"in .h5): {reason}",
            next="name the network that the file is of as train.backbone.name, or another file, then: dvc repro train",
        ) from error
    for weight in model.weights:
        if not np.isfinite(weight.numpy()).all():
            raise TrainError(
                f"train.backbone.weights: {path} is damaged: {weight.path} in it is not finite everywhere",
                next="put the file there anew, or name another one or 'imagenet' in params.yaml, then: dvc repro train",
            )


def check_file(path: Path) -> None:
    """Make sure that a file of weights is there.

    Raises:
        TrainError: It is absent, or the system refuses to look for it.
    """
    try:
        why = None if path.is_file() else "is missing"
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
    if why:
        raise TrainError(
            f"train.backbone.weights: {path} {why}",
            next="put the file there, or name another one or 'imagenet' in params.yaml, then: dvc repro train",
        )


def _built(application: _Application, x: keras.KerasTensor, *, download: bool, name: str) -> keras.Model:
    """Return the network as Keras builds it, with the weights of ImageNet or fresh ones."""
    import keras

    builder: Callable[..., keras.Model] = getattr(keras.applications, application.builder)
    shape = tuple(x.shape[1:])
    try:
        # Its bar of progress goes to standard output, where results are.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            # That the weights were fitted to pictures of another size is known.
            warnings.filterwarnings("ignore", message=".*input_shape", category=UserWarning)
            return builder(
                include_top=False,
                weights="imagenet" if download else None,
                input_tensor=x,
                input_shape=shape,
                pooling="avg",
            )
    except Exception as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        # Keras refuses a size before it asks for weights, and what it cannot fetch with another exception.
        if shape[0] < _SMALLEST and isinstance(error, ValueError):
            raise TrainError(
                f"pictures of {shape[0]} x {shape[1]} pixels are too small for {name}: {reason}",
                next="set train.backbone.image_size in params.yaml, to 224 to begin with, then: dvc repro train",
            ) from error
        if not download:
            raise
        raise TrainError(
            f"the weights of {name} cannot be downloaded: {reason}",
            next="connect to the network; or, in params.yaml, set train.backbone.weights to a file that you have, or "
            "train.backbone.name to efficientnet_lite0, which is installed; then: dvc repro train",
        ) from error


def _reverse_channels(model: keras.Model) -> None:
    """Turn the first kernel from blue, green, red to red, green, blue: what comes of the pictures is the same."""
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
        stem = _snake(type(operation).__name__)
        if re.fullmatch(rf"{stem}(_\d+)?", operation.name):
            operation.name = f"{stem}_{next(numbers.setdefault(stem, itertools.count()))}"


def _snake(name: str) -> str:
    """Return the name that Keras gives to a layer of a class."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
