"""Reproducible TensorFlow: loaded quietly, with fixed threads and seeds."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pixmill.models.tensorflow import keras, tf


def first_line(error: Exception) -> str:
    """Return the first line of an exception of Keras or TensorFlow, or its repr if it has no message."""
    return (str(error).strip() or repr(error)).splitlines()[0]


def fix_threads(threads: int) -> None:
    """Compute with a fixed number of threads and in a fixed order.

    A sum of floats depends on the summation order, and that on the number of threads, by default that of the machine's
    processors. Call it before the first computation; TensorFlow does not accept another number afterwards.

    It also applies to NumPy's matrix products; callers of SciPy or scikit-learn, which bring their own libraries, must
    limit those themselves.

    Args:
        threads: Threads within and between operations, whatever the number of processors.

    Raises:
        RuntimeError: TensorFlow has already computed with another number (a bug in the caller).
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
    # With op determinism TensorFlow rejects random operations without a global seed, even those that have their own.
    tf.random.set_seed(0)
    # Last: where a model needs the extra `pipeline`, the message names Keras, not this.
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)


def reseed(model: keras.Model | Iterable[keras.Variable], *, seed: int, epoch: int) -> None:
    """Set the state of every random layer from seed and epoch alone.

    Weights files do not contain these states, so a resumed training could not restore them otherwise.

    Args:
        model: The training graph, or variables that include such states; their order matters.
        seed: The seed of the run.
        epoch: The epoch that is about to begin, from 1.
    """
    variables = getattr(model, "variables", model)
    states = [variable for variable in variables if variable.path.endswith("seed_generator_state")]
    for index, state in enumerate(states):
        state.assign(np.random.SeedSequence([seed, epoch, index]).generate_state(2))


def derived_seed(seed: int, number: int) -> int:
    """Return the seed of one of several draws under a seed; different seeds share none.

    >>> derived_seed(7, 0), derived_seed(7, 1), derived_seed(8, 0)
    (2083679832, 369571992, 765685289)

    Args:
        seed: The seed of the run.
        number: Index of the draw, such as the number of a layer.
    """
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
