"""The outline of a WebP file (RFC 9649)."""

from __future__ import annotations

import struct

from pixmill.images.outlines.exif import orientation
from pixmill.images.outlines.outline import Outline
from pixmill.images.undecodable import Undecodable

__all__ = ["webp_outline"]

_HAS_EXIF = 0x08
_CHUNKS = 100_000
"""The most chunks of a file, of which each frame of an animation is one."""


def webp_outline(content: bytes) -> Outline:
    """Return the outline; of an animation, the size of its canvas.

    Raises:
        Undecodable: There is no size at the beginning.
    """
    kind = content[12:16]
    if len(content) < 30:
        raise Undecodable("truncated", "no size")
    if kind == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", content, 26))
    elif kind == b"VP8L" and content[20] == 0x2F:
        sides = int.from_bytes(content[21:25], "little")
        width, height = (sides & 0x3FFF) + 1, (sides >> 14 & 0x3FFF) + 1
    elif kind == b"VP8X":
        width = int.from_bytes(content[24:27], "little") + 1
        height = int.from_bytes(content[27:30], "little") + 1
    else:
        raise Undecodable("broken", "no size")
    if not width * height:
        raise Undecodable("broken", f"{width} x {height} pixels")
    end = 8 + int.from_bytes(content[4:8], "little")
    if end > len(content):
        return Outline(width, height, content, fault="truncated")
    turned = _orientation(content, end) if kind == b"VP8X" and content[20] & _HAS_EXIF else 1
    if turned is None:
        return Outline(width, height, content, fault="too_complex")
    return Outline(width, height, content, orientation=turned)


def _orientation(content: bytes, end: int) -> int | None:
    """Return the orientation, or ``None`` where there are too many chunks to look for it."""
    place = 12
    for _ in range(_CHUNKS):
        if place + 8 > end:
            return 1
        size = int.from_bytes(content[place + 4 : place + 8], "little")
        if content[place : place + 4] == b"EXIF":
            return orientation(content[place + 8 : place + 8 + size])
        place += 8 + size + (size & 1)
    return None
