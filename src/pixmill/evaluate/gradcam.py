"""Grad-CAM: the regions of an image that support a class.

The feature maps come from the last layer with spatial dimensions, or from several layers if LiteRT
computes features that average several. Each map is weighted by the mean gradient of the class score
with respect to it. The weighted sums of all layers are resized to the image and added; the positive
part is the heatmap. The score is the logit before softmax or sigmoid, because the gradient of a
saturated probability vanishes.

Source: Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra, "Grad-CAM: Visual Explanations from
Deep Networks via Gradient-based Localization", ICCV 2017, equations 1 and 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from pixmill.core.process.progress import track
from pixmill.models.tensorflow import keras, tf

if TYPE_CHECKING:
    from pixmill.models.litert import Maps, Network

Pixels = npt.NDArray[np.uint8]
Heat = npt.NDArray[np.float32]

_BATCH = 16
"""Images per batch; gradients keep all activations in memory."""

_WEAK = np.array([250, 190, 60], np.float32)
_STRONG = np.array([205, 30, 20], np.float32)
"""Colours of weak and strong evidence."""


def attention(model: keras.Model, pixels: Pixels, classes: Sequence[int]) -> Heat | None:
    """Return a heatmap from 0 to 1 per image of the evidence for a class, as large as the image.

    A heatmap without evidence is all zero. Returns ``None`` if no layer has spatial dimensions, as
    in a model that flattens its input.

    Args:
        model: The classifier: one graph without nested models, whose last layer with weights is
            dense.
        pixels: ``uint8`` of shape (images, image_size, image_size, 3).
        classes: Class index per image.
    """
    layer = _last_spatial_layer(model)
    if layer is None or not len(pixels):
        return None
    end = next(layer for layer in reversed(model.layers) if isinstance(layer, keras.layers.Dense))
    graph = keras.Model(model.input, [layer.output, end.input])
    heat = []
    starts = range(0, len(pixels), _BATCH)
    for start in track(starts, "Heatmaps", len(starts), unit="batch"):
        chosen = np.eye(model.output_shape[-1], dtype=np.float32)[
            np.asarray(classes[start : start + _BATCH])
        ]
        batch = tf.constant(pixels[start : start + _BATCH], tf.float32)
        with tf.GradientTape() as tape:
            # The weights of a frozen backbone are not watched, so watch the inputs.
            tape.watch(batch)
            maps, features = graph(batch, training=False)
            scores = keras.ops.matmul(keras.ops.cast(features, "float32"), end.kernel) + end.bias
            score = keras.ops.sum(scores * chosen)
        weights = np.asarray(tape.gradient(score, maps), np.float32).mean(
            axis=(1, 2), keepdims=True
        )
        evidence = (weights * np.asarray(maps, np.float32)).sum(axis=-1)
        heat += [_combine([part], pixels.shape[1]) for part in evidence]
    return np.stack(heat)


def attention_of_features(
    maps: Maps,
    features: Heat,
    head: Network,
    classes: Sequence[int],
    *,
    image_size: int,
) -> Heat:
    """Return :func:`attention` for a head on averaged feature maps, without gradients.

    The evidence at a position is the decrease of the class logit if that position becomes zero. For
    a linear head this equals Grad-CAM, because the gradient is the kernel.

    Args:
        maps: Feature maps by the index of their first feature.
        features: Features, shape (images, width).
        head: Function from features to logits.
        classes: Class index per image.
        image_size: Side of the images in pixels.
    """
    heat = []
    for row, place in enumerate(classes):
        whole = head(features[row : row + 1])[0, place]
        evidence = []
        for start, values in maps.items():
            height, width, channels = values.shape[1:]
            without = np.repeat(features[row : row + 1], height * width, axis=0)
            without[:, start : start + channels] -= values[row].reshape(-1, channels) / (
                height * width
            )
            # Scaled by the number of positions, so that maps of different sizes are comparable.
            share = (whole - head(without)[:, place]) * (height * width)
            evidence.append(share.reshape(height, width))
        heat.append(_combine(evidence, image_size))
    return np.stack(heat)


def overlay_heatmap(pixels: Pixels, heat: Heat) -> Pixels:
    """Return the image in greyscale, overlaid with the heatmap from amber (weak) to red (strong).

    Args:
        pixels: ``uint8`` of shape (image_size, image_size, 3).
        heat: From 0 to 1, shape (image_size, image_size).
    """
    grey = pixels.mean(axis=-1, keepdims=True, dtype=np.float32)
    level = heat[..., None]
    colours = (1 - level) * _WEAK + level * _STRONG
    depth = 0.85 * np.sqrt(level)
    shown: Pixels = np.clip(np.rint((1 - depth) * grey + depth * colours), 0, 255).astype(np.uint8)
    return shown


def _last_spatial_layer(model: keras.Model) -> keras.layers.Layer | None:
    """Return the last layer with a spatial output, other than pooling and input layers."""
    for layer in reversed(model.layers):
        kind = type(layer).__name__
        if kind in ("InputLayer", "Rescaling", "Resizing") or "Pooling" in kind:
            continue
        shape: tuple[int | None, ...] = getattr(layer.output, "shape", ())
        if len(shape) == 4 and shape[1:3] != (1, 1):
            return layer
    return None


def _combine(evidence: Sequence[Heat], image_size: int) -> Heat:
    """Return the positive part of the sum of maps at the image's size, scaled to at most 1."""
    size = (image_size, image_size)
    heat = sum(
        np.asarray(Image.fromarray(part.astype(np.float32)).resize(size, Image.Resampling.BILINEAR))
        for part in evidence
    )
    highest = float(np.max(heat))
    if not highest > 0:
        return np.zeros(size, np.float32)
    return np.clip(heat / highest, 0, 1).astype(np.float32)
