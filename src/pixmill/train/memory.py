"""What a person is told where the model does not fit into memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pixmill.errors import TrainError

__all__ = ["enough_memory"]


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """Turn what memory refuses to the block into a message for people.

    Raises:
        TrainError: There is not memory enough, of the machine or its GPU.
    """
    import tensorflow as tf

    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise TrainError(
            "the memory does not suffice for this model and batch",
            next="lower train.batch_size in params.yaml, or describe a smaller model, then: dvc repro train",
        ) from error
