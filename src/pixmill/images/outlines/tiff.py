"""The outline of a TIFF file (TIFF 6.0, section 2; BigTIFF as libtiff defines it): of its first directory only."""

from __future__ import annotations

import struct
from typing import NamedTuple

from pixmill.images.outlines.outline import Outline
from pixmill.images.undecodable import Undecodable

__all__ = ["tiff_outline"]

_WIDTH, _HEIGHT, _STRIPS, _STRIP_BYTES = 256, 257, 273, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 322, 323, 324, 325
_NEEDED = {
    *(_WIDTH, _HEIGHT, 258, 259, 262, 266),  # size, bits, compression, meaning, order of bits
    *(_STRIPS, 274, 277, 278, _STRIP_BYTES, 284, 292, 293),  # strips, orientation, samples, planes, fax options
    *(317, 320, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES),  # predictor, palette, tiles
    *(332, 334, 338, 339, 347, *range(512, 522)),  # inks, further samples, their format, tables of JPEG
    *(529, 530, 531, 532, 50674),  # luma and chroma; LERC
}
"""The tags that pixels depend on. Texts, profiles, EXIF, GPS, and the ways to further directories are none of them."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value, by type."""

_WHOLE = {1: "B", 3: "H", 4: "I", 16: "Q"}
_ENTRIES = 4096
"""The most entries of a directory; usual are some dozens."""

_PARTS = 100_000
"""The most strips or tiles."""


class _Layout(NamedTuple):
    """How directories are written: the number of entries, an entry, the place of a further directory."""

    order: str
    number: struct.Struct
    entry: struct.Struct
    further: struct.Struct
    inline: int


def tiff_outline(content: bytes) -> Outline:
    """Return the outline. What is needed is the file with a directory that holds nothing but what pixels depend on.

    Raises:
        Undecodable: There is no directory, or none with a size, or one beyond measure.
    """
    layout, start = _layout(content)
    if start + layout.number.size > len(content):
        raise Undecodable("truncated", "the directory is behind the end")
    (count,) = layout.number.unpack_from(content, start)
    if count > _ENTRIES:
        raise Undecodable("too_complex", f"{count} entries in a directory")
    first = start + layout.number.size
    if first + count * layout.entry.size > len(content):
        raise Undecodable("truncated", "the directory runs over the end")
    numbers: dict[int, tuple[int, ...]] = {}
    kept: dict[int, bytes] = {}
    ends = [0]
    for place in range(first, first + count * layout.entry.size, layout.entry.size):
        tag, kind, number, value = layout.entry.unpack_from(content, place)
        if tag not in _NEEDED or tag in kept or kind not in _SIZES:
            continue
        kept[tag] = content[place : place + layout.entry.size]
        if number * _SIZES[kind] > layout.inline:
            begin = int.from_bytes(value, "little" if layout.order == "<" else "big")
            ends.append(begin + number * _SIZES[kind])
            value = content[begin : ends[-1]]
        if kind in _WHOLE and number <= _PARTS and number * _SIZES[kind] <= len(value):
            numbers[tag] = struct.unpack_from(f"{layout.order}{number}{_WHOLE[kind]}", value)
        elif tag in (_STRIPS, _TILES) and number > _PARTS:
            raise Undecodable("too_complex", f"{number} strips or tiles")
    width, height, *tile = (next(iter(numbers.get(tag, ())), 0) for tag in (_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT))
    if not width * height:
        raise Undecodable("broken", f"{width} x {height} pixels")
    directory = b"".join((layout.number.pack(len(kept)), *kept.values(), layout.further.pack(0)))
    needed = b"".join((content[:start], directory, content[start + len(directory) :]))
    for starts, lengths in ((_STRIPS, _STRIP_BYTES), (_TILES, _TILE_BYTES)):
        ends.extend(map(sum, zip(numbers.get(starts, ()), numbers.get(lengths, ()), strict=False)))
    return Outline(width, height, needed, pixels=tile[0] * tile[1], cut=max(ends) > len(content))


def _layout(content: bytes) -> tuple[_Layout, int]:
    """Return how directories are written, and where the first one is."""
    if content.startswith(b"MM\0+"):
        raise Undecodable("no_decoder", "BigTIFF with the highest byte first, which Pillow does not read")
    order = "<" if content.startswith(b"II") else ">"
    try:
        if content[2:4] == b"+\0":
            (start,) = struct.unpack_from(order + "Q", content, 8)
            shapes = ("Q", "HHQ8s", "Q")
        else:
            (start,) = struct.unpack_from(order + "I", content, 4)
            shapes = ("H", "HHI4s", "I")
    except struct.error:
        raise Undecodable("truncated", "no directory") from None
    count, entry, further = (struct.Struct(order + shape) for shape in shapes)
    return _Layout(order, count, entry, further, further.size), start
