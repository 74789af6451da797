"""The outline of a JPEG file (ITU-T T.81, annex B)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pixmill.images.outlines.exif import orientation
from pixmill.images.outlines.outline import Outline
from pixmill.images.undecodable import Undecodable

__all__ = ["jpeg_outline", "lengthened"]

_SOI, _EOI, _SOS, _APP0, _APP1, _APP14, _APP15, _COM = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_ALONE = {0x00, 0x01, *range(0xD0, 0xD8)}
"""Markers without a length, which mean nothing before the first scan."""

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""What ends the coded data of a scan: any marker but a restart."""

_SCANS = 100
"""The most scans of a picture. Each is a pass over all pixels, so a small file with thousands of them would keep a
decoder busy for hours. Encoders write about ten; libtiff draws the line at 100 too."""

_LEAD = re.compile(rb"\xff+[^\xff]")
_MORE = bytes(8192)
"""Coded data for more than the block of pixels that a scan ended in, which takes 2 KiB at most and which decoders
themselves fill up with zeros."""

_SEGMENTS = 10_000
"""The most segments before the first scan; cameras write some dozens."""


def jpeg_outline(content: bytes) -> Outline:
    """Return the outline. Of the application segments only those that tell the colours' meaning are needed.

    Raises:
        Undecodable: No size stands before the first scan.
    """
    spans = [(0, 2)]
    size: tuple[int, int] | None = None
    components = turned = 0
    progressive = cut = False
    fault: str | None = "truncated"
    for marker, start, body, end in _segments(content):
        if marker == _APP1:
            if turned == 0 and content.startswith(b"Exif\0\0", body):
                turned = orientation(content[body:end])
            continue
        if _APP0 <= marker <= _APP15 or marker == _COM:
            if not content.startswith({_APP0: b"JFIF\0", _APP14: b"Adobe"}.get(marker, b"\0none"), body):
                continue
        elif marker in _FRAMES:
            size, components = _frame(content[body:end])
            progressive = marker in _PROGRESSIVE
        elif marker == _SOS:
            _keep(spans, start, len(content))
            fault = None
            if progressive or content[body] != components:
                fault = _scans(content, end)
            cut = content.rfind(b"\xff\xd9", end) < 0
            break
        _keep(spans, start, end)
    if size is None:
        raise Undecodable(fault or "broken", "no frame before the first scan")
    needed = content if len(spans) == 1 else b"".join([content[start:end] for start, end in spans])
    return Outline(*size, needed, fault=fault, cut=cut, orientation=turned or 1)


def lengthened(needed: bytes) -> bytes | None:
    """Return a picture with more coded data behind those of its scan, or ``None`` where it has several scans.

    A decoder that comes to a scan's end in the middle of a picture makes the rest grey and says nothing. Where the
    added data change the picture, it had ended early; else they are never looked at.

    Args:
        needed: What :func:`jpeg_outline` keeps.
    """
    components = 0
    for marker, _, body, end in _segments(needed):
        if marker in _FRAMES:
            components = 0 if marker in _PROGRESSIVE else needed[body + 5]
        if marker == _SOS and needed[body] == components:
            found = _MARKER.search(needed, end)
            return needed[: found.start()] + _MORE + needed[found.start() :] if found else None
    return None


def _segments(content: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield marker, start, body and end of each segment as far as the file goes; the first scan is the last."""
    length, place = len(content), 2
    for _ in range(_SEGMENTS):
        # What stands between two segments is passed over, as decoders do.
        found = _LEAD.search(content, place)
        if found is None or found.end() + 2 > length:
            return
        place = found.end() - 2
        marker = content[place + 1]
        if marker in _ALONE:
            place += 2
            continue
        body = place + 4
        end = place + 2 + (content[place + 2] << 8 | content[place + 3])
        if marker in (_SOI, _EOI) or end < body:
            raise Undecodable("broken", f"a marker {marker:x} out of place")
        if end > length:
            return
        yield marker, place, body, end
        if marker == _SOS:
            return
        place = end
    raise Undecodable("too_complex", f"more than {_SEGMENTS} segments")


def _frame(body: bytes) -> tuple[tuple[int, int], int]:
    """Return the size and the number of components."""
    if len(body) < 6:
        raise Undecodable("broken", "a frame without a size")
    height, width = body[1] << 8 | body[2], body[3] << 8 | body[4]
    if not width * height:
        raise Undecodable("broken", f"{width} x {height} pixels")
    return (width, height), body[5]


def _scans(content: bytes, place: int) -> str | None:
    """Tell whether there are too many scans, from behind the first one's header on."""
    scans = 1
    for _ in range(_SEGMENTS):
        found = _MARKER.search(content, place)
        if found is None or found.end() + 2 > len(content):
            return None
        marker, place = content[found.end() - 1], found.end()
        if marker == _EOI:
            return None
        if marker == _SOS:
            scans += 1
            if scans > _SCANS:
                return "too_complex"
        place += content[place] << 8 | content[place + 1]
    return "too_complex"


def _keep(spans: list[tuple[int, int]], start: int, end: int) -> None:
    """Add a span, as part of the last one where it follows upon it."""
    if spans[-1][1] == start:
        spans[-1] = spans[-1][0], end
    else:
        spans.append((start, end))
