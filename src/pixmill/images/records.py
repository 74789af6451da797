"""Measures of images as records of a fixed size, and the pass that makes them.

Apart from their reader, since a worker process would import pandas with it, 60 MB.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixmill.images.depth import PROBABILITIES, Window
from pixmill.images.likeness.hashing import SIDE
from pixmill.images.measures import Measures, measure
from pixmill.images.verified_reading import Source, UndecodableError, read_verified

RECORD = np.dtype(
    [
        ("failure", "S24"),
        ("width", "<i4"),
        ("height", "<i4"),
        ("format", "S8"),
        ("mode", "S16"),
        ("pixels", "S64"),
        ("brightness", "<f4"),
        ("contrast", "<f4"),
        ("sharpness", "<f4"),
        ("entropy", "<f4"),
        ("border", "<f4"),
        ("grey", "u1", (SIDE, SIDE)),
        ("unused", "<i4"),
        ("values", "<f4", len(PROBABILITIES)),
        ("window", "<f8", 2),
    ]
)
"""``failure``, and the fields of :class:`pixmill.images.measures.Measures` in their order.

All others are zero with a ``failure``.
"""

Records = npt.NDArray[np.void]
"""Measures of images, each a :data:`RECORD`."""

_TRANSIENT = {"missing_file", "changed_bytes", "not_a_file", "too_many_bytes", "no_decoder"}
"""Failures that do not depend on the bytes of an image alone and are therefore not cached."""


class ImageTask(NamedTuple):
    """An image to measure.

    Args:
        id: Expected SHA-256 of the bytes.
        file: The file.
        max_pixels: Maximum pixels; larger images are not decoded.
        window: See :func:`pixmill.images.decode`.
        known: Record in the cache, if any.
    """

    id: str
    file: Source
    max_pixels: int
    window: Window | None
    known: bytes | None


def pack(measures: Measures | str) -> bytes:
    """Return a record of measures or of a failure."""
    if isinstance(measures, str):
        record = np.zeros((), RECORD)
        record["failure"] = measures
    else:
        record = np.array((b"", *measures), RECORD)
    return record.tobytes()


def measure_batch(tasks: Sequence[ImageTask]) -> list[tuple[bytes, bool]]:
    """Return each image's record, and True if it should be cached."""
    return [_measure(task) for task in tasks]


def _measure(task: ImageTask) -> tuple[bytes, bool]:
    try:
        if task.known is None:
            found = measure(task.file, task.id, max_pixels=task.max_pixels, window=task.window)
            return pack(found), True
        read_verified(task.file, task.id)
    except UndecodableError as error:
        return pack(error.reason), error.reason not in _TRANSIENT
    return task.known, False
