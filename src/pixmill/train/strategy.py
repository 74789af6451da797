"""The devices of a training: one device, all GPUs of this machine, or several processes."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pixmill.core.errors import TrainError
from pixmill.core.params import TrainParams
from pixmill.learn.tensorflow import tf

_NAMES = ("auto", "one", "mirrored", "multi_worker")

_EXAMPLE = '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'

Array = npt.NDArray[Any]


class Replicas:
    """Run steps on the replicas of the current strategy, each with its share of a batch.

    Outside any strategy there is a single replica.
    """

    def __init__(self) -> None:
        self._strategy = tf.distribute.get_strategy()
        self._count = int(self._strategy.num_replicas_in_sync)
        self._alone = not tf.distribute.has_strategy()

    def compile(self, step: Callable[..., Any], signature: Sequence[tf.TensorSpec]) -> Callable[..., Any]:
        """Return a step as one graph, for batches of any size.

        XLA compiles this kind of network to code that is several times slower on CPUs.
        """
        # Per-replica values have no signature.
        known = signature if self._count == 1 else None
        graph: Callable[..., Any] = tf.function(step, input_signature=known, jit_compile=False, autograph=False)
        return graph

    def share(self, pixels: Array, targets: Array) -> tuple[Any, ...]:
        """Return a batch in the form a step takes: with a weight of 1 per image, and the number of images."""
        total, weights = np.float32(len(targets)), np.ones(len(targets), np.float32)
        if self._count == 1:
            return pixels, targets, weights, total
        if len(targets) < self._count:
            # Every replica needs an image: repeat the last one with weight 0.
            rows = np.minimum(np.arange(self._count), len(targets) - 1)
            weights = (np.arange(self._count) < len(targets)).astype(np.float32)
            pixels, targets = pixels[rows], targets[rows]

        def deal(values: Array) -> Any:
            shares = np.array_split(values, self._count)
            return self._strategy.experimental_distribute_values_from_function(
                lambda context: tf.constant(shares[context.replica_id_in_sync_group])
            )

        return deal(pixels), deal(targets), deal(weights), tf.constant(total)

    def run(self, step: Callable[..., tuple[Any, ...]], batch: tuple[Any, ...]) -> tuple[tf.Tensor, ...]:
        """Run a step in each replica, and return the sums of the results; within a compiled graph."""
        if self._alone:
            return step(*batch)
        results = self._strategy.run(step, args=batch)
        if self._count == 1:
            return tuple(results)
        return tuple(self._strategy.reduce("SUM", result, axis=None) for result in results)

    def clip(self, gradients: list[tf.Tensor], norm: float) -> list[tf.Tensor]:
        """Return this replica's share of the gradients, clipped to a global norm; within a step.

        The optimizer sums the shares.
        """
        if self._count > 1:
            gradients = tf.distribute.get_replica_context().all_reduce("SUM", gradients)
        return [gradient / self._count for gradient in tf.clip_by_global_norm(gradients, norm)[0]]

    def place(self) -> tf.Tensor | int:
        """Return the number of this replica; within a step."""
        return tf.distribute.get_replica_context().replica_id_in_sync_group if self._count > 1 else 0


def choose_strategy(params: TrainParams) -> tf.distribute.Strategy:
    """Return the strategy that ``PIXMILL_STRATEGY`` names.

    ``one`` is one GPU, or the CPU if there is none; ``mirrored`` all GPUs of this machine; ``multi_worker`` the
    processes that ``TF_CONFIG`` lists, each of which must be started. ``auto`` is ``mirrored`` with several GPUs, else
    ``one``. Call it after :func:`pixmill.learn.determinism.fix_threads` and before any computation.

    Args:
        params: The section ``train``.

    Raises:
        TrainError: The strategy is unknown, or this machine, ``TF_CONFIG`` or the params do not allow it.
    """
    name = _name()
    if name == "multi_worker":
        _task()
        if params.minutes is not None or params.precision == "auto":
            # The processes would diverge and deadlock.
            raise TrainError(
                "train.minutes and train.precision: auto do not work with several processes, which measure separately",
                next="set train.minutes to null and train.precision to float32 in params.yaml on every machine",
            )
        if threading.current_thread() is threading.main_thread():
            # TensorFlow waits for the others without returning to Python, so let Ctrl-C act at once.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = len(tf.config.list_physical_devices("GPU"))
    if name == "mirrored" and gpus < 2:
        raise TrainError(
            f"PIXMILL_STRATEGY=mirrored needs at least two GPUs; TensorFlow detects {gpus}",
            next="unset PIXMILL_STRATEGY, then: dvc repro train",
        )
    if name == "one" or gpus < 2:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy()


def several_processes() -> bool:
    """Tell whether several processes train together.

    Raises:
        TrainError: ``PIXMILL_STRATEGY`` is not a strategy.
    """
    return _name() == "multi_worker"


def is_chief() -> bool:
    """Tell whether this process writes outputs: of several, only the first does.

    Raises:
        TrainError: ``PIXMILL_STRATEGY`` is not a strategy, or ``TF_CONFIG`` does not say which process this is.
    """
    if not several_processes():
        return True
    cluster, kind, index = _task()
    return kind == "chief" or ("chief" not in cluster and index == 0)


def _name() -> str:
    name = os.environ.get("PIXMILL_STRATEGY") or "auto"
    if name not in _NAMES:
        raise TrainError(
            f"PIXMILL_STRATEGY: expected {', '.join(_NAMES[:-1])} or {_NAMES[-1]}, received {name!r}",
            next="unset PIXMILL_STRATEGY, then: dvc repro train",
        )
    return name


def _task() -> tuple[dict[str, Any], str, int]:
    """Return the cluster of ``TF_CONFIG``, and the type and index of this process."""
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text)
        cluster, kind, index = config["cluster"], config["task"]["type"], config["task"]["index"]
        if kind in ("chief", "worker") and index in range(len(cluster[kind])):
            return cluster, kind, index
    except (LookupError, TypeError, ValueError):
        pass
    raise TrainError(
        "PIXMILL_STRATEGY=multi_worker needs TF_CONFIG, JSON that lists all processes and identifies this one; "
        f"received {text or 'none'!r}",
        next=f"export TF_CONFIG='{_EXAMPLE}', with a different index for each process, then: dvc repro train",
    )
