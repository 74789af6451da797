"""Reproducible TensorFlow: loaded quietly, with fixed threads and seeds."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pixmill.models.tensorflow import keras, tf


def first_line(error: Exception) -> str:
    """Return the first line of an exception's message, or its repr if the message is empty."""
    return (str(error).strip() or repr(error)).splitlines()[0]


def fix_threads(threads: int) -> None:
    """Fix the number of threads and the order of operations in TensorFlow and NumPy.

    The sum of floats depends on the summation order, which depends on the number of threads. Call this function before
    the first computation: TensorFlow does not accept another number afterwards.

    SciPy and scikit-learn bring their own libraries, whose threads callers must limit themselves.

    Args:
        threads: Number of threads within and between operations.

    Raises:
        RuntimeError: TensorFlow has already computed with another number (a bug in the caller).
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
    # With op determinism, TensorFlow requires a global seed even for seeded random operations.
    tf.random.set_seed(0)
    # Imported last: without the extra `pipeline`, the message names Keras.
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)


def reseed(model: keras.Model | Iterable[keras.Variable], *, seed: int, epoch: int) -> None:
    """Set the state of every random layer from seed and epoch.

    Weights files do not contain these states; a resumed training restores them with this function.

    Args:
        model: The training graph, or variables that include such states, in a fixed order.
        seed: The seed of the run.
        epoch: Number of the epoch, from 1.
    """
    variables = getattr(model, "variables", model)
    states = [variable for variable in variables if variable.path.endswith("seed_generator_state")]
    for index, state in enumerate(states):
        state.assign(np.random.SeedSequence([seed, epoch, index]).generate_state(2))


def derived_seed(seed: int, number: int) -> int:
    """Return the seed of one of several draws; different seeds share no draws.

    >>> derived_seed(7, 0), derived_seed(7, 1), derived_seed(8, 0)
    (2083679832, 369571992, 765685289)

    Args:
        seed: The seed of the run.
        number: Index of the draw, such as the number of a layer.
    """
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
