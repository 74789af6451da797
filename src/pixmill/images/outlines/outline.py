"""What the headers of a picture's file tell, before any pixel is looked at."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Outline"]


class Outline(NamedTuple):
    """Hold what a file's headers tell.

    Args:
        width: In pixels, as stored; of an animation, the whole canvas.
        height: In pixels.
        needed: The bytes that a decoder is given: the file without what no pixel depends on (texts, profiles, EXIF,
            further frames), so that nothing hidden there is ever unpacked.
        pixels: The most pixels that a decoder makes room for at a time; 0 where that is width times height.
        fault: What makes the picture undecodable although its size is known: a reason of
            :class:`pixmill.images.Undecodable`, or ``None``.
        cut: Whether the file seems to end before the picture does: what a decoder refuses is then ``truncated``.
        orientation: How EXIF turns the picture, 1 (not at all) to 8.
        place: Left and top of the part that is stored, where that is less than the canvas.
    """

    width: int
    height: int
    needed: bytes
    pixels: int = 0
    fault: str | None = None
    cut: bool = False
    orientation: int = 1
    place: tuple[int, int] | None = None
