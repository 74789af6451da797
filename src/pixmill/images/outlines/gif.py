"""The outline of a GIF file (GIF89a specification), up to the end of its first frame."""

from __future__ import annotations

import struct

from pixmill.images.outlines.outline import Outline
from pixmill.images.undecodable import Undecodable

__all__ = ["gif_outline"]

_EXTENSION, _FRAME, _TRAILER = 0x21, 0x2C, 0x3B
_CONTROL = 0xF9
_OPAQUE, _TRANSPARENT = 0, 1


def gif_outline(content: bytes) -> Outline:
    """Return the outline. What is needed is the first frame, as a file of its own.

    Raises:
        Undecodable: There is no frame.
    """
    try:
        width, height, flags = struct.unpack_from("<HHB", content, 6)
        place = 13 + _colours(flags)
        colours, control = content[13:place], b""
        while content[place] == _EXTENSION:
            if content[place + 1] == _CONTROL and content[place + 2] >= 4:
                # Without its delay and what becomes of the frame later on.
                seen = _TRANSPARENT if content[place + 3] & 1 else _OPAQUE
                control = bytes((_EXTENSION, _CONTROL, 4, seen, 0, 0, content[place + 6], 0))
            place = _behind_blocks(content, place + 2)
        if content[place] != _FRAME:
            raise Undecodable("broken", "no frame")
        left, top, columns, rows, shape = struct.unpack_from("<HHHHB", content, place + 1)
    except (IndexError, struct.error):
        raise Undecodable("truncated", "no frame") from None
    if not columns * rows:
        raise Undecodable("broken", f"a frame of {columns} x {rows} pixels")
    width, height = max(width, left + columns), max(height, top + rows)
    whole = (columns, rows) == (width, height)
    try:
        end = _behind_blocks(content, place + 11 + _colours(shape))
    except IndexError:
        # All pixels may be there nevertheless.
        end = len(content)
    size = struct.pack("<HH", columns, rows)
    screen = b"GIF89a" + size + bytes((flags, 0, 0)) + colours
    frame = b",\0\0\0\0" + size + content[place + 9 : end]
    needed = b"".join((screen, control, frame, b";"))
    return Outline(width, height, needed, cut=end == len(content), place=None if whole else (left, top))


def _colours(flags: int) -> int:
    """Return how many bytes a table of colours takes."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _behind_blocks(content: bytes, place: int) -> int:
    """Return where a row of blocks ends that begins here; each begins with its length, and an empty one is the last."""
    while content[place]:
        place += 1 + content[place]
    return place + 1
