"""One step of training, as one compiled function: change the pictures, compare, correct the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pixmill.models import backbone_variables, objective, reseed, scores_graph
from pixmill.models.augmentation import Augmenter
from pixmill.models.precision import Precision, computing_with
from pixmill.params import TrainParams

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

__all__ = ["Trainer", "balanced_weights"]

Array = npt.NDArray[Any]


class Trainer:
    """Fit a classifier step by step.

    The classifier itself is trained: its weights are the current ones at any time, and it stays uncompiled. Chance
    follows from seed and epoch (:meth:`begin`), so that a training which goes on from :meth:`state` at the end of an
    epoch comes to the same bytes as one that never stopped.

    Under a strategy, create classifier and trainer within its scope; every process then calls the same methods with the
    same whole batches, each replica takes its share of them, and gradients are averaged over the whole batch.

    Args:
        classifier: Takes pictures of shape (side, side, 3), or features of one axis; these are not changed at random.
        params: The section ``train``.
        labels: How many classes there are.
        class_weights: How much a picture of each class counts, of shape (labels,); default: all alike.
        precision: What inner layers compute with; default: as ``params`` say, ``float32`` for ``auto``.
        strategy: Where it is computed; default: the strategy in whose scope this is, else one device.
    """

    def __init__(
        self,
        classifier: keras.Model,
        params: TrainParams,
        *,
        labels: int,
        class_weights: Array | None = None,
        precision: Precision | None = None,
        strategy: tf.distribute.Strategy | None = None,
    ) -> None:
        import tensorflow as tf

        self._params = params
        self._labels = labels
        self._precision: Precision = precision or ("bfloat16" if params.precision == "bfloat16" else "float32")
        self._strategy = strategy or tf.distribute.get_strategy()
        self._class_weights = np.ones(labels, np.float32) if class_weights is None else np.float32(class_weights)
        self._objective = objective(params)
        with self._strategy.scope():
            self._graph = scores_graph(classifier)
            self._augmenter = Augmenter(params.augmentation) if len(classifier.input_shape) == 4 else None
            slow = {id(variable) for variable in backbone_variables(classifier)}
            trainable = self._graph.trainable_variables
            groups = [
                ([variable for variable in trainable if id(variable) not in slow], 1.0),
                ([variable for variable in trainable if id(variable) in slow], params.backbone.rate_factor),
            ]
            self._groups = [(_optimizer(params), variables, factor) for variables, factor in groups if variables]
            for optimizer, variables, _ in self._groups:
                optimizer.build(variables)
        # Not in the scope: they hold what was summed up over replicas, so that to look at them concerns nobody else.
        self._passed = {name: _Figures() for name in ("train", "test")}
        self._rate: float | None = None
        shape = classifier.input_shape[1:]
        taken = [
            tf.TensorSpec((None, *shape), tf.uint8 if self._augmenter else tf.float32),
            tf.TensorSpec((None,), tf.int32),
            tf.TensorSpec((None,), tf.float32),
            tf.TensorSpec((), tf.float32),
        ]
        # Replicas' values have no such signature. XLA compiles this kind of network to code that is several times
        # slower on processors.
        signature = None if self._several else taken
        self._train = tf.function(self._train_all, input_signature=signature, jit_compile=False, autograph=False)
        self._test = tf.function(self._test_all, input_signature=signature, jit_compile=False, autograph=False)

    def begin(self, epoch: int) -> None:
        """Set all chance to that of an epoch, and begin to count anew.

        Args:
            epoch: Its number, from 1.
        """
        reseed(self.variables, seed=self._params.seed, epoch=epoch)
        for figures in self._passed.values():
            figures.clear()

    def train(self, pixels: Array, targets: Array, rate: float) -> dict[str, tf.Tensor]:
        """Correct the weights by one batch, and return how it was told before.

        The figures stay on the device until someone makes them numbers, which waits for the step.

        Args:
            pixels: ``uint8`` of shape (n, side, side, 3), or features as ``float32`` of shape (n, d).
            targets: ``int32`` of shape (n,).
            rate: The learning rate of this step.

        Returns:
            ``loss`` and ``accuracy``, the batch's means.
        """
        if rate != self._rate:
            for optimizer, _, factor in self._groups:
                optimizer.learning_rate.assign(rate * factor)
            self._rate = rate
        loss, accuracy = self._train(*self._shared(pixels, targets))
        return {"loss": loss, "accuracy": accuracy}

    def test(self, pixels: Array, targets: Array) -> dict[str, tf.Tensor]:
        """Return how one batch is told, in ``float32`` and without changes.

        Args:
            pixels: As in :meth:`train`.
            targets: As in :meth:`train`.

        Returns:
            ``loss`` and ``accuracy``, the batch's means.
        """
        loss, accuracy = self._test(*self._shared(pixels, targets))
        return {"loss": loss, "accuracy": accuracy}

    def fitted(self) -> dict[str, float]:
        """Return ``loss`` and ``accuracy`` of all that was trained since :meth:`begin`, as means over pictures."""
        return self._passed["train"].means()

    def checked(self) -> dict[str, float]:
        """Return ``loss`` and ``accuracy`` of all that was tested since :meth:`begin`, as means over pictures."""
        return self._passed["test"].means()

    @property
    def variables(self) -> list[keras.Variable]:
        """Weights and states of chance, in one order: what :func:`pixmill.models.reseed` reads."""
        return [*self._graph.variables, *(self._augmenter.variables if self._augmenter else [])]

    def state(self) -> dict[str, Array]:
        """Return all that the next epoch depends on beside its number, by name."""
        return {name: np.asarray(variable.numpy()) for name, variable in self._lasting().items()}

    def restore(self, state: dict[str, Array]) -> None:
        """Go back to a state.

        Args:
            state: What :meth:`state` returned, of a trainer of the same classifier and params.

        Raises:
            ValueError: It is that of another one.
        """
        lasting = self._lasting()
        if set(state) != set(lasting):
            raise ValueError(f"expected {len(lasting)} arrays by the names of this training, received {len(state)}")
        for name, variable in lasting.items():
            if tuple(variable.shape) != state[name].shape:
                raise ValueError(f"{name}: expected the shape {tuple(variable.shape)}, received {state[name].shape}")
        for name, variable in lasting.items():
            variable.assign(state[name])
        # The rate is among what was restored.
        self._rate = None

    def _lasting(self) -> dict[str, Any]:
        lasting = {f"weights.{index:04}": variable for index, variable in enumerate(self._graph.weights)}
        for group, (optimizer, _, _) in enumerate(self._groups):
            lasting |= {f"optimizer.{group}.{index:04}": each for index, each in enumerate(optimizer.variables)}
        return lasting

    @property
    def _several(self) -> bool:
        return bool(self._strategy.num_replicas_in_sync > 1)

    def _shared(self, pixels: Array, targets: Array) -> tuple[Any, ...]:
        """Return what :meth:`step` takes, for the one device or dealt out to all replicas."""
        import tensorflow as tf

        count = len(targets)
        whole, counts = np.float32(count), np.ones(count, np.float32)
        if not self._several:
            return pixels, targets, counts, whole
        replicas = self._strategy.num_replicas_in_sync
        if count < replicas:
            # Nobody goes without: the last picture again, for nothing.
            rows = np.minimum(np.arange(replicas), count - 1)
            pixels, targets = pixels[rows], targets[rows]
            counts = (np.arange(replicas) < count).astype(np.float32)

        def deal(values: Array) -> Any:
            bounds = [len(values) * replica // replicas for replica in range(replicas + 1)]

            def share(context: tf.distribute.DistributedValues) -> tf.Tensor:
                replica = context.replica_id_in_sync_group
                return tf.constant(values[bounds[replica] : bounds[replica + 1]])

            return self._strategy.experimental_distribute_values_from_function(share)

        return deal(pixels), deal(targets), deal(counts), tf.constant(whole)

    def _train_all(self, *batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
        return self._add("train", self._strategy.run(self.step, args=batch), batch)

    def _test_all(self, *batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
        return self._add("test", self._strategy.run(self._look, args=batch), batch)

    def _add(self, name: str, figures: tuple[Any, Any], batch: tuple[Any, ...]) -> tuple[tf.Tensor, tf.Tensor]:
        """Count a batch, and return its loss and accuracy, of all replicas."""
        loss, right = figures
        if self._several:
            loss, right = (self._strategy.reduce("SUM", figure, axis=None) for figure in figures)
        *_, whole = batch
        self._passed[name].add(loss, right, whole)
        return loss, right / whole

    def step(
        self, pixels: tf.Tensor, targets: tf.Tensor, counts: tf.Tensor, whole: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Correct the weights by one replica's share of a batch: what ``strategy.run`` and ``keras.Model.fit`` call.

        Args:
            pixels: As in :meth:`train`.
            targets: As in :meth:`train`.
            counts: 1 for each picture, or 0 for one that only fills up, as ``float32`` of shape (n,).
            whole: Pictures of the whole batch, as ``float32``.

        Returns:
            What the share adds to the batch's mean loss, and how many of it were told right.
        """
        import tensorflow as tf

        wanted = tf.one_hot(targets, self._labels)
        pixels, wanted = self._augmenter(pixels, wanted) if self._augmenter else (pixels, wanted)
        weights = counts * tf.linalg.matvec(wanted, self._class_weights)
        with tf.GradientTape() as tape:
            with computing_with(self._graph, self._precision):
                scores = self._graph(pixels, training=True)
            loss = tf.reduce_sum(self._objective.call(wanted, scores) * weights) / whole
        variables = [variable for _, group, _ in self._groups for variable in group]
        gradients = self._clipped(tape.gradient(loss, [variable.value for variable in variables]))
        for optimizer, group, _ in self._groups:
            optimizer.apply(gradients[: len(group)], group)
            gradients = gradients[len(group) :]
        return loss, _right(scores, wanted, counts)

    def _look(
        self, pixels: tf.Tensor, targets: tf.Tensor, counts: tf.Tensor, whole: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow as tf

        wanted = tf.one_hot(targets, self._labels)
        scores = self._graph(tf.cast(pixels, tf.float32), training=False)
        loss = tf.reduce_sum(self._objective.call(wanted, scores) * counts) / whole
        return loss, _right(scores, wanted, counts)

    def _clipped(self, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        """Return gradients that are together no longer than the params say, over all replicas."""
        import tensorflow as tf

        if self._params.clip_norm is None:
            return gradients
        replicas = self._strategy.num_replicas_in_sync
        if self._several:
            gradients = tf.distribute.get_replica_context().all_reduce("SUM", gradients)
        clipped, _ = tf.clip_by_global_norm(gradients, self._params.clip_norm)
        # The optimizer will sum up over replicas once more.
        return [gradient / replicas for gradient in clipped] if self._several else list(clipped)


class _Figures:
    """Add up loss, accuracy and pictures on the device, so that no step waits for numbers."""

    def __init__(self) -> None:
        import tensorflow as tf

        self._sums = tf.Variable(tf.zeros(3, tf.float64), trainable=False)

    def clear(self) -> None:
        self._sums.assign(np.zeros(3))

    def add(self, loss: tf.Tensor, right: tf.Tensor, whole: tf.Tensor) -> None:
        import tensorflow as tf

        mean, right, whole = (tf.cast(value, tf.float64) for value in (loss, right, whole))
        self._sums.assign_add(tf.stack([mean * whole, right, whole]))

    def means(self) -> dict[str, float]:
        loss, right, count = (float(value) for value in self._sums.numpy())
        return {"loss": loss / count, "accuracy": right / count}


def balanced_weights(targets: Array, labels: int) -> Array:
    """Return how much a picture of each class counts so that all classes together weigh the same, one on average.

    Args:
        targets: The classes of all training pictures, by number.
        labels: How many classes there are.
    """
    counts = np.bincount(targets, minlength=labels)
    return np.where(counts > 0, len(targets) / (labels * np.maximum(counts, 1)), 0.0).astype(np.float32)


def _right(scores: tf.Tensor, wanted: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    """Return for how many pictures the largest score is that of the class they have most of."""
    import tensorflow as tf

    return tf.reduce_sum(tf.cast(tf.argmax(scores, axis=1) == tf.argmax(wanted, axis=1), tf.float32) * counts)


def _optimizer(params: TrainParams) -> keras.optimizers.Optimizer:
    """Return an optimizer whose rate is set step by step."""
    from keras import optimizers

    if params.optimizer == "sgd":
        return optimizers.SGD(params.learning_rate, momentum=params.momentum)
    if params.optimizer == "adam":
        return optimizers.Adam(params.learning_rate)
    optimizer = optimizers.AdamW(params.learning_rate, weight_decay=params.weight_decay)
    # Decay is for what multiplies pictures or features; offsets and scales are meant to have any size.
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer
