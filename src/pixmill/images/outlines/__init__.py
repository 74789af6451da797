"""What files tell before any pixel is looked at: their size, where they end, and what of them pixels depend on.

Each module walks over one format's headers, touches nothing twice, and gives a decoder only what pixels depend on:
no text, no profile, no EXIF, no second frame is ever unpacked. What cannot be a whole picture, or would keep a decoder
busy out of all proportion, is told here.

- ``outline``: what is found
- ``jpeg``, ``png``, ``gif``, ``bmp``, ``tiff``, ``webp``: one format each
- ``boxes``: AVIF and HEIC, which share their container
- ``exif``: the orientation, the one thing of EXIF that is read
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pixmill.images.outlines.bmp import bmp_outline
from pixmill.images.outlines.boxes import boxes_outline
from pixmill.images.outlines.gif import gif_outline
from pixmill.images.outlines.jpeg import jpeg_outline, lengthened
from pixmill.images.outlines.outline import Outline
from pixmill.images.outlines.png import png_outline, stops_short
from pixmill.images.outlines.tiff import tiff_outline
from pixmill.images.outlines.webp import webp_outline

__all__ = ["OUTLINES", "Outline", "lengthened", "stops_short"]

OUTLINES: Mapping[str, Callable[[bytes], Outline]] = {
    "jpeg": jpeg_outline,
    "png": png_outline,
    "webp": webp_outline,
    "gif": gif_outline,
    "bmp": bmp_outline,
    "tiff": tiff_outline,
    "avif": boxes_outline,
    "heic": boxes_outline,
}
"""How a file of each format is walked over."""
