"""RandAugment: two of many changes for each picture, all of one strength."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["rand_augment_amounts", "recolour"]

_SHAPES = {"rotation": 0.5236, "shift_x": 0.3, "shift_y": 0.3, "shear_x": 0.3, "shear_y": 0.3}
"""How far each goes at full strength, as :func:`pixmill.models.warping.warp` takes it (30 degrees, 0.3 of the side)."""

_COLOURS = ("brightness", "contrast", "saturation", "sharpness", "posterize", "solarize", "autocontrast")

_ALL = (*_SHAPES, *_COLOURS, "identity")

_DRAWN = 2
"""Changes of one picture."""

_GAIN = 0.9
"""How far brightness, contrast, saturation and sharpness go at full strength: from a tenth to nearly twice."""


def rand_augment_amounts(count: tf.Tensor, strength: float, seed: tf.Tensor) -> dict[str, tf.Tensor]:
    """Draw which changes each picture gets, and how far they go (Cubuk et al., 2020).

    Args:
        count: Pictures.
        strength: Above 0 to 1; 1 is as far as any change goes.
        seed: Two whole numbers.

    Returns:
        By name, each of shape (count,): -strength to strength for a change that was drawn, else 0; those that move a
        picture are named and scaled as :func:`pixmill.models.warping.warp` takes them.
    """
    import tensorflow as tf

    drawn = tf.random.stateless_uniform(tf.stack([2, count, len(_ALL)]), seed)
    chosen = tf.reduce_sum(tf.one_hot(tf.math.top_k(drawn[0], _DRAWN).indices, len(_ALL)), axis=1)
    amounts = tf.unstack(chosen * strength * (2 * drawn[1] - 1), axis=1)
    return {name: amount * _SHAPES.get(name, 1.0) for name, amount in zip(_ALL, amounts, strict=True)}


def recolour(pixels: tf.Tensor, amounts: dict[str, tf.Tensor]) -> tf.Tensor:
    """Return pictures whose colours were changed, one change behind the other, within 0 to 255.

    Args:
        pixels: ``float32`` of shape (n, side, side, 3), from 0 to 255.
        amounts: What :func:`rand_augment_amounts` drew; 0 leaves a picture as it is.
    """
    import tensorflow as tf

    amounts = {name: amounts[name][:, None, None, None] for name in _COLOURS}

    def away_from(base: tf.Tensor, name: str) -> tf.Tensor:
        return tf.clip_by_value(base + (pixels - base) * (1 + _GAIN * amounts[name]), 0, 255)

    pixels = away_from(tf.zeros(()), "brightness")
    grey = tf.reduce_sum(pixels * tf.constant([0.299, 0.587, 0.114]), axis=-1, keepdims=True)
    pixels = away_from(grey, "saturation")
    pixels = away_from(tf.reduce_mean(grey, axis=[1, 2], keepdims=True), "contrast")
    blurred = tf.nn.avg_pool2d(pixels, 3, 1, "SAME")
    pixels = away_from(blurred, "sharpness")
    # As many levels as 4 to 8 bits have.
    step = 2 ** tf.round(4 * tf.abs(amounts["posterize"]))
    pixels = tf.where(amounts["posterize"] == 0, pixels, tf.floor(pixels / step) * step)
    pixels = tf.where(pixels > 255 * (1 - tf.abs(amounts["solarize"])), 255 - pixels, pixels)
    low = tf.reduce_min(pixels, axis=[1, 2], keepdims=True)
    high = tf.reduce_max(pixels, axis=[1, 2], keepdims=True)
    stretched = tf.minimum((pixels - low) * (255 / tf.maximum(high - low, 1)), 255)
    return tf.where(amounts["autocontrast"] == 0, pixels, stretched)
