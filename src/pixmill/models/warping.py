"""Flips, rotations, zooms, shifts and shears of a batch, joined to one resampling of each picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["SHAPES", "warp"]

SHAPES = ("flip", "rotation", "zoom", "shift_x", "shift_y", "shear_x", "shear_y")
"""What :func:`warp` understands."""


def warp(pixels: tf.Tensor, amounts: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Return pictures that were moved as a plane: each is read once, between pixels, and goes on at its edges.

    Several layers that each resample cost several times as much and blur what they pass on.

    Args:
        pixels: ``float32`` of shape (n, side, side, 3).
        amounts: By name of :data:`SHAPES`, each of shape (n,): ``flip`` (1 for a mirrored picture, else 0),
            ``rotation`` (radians), ``zoom``, ``shift_*`` and ``shear_*`` (shares of the side).
    """
    import tensorflow as tf

    if not amounts:
        return pixels
    side = tf.shape(pixels)[1]
    centre = (tf.cast(side, tf.float32) - 1) / 2
    none = tf.zeros(tf.shape(pixels)[0])
    flip, rotation, zoom, shift_x, shift_y, shear_x, shear_y = (amounts.get(name, none) for name in SHAPES)
    cosine, sine, scale = tf.cos(rotation), tf.sin(rotation), 1 + zoom
    mirror = scale * (1 - 2 * flip)
    # Rows of rotation x shear x scale: where a pixel of the result is read, as seen from the centre.
    xx, xy = (cosine - sine * shear_y) * mirror, (cosine * shear_x - sine) * scale
    yx, yy = (sine + cosine * shear_y) * mirror, (sine * shear_x + cosine) * scale
    right = centre - (xx + xy) * centre + shift_x * tf.cast(side, tf.float32)
    down = centre - (yx + yy) * centre + shift_y * tf.cast(side, tf.float32)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=tf.stack([xx, xy, right, yx, yy, down, none, none], axis=1),
        output_shape=tf.stack([side, side]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
