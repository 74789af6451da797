"""The pass that computes features. It imports little, so that worker processes start quickly."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pixmill.compute.storage import Address, read_range
from pixmill.learn.litert import Network, load_litert

Row = tuple[Address, int] | npt.NDArray[np.uint8]
"""An image: the file that holds its pixels, with the index of their first byte there; or the pixels themselves."""


class FeaturePass:
    """Compute the features of a batch of images, for :func:`pixmill.compute.map_batches`.

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
        return [vector for pixels in self._read(rows) for vector in self._network(pixels)]

    def _read(self, rows: Sequence[Row]) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield the pixels of one or more images at a time: those that follow each other in a file are read at once."""
        shape = (self._image_size, self._image_size, 3)
        size = math.prod(shape)

        def run_of(numbered: tuple[int, Row]) -> tuple[Address | None, int]:
            number, row = numbered
            return (None, number) if isinstance(row, np.ndarray) else (row[0], row[1] - number * size)

        for (file, start), run in itertools.groupby(enumerate(rows), run_of):
            (first, row), *others = run
            if file is None:
                assert isinstance(row, np.ndarray)
                yield row[None]
            else:
                count = 1 + len(others)
                content = read_range(file, start + first * size, count * size)
                yield np.frombuffer(content, np.uint8).reshape(count, *shape)
