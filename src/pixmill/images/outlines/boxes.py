"""The outline of an AVIF or HEIC file: boxes within boxes (ISO 14496-12, section 4.2; ISO 23008-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from pixmill.images.outlines.outline import Outline
from pixmill.images.undecodable import Undecodable

__all__ = ["boxes_outline"]

_INNER = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"moov": 0, b"trak": 0}
"""The boxes on the way to a size, with the bytes before what they hold."""

_PIXELS = {b"mdat", b"idat"}
"""The boxes that hold coded pixels."""

_BOXES = 10_000
"""The most boxes that are looked at."""


def boxes_outline(content: bytes) -> Outline:
    """Return the outline, with the largest size that anything within the file claims.

    Raises:
        Undecodable: There is no size, or one beyond measure.
    """
    sizes, reach, kinds = [], 0, set()
    waiting, left = [(0, len(content))], _BOXES
    while waiting:
        start, stop = waiting.pop()
        for kind, body, end in _boxes(content, start, stop):
            left -= 1
            if not left:
                raise Undecodable("too_complex", f"more than {_BOXES} boxes")
            reach = max(reach, end)
            kinds.add(kind)
            if kind in _INNER:
                waiting.append((body + _INNER[kind], min(end, stop)))
            elif kind == b"ispe" and body + 12 <= stop:
                sizes.append(struct.unpack_from(">II", content, body + 4))
            elif kind == b"tkhd" and body + 12 <= end <= stop:
                width, height = struct.unpack_from(">II", content, end - 8)
                sizes.append((width >> 16, height >> 16))
    cut = reach > len(content) or not kinds & _PIXELS
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    if not width * height:
        raise Undecodable("truncated" if cut else "broken", "no size")
    return Outline(width, height, content, cut=cut)


def _boxes(content: bytes, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, body and end of the boxes that begin between two places; an end may lie behind what there is."""
    while start + 8 <= stop:
        size, kind = struct.unpack_from(">I4s", content, start)
        body = start + 8
        if size == 1 and start + 16 <= stop:
            (size,) = struct.unpack_from(">Q", content, start + 8)
            body = start + 16
        end = start + size if size else stop
        if end < body:
            return
        yield kind, body, end
        start = end
