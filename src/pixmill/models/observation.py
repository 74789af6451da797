"""What a log of predictions keeps of an image besides its prediction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixmill.images.measures import sharpness
from pixmill.models.novelty import Novelty

Vector = bytes

VECTOR_SCALE = 127
"""The length of a unit vector in whole numbers of 8 bits."""


class Observation(NamedTuple):
    """Measures of one image.

    Args:
        width: Width of the upright image in pixels.
        height: Height of the upright image in pixels.
        bytes: Size of the file.
        brightness: Mean of the green channel of the network's input, 0 to 255.
        sharpness: That of its green channel, of every second pixel, as
            :func:`pixmill.images.measures.sharpness`.
        novelty: From 0 to 1; ``None`` if unknown.
        vector: Features as by :func:`pixmill.models.nearest.to_vectors`, times
            :data:`VECTOR_SCALE`, ``int8``; ``None`` if the model has no separate backbone.
    """

    width: int
    height: int
    bytes: int
    brightness: float
    sharpness: float
    novelty: float | None
    vector: Vector | None


def observe(
    length: int,
    size: tuple[int, int],
    pixels: npt.NDArray[np.uint8],
    features: npt.NDArray[np.float32] | None,
    novelty: npt.NDArray[np.float32] | None,
    directions: Novelty | None,
) -> Observation:
    """Measure an image.

    Args:
        length: Size of the file in bytes.
        size: Height and width of the upright image in pixels.
        pixels: Input of the network, shape (side, side, 3).
        features: Of the backbone, shape (1, width); ``None`` without one.
        novelty: Shape (1,); ``None`` if unknown.
        directions: The model's, for ``vector``.
    """
    # Close to luma, in a fraction of the time.
    green = np.ascontiguousarray(pixels[::2, ::2, 1])
    vector = None
    if features is not None and directions is not None:
        # As to_vectors, with half the memory to read, which takes longest.
        standard = (features[:, -len(directions.mean) :] - directions.mean) * directions.scale
        along = (standard @ directions.directions)[0]
        unit = along / max(float(np.linalg.norm(along)), 1e-12)
        vector = np.rint(unit * VECTOR_SCALE).astype(np.int8).tobytes()
    height, width = size
    return Observation(
        width,
        height,
        length,
        float(green.mean()),
        sharpness(green),
        None if novelty is None else float(novelty[0]),
        vector,
    )
