"""A pretrained network from pixels to features, as params choose it."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from pixmill.backbones.applications import build_application, check_file, load_weights
from pixmill.backbones.fresh import draw_anew
from pixmill.backbones.lite0 import WEIGHTS_SHA256, bundled_file, lite0_features, set_lite0_weights
from pixmill.files import file_digest
from pixmill.params import BackboneParams

if TYPE_CHECKING:
    import keras

__all__ = ["backbone_digest", "build_backbone"]


def build_backbone(params: BackboneParams, *, image_size: int, seed: int, root: Path | None = None) -> keras.Model:
    """Return a network from pixels to features.

    It is one functional graph, un-nested and uncompiled: float32 pixels from 0 to 255 of shape (n, image_size,
    image_size, 3) in, float32 features of shape (n, width) out, averaged over the last map. The change of size that
    ``params.image_size`` asks for and the network's own preprocessing are within.

    Args:
        params: The section ``train.backbone``.
        image_size: Side of the pictures in pixels.
        seed: What fresh weights are drawn from, where ``params.weights`` is ``none``.
        root: The project's folder, which a file of weights is relative to; default: the current one.

    Raises:
        TrainError: The weights cannot be had or are of another network, or the pictures are too small for it.
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
            load_weights(model, weights, params.name)
    else:
        model = build_application(pixels, x, params.name, weights=weights)
    if weights is None:
        draw_anew(model, seed)
    return model


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
        check_file(weights)
        origin = f"file {file_digest(weights)}"
    elif weights is None:
        origin = f"seed {seed}"
    else:
        # Keras checks what it downloads by the digests in its own code.
        origin = f"published {WEIGHTS_SHA256}" if params.name == "efficientnet_lite0" else "keras"
    parts = [f"network {params.name}", f"size {params.image_size}", f"weights {origin}"]
    parts += [f"{name} {importlib.metadata.version(name)}" for name in ("keras", "numpy", "tensorflow")]
    sources = sorted(Path(__file__).parent.glob("*.py"))
    parts += [f"{path.name} {blake3(path.read_bytes()).hexdigest()}" for path in sources]
    return blake3("\n".join(parts).encode()).hexdigest(length=16)


def _weights(params: BackboneParams, root: Path | None) -> str | Path | None:
    if params.weights == "imagenet":
        return params.weights
    return None if params.weights == "none" else (root or Path()) / params.weights
