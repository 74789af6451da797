"""Two pictures and their labels made one: blended (MixUp) or joined (CutMix)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["boxes", "cutmix", "even_shares", "mixup"]


def mixup(pixels: tf.Tensor, targets: tf.Tensor, shares: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Blend each picture with its neighbour in the batch (Zhang et al., 2018).

    Args:
        pixels: ``float32`` of shape (n, side, side, 3).
        targets: ``float32`` of shape (n, labels), rows that sum to one.
        shares: What each keeps of itself, 0 to 1, of shape (n,).
    """
    import tensorflow as tf

    of_pixels, of_targets = shares[:, None, None, None], shares[:, None]
    return (
        of_pixels * pixels + (1 - of_pixels) * tf.roll(pixels, 1, axis=0),
        of_targets * targets + (1 - of_targets) * tf.roll(targets, 1, axis=0),
    )


def cutmix(pixels: tf.Tensor, targets: tf.Tensor, shares: tf.Tensor, centres: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Put a square of its neighbour in the batch into each picture (Yun et al., 2019).

    Labels go by the pixels that were really taken: what lies beyond the edge does not count.

    Args:
        pixels: ``float32`` of shape (n, side, side, 3).
        targets: ``float32`` of shape (n, labels), rows that sum to one.
        shares: What each keeps of itself where the square lies wholly within, 0 to 1, of shape (n,).
        centres: Of the squares, as shares of the side, of shape (n, 2).
    """
    import tensorflow as tf

    length = tf.sqrt(1 - shares)
    inside = boxes(centres, tf.stack([length, length], axis=1), pixels)
    taken = tf.reduce_mean(tf.cast(inside, tf.float32), axis=[1, 2])
    return (
        tf.where(inside, tf.roll(pixels, 1, axis=0), pixels),
        (1 - taken) * targets + taken * tf.roll(targets, 1, axis=0),
    )


def boxes(centres: tf.Tensor, sizes: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
    """Return which pixels lie in a rectangle, truth values of shape (n, side, side, 1).

    Args:
        centres: Row and column, as shares of the side, of shape (n, 2).
        sizes: Height and width, as shares of the side, of shape (n, 2).
        pixels: The pictures, for their number and side.
    """
    import tensorflow as tf

    side = tf.shape(pixels)[1]
    places = (tf.range(tf.cast(side, tf.float32)) + 0.5) / tf.cast(side, tf.float32)
    within = tf.abs(places[None, None, :] - centres[:, :, None]) < sizes[:, :, None] / 2
    return (within[:, 0, :, None] & within[:, 1, None, :])[..., None]


def even_shares(count: tf.Tensor, alpha: float, seed: tf.Tensor) -> tf.Tensor:
    """Draw from the distribution Beta(alpha, alpha), of shape (count,).

    As a ratio of two gammas, each of alpha + 1 and brought down by a uniform number to the power 1 / alpha, by their
    logarithms: the gammas themselves are too near zero for floats where alpha is small.

    Args:
        count: How many.
        alpha: Above 0; the less, the nearer to 0 or 1.
        seed: Two whole numbers.
    """
    import tensorflow as tf

    shape = tf.stack([2, count])
    uniform = 1 - tf.random.stateless_uniform(shape, seed)
    gamma = tf.random.stateless_gamma(shape, seed + tf.constant([2**33, 0], seed.dtype), alpha + 1.0)
    logarithms = tf.math.log(gamma) + tf.math.log(uniform) / alpha
    return tf.sigmoid(logarithms[0] - logarithms[1])
