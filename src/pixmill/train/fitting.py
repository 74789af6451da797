"""Epochs until it gets no better."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from pixmill.errors import TrainError
from pixmill.models import reseed, training_graph
from pixmill.params import TrainParams
from pixmill.parts import Part
from pixmill.progress import Progress
from pixmill.train.history import Epoch, best_of, is_over

if TYPE_CHECKING:
    import keras

__all__ = ["fit"]

_MOMENTUM = 0.9


def fit(
    classifier: keras.Model,
    training: Part,
    validation: Part,
    params: TrainParams,
    on_epoch: Callable[[Epoch], None],
) -> list[Epoch]:
    """Fit a classifier and leave it with the weights of its best epoch.

    The order of the pictures and all that is random follow from seed and epoch, so equal inputs give equal weights.

    Args:
        classifier: A fresh classifier; it stays uncompiled.
        training: What it learns from.
        validation: What tells when it gets no better.
        params: The section ``train``.
        on_epoch: Called after each epoch.

    Returns:
        The figures of each epoch.

    Raises:
        TrainError: The loss is no number any more.
    """
    graph = training_graph(classifier, params.augmentation)
    # XLA compiles this kind of network to code that is several times slower on processors.
    graph.compile(_optimizer(params), "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    history: list[Epoch] = []
    best = classifier.get_weights()
    with Progress("Train", len(training) * params.epochs) as progress:
        while not is_over(history, epochs=params.epochs, patience=params.patience):
            epoch = _epoch(graph, training, validation, params, len(history) + 1, progress)
            history.append(epoch)
            if best_of(history) is epoch:
                best = classifier.get_weights()
            on_epoch(epoch)
    classifier.set_weights(best)
    return history


def _epoch(
    graph: keras.Model, training: Part, validation: Part, params: TrainParams, number: int, progress: Progress
) -> Epoch:
    reseed(graph, seed=params.seed, epoch=number)
    order = np.random.default_rng([params.seed, number]).permutation(len(training))
    fitted, checked = _Mean(), _Mean()
    for pixels, targets in training.batches(params.batch_size, order):
        fitted.add(graph.train_on_batch(pixels, targets, return_dict=True), len(targets))
        _require_number(fitted["loss"], number, params)
        progress.advance(len(targets), f"epoch {number} of {params.epochs}, loss {fitted['loss']:.3f}")
    for pixels, targets in validation.batches(params.batch_size):
        checked.add(graph.test_on_batch(pixels, targets, return_dict=True), len(targets))
    _require_number(checked["loss"], number, params)
    progress.advance(0, f"epoch {number} of {params.epochs}, validation accuracy {checked['accuracy']:.3f}")
    return Epoch(
        number,
        train_loss=fitted["loss"],
        train_accuracy=fitted["accuracy"],
        val_loss=checked["loss"],
        val_accuracy=checked["accuracy"],
    )


class _Mean:
    """Average figures over pictures: Keras begins anew with each batch that it is given."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, figures: Mapping[str, float], count: int) -> None:
        self._count += count
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value) * count

    def __getitem__(self, name: str) -> float:
        return self._sums[name] / self._count


def _require_number(loss: float, epoch: int, params: TrainParams) -> None:
    if not math.isfinite(loss):
        raise TrainError(
            f"the loss is not a number any more in epoch {epoch} (optimizer {params.optimizer}, "
            f"learning rate {params.learning_rate:g})",
            next="lower train.learning_rate in params.yaml, by ten to begin with, then: dvc repro",
        )


def _optimizer(params: TrainParams) -> keras.optimizers.Optimizer:
    import keras

    if params.optimizer == "sgd":
        return keras.optimizers.SGD(params.learning_rate, momentum=_MOMENTUM)
    return keras.optimizers.Adam(params.learning_rate)
