"""The outline of a Windows or OS/2 bitmap."""

from __future__ import annotations

import struct

from pixmill.images.outlines.outline import Outline
from pixmill.images.undecodable import Undecodable

__all__ = ["bmp_outline"]

_OLD = 12
"""The size of the header whose numbers have 16 bits."""

_DEPTHS = (1, 4, 8, 16, 24, 32)
_RUNS = (1, 2)
"""The compressions by run lengths."""


def bmp_outline(content: bytes) -> Outline:
    """Return the outline; rows from the top down have a negative height there.

    Raises:
        Undecodable: The header is not whole, or without a size.
    """
    try:
        (start,) = struct.unpack_from("<I", content, 10)
        (header,) = struct.unpack_from("<I", content, 14)
        if header == _OLD:
            width, height, _, bits = struct.unpack_from("<HHHH", content, 18)
            packing = stored = 0
        else:
            width, height, _, bits, packing, stored = struct.unpack_from("<iiHHII", content, 18)
    except struct.error:
        raise Undecodable("truncated", "a part of the header") from None
    if width <= 0 or not height:
        raise Undecodable("broken", f"{width} x {height} pixels")
    if packing not in _RUNS:
        # Where the depth is none there is, that is what is wrong with it.
        bits = bits if bits in _DEPTHS else 0
        stored = (width * bits + 31) // 32 * 4 * abs(height)
    return Outline(width, abs(height), content, cut=start + stored > len(content))
