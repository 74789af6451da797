"""Decode hostile bytes to RGB pixels, or say in one word why not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image

from pixmill.images.appearance import as_seen
from pixmill.images.decoder import UNTOUCHED, loaded
from pixmill.images.formats import EXTENSIONS, sniff
from pixmill.images.outlines import OUTLINES, Outline, lengthened, stops_short
from pixmill.images.outlines.exif import orientation
from pixmill.images.undecodable import Undecodable

__all__ = ["Decoded", "Undecodable", "decode", "header_size"]

_ROOM = 50_000_000
"""Pixels that may be in what is larger than a picture, whatever the caller's limit: in a tile at its edge, in a block
of coded pixels that is then cropped."""

_IN_BOXES = {"avif", "heic"}
"""The formats whose headers tell several sizes, of which the picture need not be the largest."""

_MIDDLE = {126, 127, 128, 129}
"""The greys that a decoder of JPEG gives to what it has no data for."""


@dataclass(frozen=True)
class Decoded:
    """Hold a picture as a person sees it: upright by EXIF, transparency over white, the first frame of an animation.

    Nothing but pixels is left of the file: no EXIF, no text, no profile.

    Args:
        picture: In mode ``RGB``, or ``L`` where it has no colours.
        format: A key of :data:`pixmill.images.EXTENSIONS`.
        mode: The mode of the file as Pillow names it (``RGB``, ``L``, ``P``, ``CMYK``, ``I;16``, …).
    """

    picture: Image.Image
    format: str
    mode: str

    @cached_property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """The pixels in RGB: ``uint8`` of shape (height, width, 3), not to be written to."""
        return np.asarray(self.picture if self.picture.mode == "RGB" else self.picture.convert("RGB"))


def decode(content: bytes, *, max_pixels: int = 50_000_000) -> Decoded:
    """Decode a whole picture; what its headers claim is looked at before any pixel is.

    Args:
        content: The file's bytes.
        max_pixels: The most pixels (width times height) that are decoded.

    Raises:
        Undecodable: The bytes are no picture, too large a one, or not a whole one.
        MemoryError: There was too little memory for it.
    """
    kind, outline = _outline(content)
    claimed = outline.width * outline.height
    if max(claimed, outline.pixels) > max(max_pixels, _ROOM) or (claimed > max_pixels and kind not in _IN_BOXES):
        raise Undecodable("too_many_pixels", f"{outline.width} x {outline.height}")
    if outline.fault is not None:
        raise Undecodable(outline.fault)
    picture = loaded(kind, outline, max_pixels=max_pixels)
    if _ends_early(kind, outline, picture):
        raise Undecodable("truncated", "the data end before the pixels do")
    # Pillow tells the turns of an AVIF's own as if EXIF had.
    turned = orientation(picture.info.get("exif", b"")) if kind == "avif" else outline.orientation
    try:
        seen = as_seen(picture, orientation=turned)
    except ValueError as error:
        raise Undecodable("broken", str(error)) from error
    if outline.place is not None:
        canvas = Image.new("RGB", (outline.width, outline.height), "white")
        canvas.paste(seen, outline.place)
        seen = canvas
    return Decoded(seen, kind, picture.mode)


def header_size(content: bytes) -> tuple[int, int]:
    """Return the width and the height of a picture in pixels, as its header says; no pixel is looked at.

    Args:
        content: The file's bytes.

    Raises:
        Undecodable: The bytes are no picture, or its header is broken.
    """
    _, outline = _outline(content)
    return outline.width, outline.height


def _outline(content: bytes) -> tuple[str, Outline]:
    kind = sniff(content)
    if kind not in EXTENSIONS:
        raise Undecodable(kind)
    return kind, OUTLINES[kind](content)


def _ends_early(kind: str, outline: Outline, picture: Image.Image) -> bool:
    """Tell whether a picture's data end early although its file goes on, which decoders pass over in silence.

    They leave the rest as it was, or grey. Where the last pixel looks like that, one looks closer.
    """
    if kind not in ("png", "jpeg"):
        return False
    last = picture.getpixel((picture.width - 1, picture.height - 1))
    values = last if isinstance(last, tuple) else (last,)
    if kind == "png":
        interlaced = outline.needed[28] != 0
        untouched = values[0] == UNTOUCHED and not any(values[1:])
        return (interlaced or untouched) and stops_short(outline.needed)
    if not _MIDDLE.issuperset(values):
        return False
    longer = lengthened(outline.needed)
    if longer is None:
        return False
    return loaded(kind, outline._replace(needed=longer), max_pixels=picture.width * picture.height) != picture
