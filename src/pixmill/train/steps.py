"""One training step as a compiled function, and the batches of an epoch."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pixmill.core.params import TrainParams
from pixmill.images.parts import Part
from pixmill.metrics.arrays import Ints
from pixmill.models.augmentation import Augmenter
from pixmill.models.determinism import computing_with, reseed
from pixmill.models.networks import backbone_variables, logits_graph
from pixmill.models.tensorflow import keras, tf
from pixmill.train.examples import Array, Examples

Batch = tuple[Array, Array]
"""Packed images or features, and their targets."""

_PREFETCHED_BATCHES = 2
"""Number of batches that are read while the model computes."""


class Trainer:
    """Fit a classifier step by step.

    The classifier is trained in place and stays uncompiled. Randomness is a function of seed and
    epoch (:meth:`begin`), so a training resumed from the :meth:`state` at the end of an epoch gives
    the same bytes as an uninterrupted one.

    Args:
        classifier: Takes images of shape (image_size, image_size, 3), or one-dimensional features,
            which are not augmented.
        params: The section ``train``.
        examples: The targets of its batches.
        root: Project folder, whose ``src`` contains plugins. Default: the current folder.
    """

    def __init__(
        self,
        classifier: keras.Model,
        params: TrainParams,
        examples: Examples,
        *,
        root: Path = Path(),
    ) -> None:
        self._params = params
        self._examples = examples
        self._graph = logits_graph(classifier)
        self._augmenter = (
            Augmenter(params.augmentation, root=root) if len(classifier.input_shape) == 4 else None
        )
        self._groups = _groups(params, self._graph, backbone_variables(classifier))
        # Loss, accuracy and images are summed on the device; no step waits for a transfer.
        self._sums = {
            name: tf.Variable(tf.zeros(3, tf.float64), trainable=False)
            for name in ("train", "test")
        }
        self._rate: float | None = None
        signature = [
            tf.TensorSpec(
                (None, *classifier.input_shape[1:]), tf.uint8 if self._augmenter else tf.float32
            ),
            examples.signature,
        ]
        # On CPUs, XLA makes this kind of network several times slower.
        options = {"input_signature": signature, "jit_compile": False, "autograph": False}
        self._train = tf.function(lambda *batch: self._add("train", self.step, batch), **options)
        self._test = tf.function(lambda *batch: self._add("test", self._score, batch), **options)

    def begin(self, epoch: int) -> None:
        """Seed all randomness for an epoch, and reset the sums.

        Args:
            epoch: Number of the epoch, from 1.
        """
        reseed(self.variables, seed=self._params.seed, epoch=epoch)
        for sums in self._sums.values():
            sums.assign(np.zeros(3))

    def train(self, pixels: Array, targets: Array, rate: float) -> None:
        """Update the weights on one batch, and add its metrics before the update to the sums.

        Args:
            pixels: ``uint8`` of shape (n, image_size, image_size, 3), or features as ``float32`` of
                shape (n, d).
            targets: What the images show.
            rate: The learning rate of this step.
        """
        if rate != self._rate:
            for optimizer, _, factor in self._groups:
                optimizer.learning_rate.assign(rate * factor)
            self._rate = rate
        self._train(pixels, targets)

    def test(self, pixels: Array, targets: Array) -> None:
        """Add the metrics of one batch without augmentation to the sums.

        Args:
            pixels: As in :meth:`train`.
            targets: As in :meth:`train`.
        """
        self._test(pixels, targets)

    def figures(self, name: Literal["train", "test"]) -> tuple[float, float]:
        """Return mean loss and accuracy of the images trained or tested since :meth:`begin`."""
        loss, correct, count = (float(value) for value in self._sums[name].numpy())
        # Unknown labels do not count.
        count = max(count, 1.0)
        return loss / count, correct / count

    @property
    def variables(self) -> list[keras.Variable]:
        """Weights and random states in a fixed order, to reseed."""
        return [*self._graph.variables, *(self._augmenter.variables if self._augmenter else [])]

    def state(self) -> dict[str, Array]:
        """Return everything that the next epoch depends on, except for its number, by name."""
        return {
            name: np.asarray(variable.numpy()) for name, variable in self._state_variables().items()
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        """Restore a state.

        Args:
            state: The :meth:`state` of a trainer with the same classifier and params.
        """
        for name, variable in self._state_variables().items():
            variable.assign(state[name])
        # The learning rate of the optimizers was restored, too.
        self._rate = None

    def _state_variables(self) -> dict[str, Any]:
        variables = {
            f"weights.{index:04}": variable for index, variable in enumerate(self._graph.weights)
        }
        for group, (optimizer, _, _) in enumerate(self._groups):
            variables |= {
                f"optimizer.{group}.{index:04}": each
                for index, each in enumerate(optimizer.variables)
            }
        return variables

    def _add(self, name: str, step: Any, batch: tuple[Any, ...]) -> None:
        """Run a step on a batch, and add its metrics to the sums."""
        loss, correct, total = (tf.cast(value, tf.float64) for value in step(*batch))
        self._sums[name].assign_add(tf.stack([loss * total, correct, total]))

    def step(self, pixels: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Update the weights on a batch.

        Args:
            pixels: As in :meth:`train`.
            targets: As in :meth:`train`.

        Returns:
            Mean loss of the batch, number of right answers, and of answers that count.
        """
        labels = self._examples.encode(targets)
        if self._augmenter:
            pixels, labels = self._augmenter(pixels, labels)
        with tf.GradientTape() as tape:
            with computing_with(self._graph, self._params.precision):
                scores = self._graph(pixels, training=True)
            loss = self._examples.loss(labels, scores, weighted=True)
        variables = [variable for _, group, _ in self._groups for variable in group]
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        if self._params.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self._params.clip_norm)
        for optimizer, group, _ in self._groups:
            optimizer.apply(gradients[: len(group)], group)
            gradients = gradients[len(group) :]
        return loss, *self._examples.tally(labels, scores)

    def _score(self, pixels: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, ...]:
        labels = self._examples.encode(targets)
        scores = self._graph(tf.cast(pixels, tf.float32), training=False)
        loss = self._examples.loss(labels, scores, weighted=False)
        return loss, *self._examples.tally(labels, scores)


