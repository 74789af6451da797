"""How EXIF turns a picture: the one thing of it that is ever read (CIPA DC-008, section 4.6.4)."""

from __future__ import annotations

import struct

__all__ = ["orientation"]

_TAG = 0x0112
_NUMBERS = {3: "H", 4: "I", 8: "h", 9: "i"}
"""The types that a number may have. The first is the right one."""

_ENTRIES = 4096
"""The most entries that are looked at: cameras write some twenty."""


def orientation(exif: bytes) -> int:
    r"""Return the orientation, 1 to 8; 1 where nothing sound is said.

    Args:
        exif: A TIFF structure, with or without the six bytes ``Exif\0\0`` before it.
    """
    if exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 8:
        return 1
    (start,) = struct.unpack_from(order + "I", exif, 4)
    if start + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(order + "H", exif, start)
    entry = struct.Struct(order + "HHI4s")
    for index in range(min(count, _ENTRIES)):
        place = start + 2 + 12 * index
        if place + 12 > len(exif):
            break
        tag, kind, number, value = entry.unpack_from(exif, place)
        if tag == _TAG:
            (turned,) = struct.unpack_from(order + _NUMBERS[kind], value) if kind in _NUMBERS else (1,)
            return turned if number == 1 and 1 <= turned <= 8 else 1
    return 1
