"""The outline of a PNG file (PNG specification, third edition, section 5)."""

from __future__ import annotations

import struct
import zlib

from pixmill.images.outlines.exif import orientation
from pixmill.images.outlines.outline import Outline
from pixmill.images.undecodable import Undecodable

__all__ = ["png_outline", "stops_short"]

_END = b"\0\0\0\0IEND\xaeB`\x82"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type."""

_CHUNKS = 100_000
"""The most chunks of a file. Encoders put 8 KiB of pixels or more into each."""

_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of an interlaced picture: left, top, and the steps to the right and down (section 8.2)."""

_STEP = 1 << 20
"""Bytes that are unpacked at a time where only their number matters."""


def png_outline(content: bytes) -> Outline:
    """Return the outline. Needed are header, palette, transparency and pixels; an animation is the picture in ``IDAT``.

    Checksums are looked at here, for decoders pass over those of the pixels.

    Raises:
        Undecodable: The file does not begin with a header.
    """
    if content[8:16] != b"\0\0\0\x0dIHDR" or len(content) < 33:
        cut = len(content) < 33 and b"\0\0\0\x0dIHDR".startswith(content[8:16])
        raise Undecodable("truncated" if cut else "broken", "no header at the beginning")
    width, height = struct.unpack_from(">II", content, 16)
    if not width * height or zlib.crc32(content[12:29]) != int.from_bytes(content[29:33], "big"):
        raise Undecodable("broken", f"{width} x {height} pixels, or a wrong checksum")
    view, length = memoryview(content), len(content)
    needed = [content[:33]]
    place, pixels, behind, turned = 33, 0, 33, 1
    fault: str | None = None
    cut = False
    for _ in range(_CHUNKS):
        end = place + 12 + int.from_bytes(content[place : place + 4], "big")
        if end > length or length - place < 12:
            # All pixels may be there nevertheless.
            cut = True
            break
        if zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(content[end - 4 : end], "big"):
            fault = "broken"
            break
        kind = content[place + 4 : place + 8]
        if kind == b"IDAT":
            if behind == place or not pixels:
                pixels, behind = pixels or place, end
        elif kind == b"IEND":
            break
        elif kind in (b"PLTE", b"tRNS"):
            if not pixels:
                needed.append(content[place:end] if kind == b"PLTE" else _clear(content, place, end))
        elif kind == b"eXIf":
            turned = orientation(content[place + 8 : end - 4])
        place = end
    else:
        fault = "too_complex"
    if fault is None and not pixels:
        fault = "truncated" if cut else "broken"
    head = b"".join(needed)
    if fault or (len(head) == pixels and behind == place and not cut and content.startswith(head)):
        return Outline(width, height, content, fault=fault, orientation=turned)
    return Outline(width, height, b"".join([head, view[pixels:behind], _END]), cut=cut, orientation=turned)


def _clear(content: bytes, place: int, end: int) -> bytes:
    """Return the chunk that names a transparent colour as Pillow compares it: with values of 8 bits, or with 16 greys.

    Of a colour of 16 bits the high bytes are left, of a grey of 2 or 4 bits what it is scaled to.
    """
    depth, colour = content[24:26]
    body = content[place + 8 : end - 4]
    if (depth, colour) == (16, 2) and len(body) == 6:
        body = bytes((0, body[0], 0, body[2], 0, body[4]))
    elif depth in (2, 4) and colour == 0 and len(body) == 2:
        body = bytes((0, body[1] * 255 // ((1 << depth) - 1) & 0xFF))
    else:
        return content[place:end]
    return struct.pack(">I", len(body)) + b"tRNS" + body + struct.pack(">I", zlib.crc32(b"tRNS" + body))


def stops_short(needed: bytes) -> bool:
    """Tell whether a picture's data unpack to less than its pixels, which decoders may take for black.

    Args:
        needed: What :func:`png_outline` keeps.
    """
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", needed, 16)
    missing = 0
    for left, top, right, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // right), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            missing += rows * (1 + (columns * depth * _CHANNELS[colour] + 7) // 8)
    unpacker = zlib.decompressobj()
    place = 33
    while missing > 0 and not unpacker.eof and place + 12 <= len(needed):
        end = place + 12 + int.from_bytes(needed[place : place + 4], "big")
        packed = needed[place + 8 : end - 4] if needed[place + 4 : place + 8] == b"IDAT" else b""
        while packed and missing > 0:
            missing -= len(unpacker.decompress(packed, _STEP))
            packed = unpacker.unconsumed_tail
        place = end
    return missing > 0
