"""The pass that computes features. It imports little, so that worker processes start quickly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from pixmill.images.compression import decompress
from pixmill.models.litert import Network, load_litert

Row = bytes | npt.NDArray[np.uint8]
"""An image, compressed or as its pixels."""


class FeaturePass:
    """Compute the features of a batch of images, for :func:`pixmill.images.compute.map_batches`.

    It is pickled as its arguments alone, so once per worker, which loads the network with its first batch.

    Args:
        network: The backbone: the content of its LiteRT file, since other machines do not see the file.
        image_size: Side of the images in pixels.
    """

    def __init__(self, network: bytes, image_size: int) -> None:
        self._content, self._image_size = network, image_size
        self._network: Network | None = None

    def __reduce__(self) -> tuple[Callable[..., FeaturePass], tuple[bytes, int]]:
        return FeaturePass, (self._content, self._image_size)

    def __call__(self, rows: Sequence[Row]) -> list[npt.NDArray[np.float32]]:
        """Return one vector per row, in order."""
        if self._network is None:
            # There are as many workers as processors.
            self._network = load_litert(self._content, threads=1)
        pixels = (row if isinstance(row, np.ndarray) else decompress(row, self._image_size) for row in rows)
        return [self._network(image[None])[0] for image in pixels]
