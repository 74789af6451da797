"""Threads and random states, so that equal inputs give equal bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pixmill.models.loading import load_tensorflow

if TYPE_CHECKING:
    import keras

__all__ = ["fix_threads", "reseed"]


def fix_threads(threads: int) -> None:
    """Compute with a fixed number of threads and in a fixed order.

    The sum of floats depends on their order, and that on the number of threads: by default it would follow the
    machine's processors. Call it before the first computation; TensorFlow takes no other number after it.

    What NumPy multiplies is computed with as many; who uses SciPy or scikit-learn, which bring libraries of their own,
    sets those there.

    Args:
        threads: Threads within and between operations, whatever the number of processors.

    Raises:
        RuntimeError: TensorFlow has begun to compute with another number (a defect of the caller).
    """
    load_tensorflow()
    import tensorflow as tf
    from threadpoolctl import threadpool_limits

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
    # Under op determinism TensorFlow refuses random operations without a global seed, also those that have their own.
    tf.random.set_seed(0)
    threadpool_limits(threads)


def reseed(model: keras.Model | Iterable[keras.Variable], *, seed: int, epoch: int) -> None:
    """Set the state of every random layer by seed and epoch alone.

    The states are in no weights file, so a training that goes on from one could not know them otherwise.

    Args:
        model: The graph that is trained, or variables of which some are such states; their order counts.
        seed: The seed of the run.
        epoch: The epoch that is about to begin, from 1.
    """
    import numpy as np

    variables = getattr(model, "variables", model)
    states = [variable for variable in variables if variable.path.endswith("seed_generator_state")]
    for index, state in enumerate(states):
        state.assign(np.random.SeedSequence([seed, epoch, index]).generate_state(2))
