"""Targets of a batch as tensors, with their loss, for each kind of head.

Apart from ``heads``, since models in use answer without TensorFlow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from pixmill.core.cells import UNKNOWN, YES
from pixmill.core.params import TrainParams
from pixmill.heads import Head
from pixmill.heads.head import Targets
from pixmill.models.networks import objective
from pixmill.models.tensorflow import tf

Array = npt.NDArray[Any]


class Examples(ABC):
    """The targets of a network's batches.

    Args:
        signature: Shape and type of a batch's targets.
    """

    signature: Any

    @abstractmethod
    def encode(self, targets: tf.Tensor) -> tf.Tensor:
        """Return float targets, shape (n, labels), which augmentation may mix."""

    @abstractmethod
    def loss(self, encoded: tf.Tensor, scores: tf.Tensor, *, weighted: bool) -> tf.Tensor:
        """Return the mean loss of a batch.

        Args:
            encoded: Result of :meth:`encode`.
            scores: Logits, shape (n, labels).
            weighted: Whether classes are balanced, if asked for.
        """

    @abstractmethod
    def count(self, encoded: tf.Tensor, scores: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the number of right answers, and of all answers that count."""


class _Classes(Examples):
    """One class an image."""

    def __init__(self, params: TrainParams, labels: int, weights: Array | None) -> None:
        self.signature = tf.TensorSpec((None,), tf.int32)
        self._labels = labels
        self._weights = np.ones(labels, np.float32) if weights is None else weights
        self._objective = objective(params)

    def encode(self, targets: tf.Tensor) -> tf.Tensor:
        return tf.one_hot(targets, self._labels)

    def loss(self, encoded: tf.Tensor, scores: tf.Tensor, *, weighted: bool) -> tf.Tensor:
        losses = self._objective.call(encoded, scores)
        if weighted:
            losses = losses * tf.linalg.matvec(encoded, self._weights)
        return tf.reduce_mean(losses)

    def count(self, encoded: tf.Tensor, scores: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Count the images whose main class has the largest score."""
        hits = tf.argmax(scores, axis=1) == tf.argmax(encoded, axis=1)
        return tf.reduce_sum(tf.cast(hits, tf.float32)), tf.shape(encoded)[0]


class _Cells(Examples):
    """Yes, no or unknown for each label; unknown cells count for nothing.

    Encoded targets are 1, 0 and -1 like the cells.
    """

    def __init__(self, params: TrainParams, labels: int, weights: Array | None) -> None:
        self.signature = tf.TensorSpec((None, labels), tf.int8)
        self._smoothing = params.label_smoothing
        # Weight of a no and of a yes by label.
        self._weights = np.ones((2, labels), np.float32) if weights is None else weights

    def encode(self, targets: tf.Tensor) -> tf.Tensor:
        return tf.cast(targets, tf.float32)

    def loss(self, encoded: tf.Tensor, scores: tf.Tensor, *, weighted: bool) -> tf.Tensor:
        known = tf.cast(encoded >= 0, tf.float32)
        yes = tf.cast(encoded > 0, tf.float32)
        smooth = yes * (1 - self._smoothing) + self._smoothing / 2
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=smooth, logits=scores) * known
        if weighted:
            losses = losses * tf.where(yes > 0, self._weights[1], self._weights[0])
        return tf.reduce_sum(losses) / tf.maximum(tf.reduce_sum(known), 1)

    def count(self, encoded: tf.Tensor, scores: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Count the known cells that are right."""
        known = encoded >= 0
        hits = known & ((scores >= 0) == (encoded > 0))
        return tuple(tf.reduce_sum(tf.cast(each, tf.float32)) for each in (hits, known))


def examples_of(head: Head, targets: Targets, params: TrainParams, labels: int) -> Examples:
    """Return the examples of a training split.

    Args:
        head: What the model answers.
        targets: Targets of all training images.
        params: The section ``train``.
        labels: Number of outputs.
    """
    if head.end is None:
        weights = balanced_weights(targets, labels) if params.class_weights else None
        return _Classes(params, labels, weights)
    return _Cells(params, labels, balanced_cells(targets) if params.class_weights else None)


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
