"""Targets of a batch as tensors, with their loss, for each kind of head.

Apart from ``heads``, since models in use answer without TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixmill.core.cells import UNKNOWN, YES
from pixmill.core.params import TrainParams
from pixmill.heads import Head
from pixmill.heads.head import Targets
from pixmill.models.networks import objective
from pixmill.models.tensorflow import tf

Array = npt.NDArray[Any]


class Examples(NamedTuple):
    """The targets of a network's batches.

    Args:
        signature: Shape and type of a batch's targets.
        encode: Returns float targets, shape (n, labels), which augmentation may mix.
        loss: Returns the mean loss of a batch from encoded targets and logits, shape (n, labels);
            ``weighted``: whether classes are balanced, if asked for.
        tally: Returns the number of right answers, and of all answers that count, from the same.
    """

    signature: Any
    encode: Callable[[tf.Tensor], tf.Tensor]
    loss: Callable[..., tf.Tensor]
    tally: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def examples_of(head: Head, targets: Targets, params: TrainParams, labels: int) -> Examples:
    """Return the examples of a training split.

    Args:
        head: What the model answers.
        targets: Targets of all training images.
        params: The section ``train``.
        labels: Number of outputs.
    """
    return (_classes if head.is_exclusive else _cells)(targets, params, labels)


def _classes(targets: Targets, params: TrainParams, labels: int) -> Examples:
    """One class an image; images count whose main class has the largest score."""
    weights = np.ones(labels, np.float32)
    if params.class_weights:
        weights = balanced_weights(targets, labels)
    measure = objective(params)

    def loss(encoded: tf.Tensor, scores: tf.Tensor, *, weighted: bool) -> tf.Tensor:
        losses = measure.call(encoded, scores)
        if weighted:
            losses = losses * tf.linalg.matvec(encoded, weights)
        return tf.reduce_mean(losses)

    def tally(encoded: tf.Tensor, scores: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        hits = tf.argmax(scores, axis=1) == tf.argmax(encoded, axis=1)
        return tf.reduce_sum(tf.cast(hits, tf.float32)), tf.shape(encoded)[0]

    one_hot = partial(tf.one_hot, depth=labels)
    return Examples(tf.TensorSpec((None,), tf.int32), one_hot, loss, tally)


def _cells(targets: Targets, params: TrainParams, labels: int) -> Examples:
    """Yes, no or unknown for each label, encoded as 1, 0 and -1; known cells count."""
    smoothing = params.label_smoothing
    # Weight of a no and of a yes by label.
    weights = balanced_cells(targets) if params.class_weights else np.ones((2, labels), np.float32)

    def loss(encoded: tf.Tensor, scores: tf.Tensor, *, weighted: bool) -> tf.Tensor:
        known = tf.cast(encoded >= 0, tf.float32)
        yes = tf.cast(encoded > 0, tf.float32)
        smooth = yes * (1 - smoothing) + smoothing / 2
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=smooth, logits=scores) * known
        if weighted:
            losses = losses * tf.where(yes > 0, weights[1], weights[0])
        return tf.reduce_sum(losses) / tf.maximum(tf.reduce_sum(known), 1)

    def tally(encoded: tf.Tensor, scores: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        known = encoded >= 0
        hits = known & ((scores >= 0) == (encoded > 0))
        return tuple(tf.reduce_sum(tf.cast(each, tf.float32)) for each in (hits, known))

    encode = partial(tf.cast, dtype=tf.float32)
    return Examples(tf.TensorSpec((None, labels), tf.int8), encode, loss, tally)


def balanced_weights(targets: Targets, labels: int) -> Array:
    """Return class weights that give classes equal total weight, with mean 1 over the images.

    Args:
        targets: Class indices of all training images.
        labels: Number of classes.
    """
    counts = np.bincount(targets, minlength=labels)
    return np.where(counts > 0, len(targets) / (labels * np.maximum(counts, 1)), 0.0).astype(
        np.float32
    )


def balanced_cells(targets: Targets) -> Array:
    """Return weights of no and yes, shape (2, labels), that give both equal total weight.

    Their mean over the known cells of a label is 1.

    Args:
        targets: Cells of all training images.
    """
    yes = (targets == YES).sum(axis=0)
    known = (targets != UNKNOWN).sum(axis=0)
    counts = np.maximum(1, np.stack([known - yes, yes]))
    weights: Array = (known / (2 * counts)).astype(np.float32)
    return weights
