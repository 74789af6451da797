"""The loss that a classifier is fitted by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.params import TrainParams

if TYPE_CHECKING:
    import keras

__all__ = ["objective"]


def objective(params: TrainParams) -> keras.losses.Loss:
    """Return the cross-entropy between one-hot targets, or mixtures of them, and the outputs of ``scores_graph``.

    For a sigmoid end it is the mean of one binary cross-entropy a class, else the categorical one, in nats. Called
    with targets and scores, both float32 of shape (n, labels), and perhaps a weight a picture, it returns the mean.

    Args:
        params: The section ``train``.
    """
    import keras

    end = params.cnn.end if params.model == "cnn" else "softmax"
    kind = keras.losses.BinaryCrossentropy if end == "sigmoid" else keras.losses.CategoricalCrossentropy
    return kind(from_logits=end != "softmax", label_smoothing=params.label_smoothing, dtype="float32")
