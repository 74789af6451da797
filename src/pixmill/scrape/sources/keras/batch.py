"""The batches of CIFAR-10 as they are published: pickles, read without running what is in them."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["read_batch"]


class _Kept:
    """Stand in for what a pickle asks to be made, and keep what it would be made of."""

    def __init__(self, *made_of: Any) -> None:
        self.made_of = made_of
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Reader(pickle.Unpickler):
    """Read texts, numbers, lists and dictionaries; an array's parts are kept, and nothing else is ever called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in {
            ("numpy", "dtype"),
            ("numpy", "ndarray"),
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
        }:
            return _Kept
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def read_batch(content: bytes) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return the pictures of a batch, of shape ``(n, 32, 32, 3)``, and the indices of their classes, of shape ``(n,)``.

    Args:
        content: The file: a dictionary with ``data``, a row of red, green and blue planes a picture, and ``labels``
            (cs.toronto.edu/~kriz/cifar.html).

    Raises:
        ValueError: It is something else.
    """
    try:
        batch = _Reader(io.BytesIO(content), encoding="bytes").load()
        parts = {key.decode() if isinstance(key, bytes) else key: value for key, value in batch.items()}
        _, shape, kind, _, values = parts["data"].state
        if kind.made_of[0] not in (b"u1", "u1"):
            raise ValueError(f"it has values of the type {kind.made_of[0]!r}")
        rows = np.frombuffer(values, np.uint8).reshape(shape)
        pixels = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        labels = np.array(parts["labels"], dtype=np.uint8)
    except (
        pickle.UnpicklingError, ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, TypeError,
    ) as error:  # fmt: skip
        raise ValueError(f"it is no batch of CIFAR-10: {error}") from error  # what damaged pickles end in
    if labels.shape != (len(pixels),):
        raise ValueError(f"it has {len(pixels)} pictures and labels of shape {labels.shape}")
    return pixels, labels
