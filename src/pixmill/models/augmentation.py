"""Random changes of training pictures, a batch at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pixmill.models.determinism import reseed
from pixmill.models.loading import load_tensorflow
from pixmill.models.mixing import boxes, cutmix, even_shares, mixup
from pixmill.models.rand_augment import rand_augment_amounts, recolour
from pixmill.models.warping import SHAPES, warp
from pixmill.params import AugmentationParams

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

__all__ = ["Augmenter", "augmented"]

_ERASED, _LONG = (0.02, 0.33), 3.3
"""The share of a picture that is erased, and the most that one side of it is longer (Zhong et al., 2020)."""

_STREAM = 2**34
"""What tells the seeds of one step's draws apart: far above what a seed begins with."""


class Augmenter:
    """Change pictures at random, and their targets where pictures are mixed.

    It is no part of a classifier and never saved. What it draws follows from its one state, which
    :func:`pixmill.models.reseed` sets, from the steps since, and from a picture's place in its batch.

    Args:
        params: The changes; those that are off cost nothing.
    """

    def __init__(self, params: AugmentationParams) -> None:
        import keras

        self._params = params
        # The number only keeps one from being drawn: the state is set anew each epoch.
        self._chance = keras.random.SeedGenerator(0)

    @property
    def variables(self) -> list[keras.Variable]:
        """The state of chance."""
        return [self._chance.state]

    def __call__(self, pixels: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return a batch with its changes.

        Args:
            pixels: Numbers from 0 to 255 of shape (n, side, side, 3).
            targets: ``float32`` of shape (n, labels), rows that sum to one.

        Returns:
            Both as ``float32``, of the same shapes and in the same ranges.
        """
        import tensorflow as tf

        params, count = self._params, tf.shape(pixels)[0]
        seeds = self._seeds()
        pixels = tf.cast(pixels, tf.float32)
        amounts = _shapes(params, tf.random.stateless_uniform([len(SHAPES), count], seeds[0]))
        if params.rand_augment:
            more = rand_augment_amounts(count, params.rand_augment, seeds[1])
            amounts |= {name: more[name] + amounts.get(name, 0.0) for name in SHAPES if name in more}
            pixels = recolour(warp(pixels, amounts), more)
        else:
            pixels = warp(pixels, amounts)
        if params.brightness or params.contrast:
            pixels = _exposed(pixels, params, tf.random.stateless_uniform([2, count, 1, 1, 1], seeds[2]))
        if params.erasing:
            pixels = _erased(pixels, params.erasing, tf.random.stateless_uniform([5, count], seeds[3]))
        if params.mix == "none":
            return pixels, targets
        shares = even_shares(count, params.mix_alpha, seeds[4])
        if params.mix == "mixup":
            return mixup(pixels, targets, shares)
        return cutmix(pixels, targets, shares, tf.random.stateless_uniform([count, 2], seeds[5]))

    def _seeds(self) -> list[tf.Tensor]:
        """Return the seeds of this step's draws, and go on to the next step; each replica has its own."""
        import tensorflow as tf

        state = tf.cast(self._chance.next(), tf.int64)
        # There is none outside a step, where a sheet of samples is made.
        context = tf.distribute.get_replica_context()
        replica = tf.cast(context.replica_id_in_sync_group if context else 0, tf.int64)
        return [state + tf.stack([(8 * replica + stream) * _STREAM, 0]) for stream in range(6)]


def augmented(pixels: npt.NDArray[np.uint8], params: AugmentationParams, *, seed: int) -> npt.NDArray[np.uint8]:
    """Return pictures as training may see them in its first epoch, for people to look at.

    Args:
        pixels: ``uint8`` of shape (n, side, side, 3).
        params: The changes.
        seed: What chance follows from.
    """
    load_tensorflow()
    import tensorflow as tf

    augmenter = Augmenter(params)
    reseed(augmenter, seed=seed, epoch=1)
    changed, _ = augmenter(tf.constant(pixels), tf.zeros([len(pixels), 1]))
    rounded: npt.NDArray[np.uint8] = np.clip(np.rint(changed.numpy()), 0, 255).astype(np.uint8)
    return rounded


def _shapes(params: AugmentationParams, drawn: tf.Tensor) -> dict[str, tf.Tensor]:
    """Return how pictures are moved, by the names of :data:`SHAPES`; what is off is left out."""
    import tensorflow as tf

    farthest = {
        "rotation": math.radians(params.rotation),
        "zoom": params.zoom,
        "shift_x": params.shift,
        "shift_y": params.shift,
        "shear_x": params.shear,
        "shear_y": 0.0,
    }
    amounts = {name: (2 * drawn[SHAPES.index(name)] - 1) * most for name, most in farthest.items() if most}
    if params.flip:
        amounts["flip"] = tf.cast(drawn[SHAPES.index("flip")] < 0.5, tf.float32)
    return amounts


def _exposed(pixels: tf.Tensor, params: AugmentationParams, drawn: tf.Tensor) -> tf.Tensor:
    """Return pictures of another contrast, about their own mean, and of another brightness."""
    import tensorflow as tf

    brighter, stronger = tf.unstack(2 * drawn - 1)
    if params.contrast:
        mean = tf.reduce_mean(pixels, axis=[1, 2, 3], keepdims=True)
        pixels = mean + (pixels - mean) * (1 + params.contrast * stronger)
    return tf.clip_by_value(pixels + 255 * params.brightness * brighter, 0, 255)


def _erased(pixels: tf.Tensor, share: float, drawn: tf.Tensor) -> tf.Tensor:
    """Return pictures of which some have a rectangle of their mean colour."""
    import tensorflow as tf

    chosen, area, length, down, right = tf.unstack(drawn)
    area = _ERASED[0] + (_ERASED[1] - _ERASED[0]) * area
    longer = tf.exp(math.log(_LONG) * (2 * length - 1))
    height, width = tf.minimum(tf.sqrt(area * longer), 1), tf.minimum(tf.sqrt(area / longer), 1)
    # Wholly within the picture.
    centres = tf.stack([height / 2 + down * (1 - height), width / 2 + right * (1 - width)], axis=1)
    inside = boxes(centres, tf.stack([height, width], axis=1), pixels) & (chosen < share)[:, None, None, None]
    return tf.where(inside, tf.reduce_mean(pixels, axis=[1, 2], keepdims=True), pixels)
