"""Write PNG files whose bytes depend only on their pixels.

Pillow's wheels compress with zlib-ng and other builds with zlib, whose outputs differ. Stored
deflate blocks (RFC 1951, section 3.2.4) need no compressor, so the same pixels give the same file
on every machine.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2  # colour types, PNG specification, section 11.2.1
_MAX_BLOCK_BYTES = 0xFFFF  # of a stored block


def png_bytes(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Encode pixels as an uncompressed PNG file.

    Args:
        pixels: Grey values of shape ``(height, width)`` or RGB values of shape ``(height, width,
            3)``, ``uint8``.

    Returns:
        The file: 8 bits per channel, no filter, not interlaced, no ancillary chunks.

    Raises:
        ValueError: The array has another type or shape, or no pixels.
    """
    if (
        pixels.dtype != np.uint8
        or pixels.ndim not in (2, 3)
        or pixels.shape[2:] not in ((), (3,))
        or not pixels.size
    ):
        found = f"{pixels.dtype} {pixels.shape}"
        raise ValueError(
            f"expected uint8 pixels (height, width) or (height, width, 3), got {found}"
        )
    height, width = pixels.shape[:2]
    colour = _GREY if pixels.ndim == 2 else _RGB
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    scanlines = np.zeros(
        (height, rows.shape[1] + 1), np.uint8
    )  # each begins with filter type 0: none
    scanlines[:, 1:] = rows
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", _deflate_stored(scanlines.tobytes())),
            _chunk(b"IEND", b""),
        )
    )


def write_png(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """Write pixels to a PNG file, as :func:`png_bytes` encodes them.

    Args:
        path: Output file; its folder must exist.
        pixels: As in :func:`png_bytes`.
    """
    path.write_bytes(png_bytes(pixels))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _deflate_stored(data: bytes) -> bytes:
    """Frame data as a zlib stream of stored blocks (RFC 1950)."""
    stream = [b"\x78\x01"]
    for start in range(0, len(data), _MAX_BLOCK_BYTES):
        block = data[start : start + _MAX_BLOCK_BYTES]
        last = start + _MAX_BLOCK_BYTES >= len(data)
        stream += (struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block)
    stream.append(struct.pack(">I", zlib.adler32(data)))
    return b"".join(stream)
