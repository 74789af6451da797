"""Grad-CAM: the regions of an image that support a class.

The last layer with spatial dimensions gives the feature maps. Each map is weighted by the mean gradient of the class's
score with respect to it; the positive part of the weighted sum is the heatmap. The score is the logit, before softmax
or sigmoid, so that the gradient does not vanish for a saturated class.

Source: Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra, "Grad-CAM: Visual Explanations from Deep Networks via
Gradient-based Localization", ICCV 2017, equations 1 and 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pixmill.learn.tensorflow import keras, tf

if TYPE_CHECKING:
    from pixmill.learn.litert import Network

_BATCH = 16
"""Images per batch: gradients keep all activations in memory."""

_SOME, _MOST = np.array([250, 190, 60], np.float32), np.array([205, 30, 20], np.float32)
"""Colours of the weakest and the strongest evidence."""


def attention(
    model: keras.Model, pixels: npt.NDArray[np.uint8], classes: Sequence[int]
) -> npt.NDArray[np.float32] | None:
    """Return a heatmap of the evidence for a class for each image: shape (images, image_size, image_size), from 0 to 1.

    A heatmap that is zero everywhere shows no evidence for the class. Returns ``None`` if no layer has spatial
    dimensions, as in a model that flattens at once.

    Args:
        model: The classifier: one un-nested graph, the last layer with weights a dense one.
        pixels: ``uint8`` of shape (images, image_size, image_size, 3).
        classes: A class index for each image.
    """
    layer = _last_with_places(model)
    if layer is None or not len(pixels):
        return None
    end = next(layer for layer in reversed(model.layers) if isinstance(layer, keras.layers.Dense))
    graph = keras.Model(model.input, [layer.output, end.input])
    maps = [
        _maps(graph, end, pixels[start : start + _BATCH], np.asarray(classes[start : start + _BATCH]))
        for start in range(0, len(pixels), _BATCH)
    ]
    image_size = pixels.shape[1]
    return np.stack([_upsample(heat, image_size) for heat in np.concatenate(maps)])


def attention_of_features(
    maps: npt.NDArray[np.float32], head: Network, classes: Sequence[int], *, image_size: int
) -> npt.NDArray[np.float32]:
    """Return the same for a head on features that are the mean of the last feature map, without gradients.

    The evidence at each place is the class's logit for the features there, minus that for features of zero. If the head
    is linear, its gradient is its kernel, so this is Grad-CAM.

    Args:
        maps: The last feature maps, shape (images, height, width, width of the features).
        head: Features in, logits out.
        classes: A class index for each image.
        image_size: Side of the images in pixels.
    """
    count, height, width, channels = maps.shape
    logits = head(maps.reshape(-1, channels)).reshape(count, height, width, -1)
    evidence = logits - head(np.zeros((1, channels), np.float32))
    chosen = np.maximum(evidence[np.arange(count), :, :, np.asarray(classes)], 0)
    return np.stack([_upsample(heat, image_size) for heat in chosen])


def overlay_heatmap(pixels: npt.NDArray[np.uint8], heat: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return the image in greyscale with the heatmap on top, from amber (weak) to red (strong).

    Args:
        pixels: ``uint8`` of shape (image_size, image_size, 3).
        heat: From 0 to 1, shape (image_size, image_size).
    """
    grey = pixels.mean(axis=-1, keepdims=True, dtype=np.float32)
    level = heat[..., None]
    colours = (1 - level) * _SOME + level * _MOST
    depth = 0.85 * np.sqrt(level)
    shown: npt.NDArray[np.uint8] = np.clip(np.rint((1 - depth) * grey + depth * colours), 0, 255).astype(np.uint8)
    return shown


def _last_with_places(model: keras.Model) -> keras.layers.Layer | None:
    """Return the last layer whose output has height and width, skipping pooling layers, which only blur."""
    for layer in reversed(model.layers):
        if type(layer).__name__ == "InputLayer" or "Pooling" in type(layer).__name__:
            continue
        shape: tuple[int | None, ...] = getattr(layer.output, "shape", ())
        if len(shape) == 4 and shape[1:3] != (1, 1):
            return layer
    return None


def _maps(
    graph: keras.Model, end: Any, pixels: npt.NDArray[np.uint8], classes: npt.NDArray[np.integer]
) -> npt.NDArray[np.float32]:
    inputs = tf.constant(pixels, tf.float32)
    with tf.GradientTape() as tape:
        # A frozen backbone's weights are not watched, so the inputs must be.
        tape.watch(inputs)
        maps, features = graph(inputs, training=False)
        scores = keras.ops.matmul(keras.ops.cast(features, "float32"), end.kernel) + end.bias
        score = keras.ops.sum(scores * keras.ops.one_hot(classes, scores.shape[-1]))
    gradients = np.asarray(tape.gradient(score, maps), np.float32)
    weights = gradients.mean(axis=(1, 2), keepdims=True)
    evidence: npt.NDArray[np.float32] = (weights * np.asarray(maps, np.float32)).sum(axis=-1)
    return np.maximum(evidence, 0)


def _upsample(heat: npt.NDArray[np.float32], image_size: int) -> npt.NDArray[np.float32]:
    most = float(heat.max())
    if not most > 0:
        return np.zeros((image_size, image_size), np.float32)
    image = Image.fromarray(heat / most).resize((image_size, image_size), Image.Resampling.BILINEAR)
    return np.clip(np.asarray(image, np.float32), 0, 1)