def epoch_order(count: int, *, seed: int, epoch: int) -> Ints:
    """Return the shuffled order of the images in an epoch.

    Args:
        count: Number of images.
        seed: The seed of the run.
        epoch: Number of the epoch, from 1.
    """
    return np.random.default_rng([seed, epoch]).permutation(count)


def feed(part: Part, size: int, order: Ints | None = None) -> Iterator[Batch]:
    """Yield batches, prefetched by a thread.

    Pixels stay bytes: floats would be four times as large to transfer, and the graph converts them
    quickly.

    Args:
        part: The images.
        size: Images per batch; the last batch may have fewer.
        order: Order of the rows. Default: as stored.
    """
    rows = np.arange(len(part)) if order is None else order

    def gather(start: int) -> Batch:
        chosen = rows[start : start + size]
        return np.ascontiguousarray(part.pixels[chosen]), part.targets[chosen]

    with ThreadPoolExecutor(1, "feed") as reader:
        pending: deque[Future[Batch]] = deque()
        for start in range(0, len(rows), size):
            pending.append(reader.submit(gather, start))
            if len(pending) > _PREFETCHED_BATCHES:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _groups(
    params: TrainParams, graph: keras.Model, slow: Sequence[keras.Variable]
) -> list[tuple[keras.optimizers.Optimizer, list[keras.Variable], float]]:
    """Return the optimizers, each with its variables and the factor of its learning rate.

    Args:
        params: The section ``train``.
        graph: The graph that is fitted.
        slow: Variables with a lower rate; empty without a backbone that is fine-tuned.
    """
    of_backbone = {id(variable) for variable in slow}
    parts: tuple[list[Any], list[Any]] = ([], [])
    for variable in graph.trainable_variables:
        parts[id(variable) in of_backbone].append(variable)
    groups = []
    for variables, factor in zip(parts, (1.0, params.backbone.rate_factor), strict=True):
        if variables:
            optimizer = _optimizer(params)
            optimizer.build(variables)
            groups.append((optimizer, variables, factor))
    return groups


def _optimizer(params: TrainParams) -> keras.optimizers.Optimizer:
    """Return an optimizer; its learning rate is set at each step."""
    if params.optimizer == "sgd":
        return keras.optimizers.SGD(params.learning_rate, momentum=params.momentum)
    if params.optimizer == "adam":
        return keras.optimizers.Adam(params.learning_rate)
    optimizer = keras.optimizers.AdamW(params.learning_rate, weight_decay=params.weight_decay)
    # Weight decay applies only to kernels, not to biases and normalisation parameters.
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer
