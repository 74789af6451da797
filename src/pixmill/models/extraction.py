"""The pass that computes features, with few imports to start worker processes quickly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from pixmill.images.compression import decompress
from pixmill.models.litert import Floats, Network, load_litert

Row = bytes | npt.NDArray[np.uint8]
"""An image, as compressed bytes or as pixels."""


class FeaturePass:
    """Compute the features of a batch of images, for :func:`pixmill.images.compute.map_batches`.

    Only the arguments are pickled, once per worker; a worker loads the network with its first
    batch.

    Args:
        network: Content of the backbone's LiteRT file, which other machines cannot read.
        image_size: Side of the images in pixels.
    """

    def __init__(self, network: bytes, image_size: int) -> None:
        self._content = network
        self._image_size = image_size
        self._network: Network | None = None

    def __reduce__(self) -> tuple[Callable[..., FeaturePass], tuple[bytes, int]]:
        return FeaturePass, (self._content, self._image_size)

    def __call__(self, rows: Sequence[Row]) -> list[Floats]:
        """Return one vector per row, in order."""
        if self._network is None:
            # One thread: there is one worker per processor.
            self._network = load_litert(self._content, threads=1)
        pixels = (
            row if isinstance(row, np.ndarray) else decompress(row, self._image_size)
            for row in rows
        )
        return [self._network(image[None])[0] for image in pixels]
