"""Thumbnails for pages."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["thumbnail", "thumbnail_uri"]


def thumbnail(pixels: npt.NDArray[np.uint8], side: int = 96, *, quality: int = 80) -> bytes:
    """Return a small picture as the bytes of a JPEG.

    Args:
        pixels: ``uint8`` of shape (height, width, 3).
        side: The longer side of the thumbnail in pixels; smaller pictures keep their size.
        quality: Quality of the JPEG, 1 to 95.
    """
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((side, side), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def thumbnail_uri(pixels: npt.NDArray[np.uint8], side: int = 96, *, quality: int = 80) -> str:
    """Return a small picture as a ``data:`` URI, for pages that make no request; arguments as of :func:`thumbnail`."""
    content = thumbnail(pixels, side, quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")
