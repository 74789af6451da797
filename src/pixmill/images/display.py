"""An opened image as it is displayed: upright and opaque."""

from typing import cast

import numpy as np
from PIL import Image

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transpose that undoes an EXIF orientation."""

_NEARLY_WHITE = 240
"""Grey level from which on an image on white counts as hidden."""

_STRIP_ROWS = 256
"""Rows processed at a time in transparent images, to avoid large copies."""


def as_displayed(image: Image.Image, *, orientation: int = 1) -> Image.Image:
    """Return the image without metadata, in mode ``RGB``, or ``L`` if it is greyscale.

    Args:
        image: A loaded image of 8 bits per channel, see :func:`pixmill.images.depth.to_8_bits`.
        orientation: Its EXIF orientation, 1 to 8.

    Raises:
        ValueError: Its mode cannot be converted.
    """
    if image.mode in ("RGB", "L") and "transparency" not in image.info:
        seen = image
    elif image.has_transparency_data:
        seen = _on_white(image)
    else:
        seen = image.convert("L" if image.mode == "1" else "RGB")
    if orientation in _TURNS:
        seen = seen.transpose(_TURNS[orientation])
    # Drops all metadata; the pixels are shared.
    return Image.Image()._new(seen.im)


def _on_white(image: Image.Image) -> Image.Image:
    """Return an image over white, or over black if white would hide it and black shows more."""
    if image.mode == "La":
        image = image.convert("LA")
    layered = image if image.mode == "RGBA" else image.convert("RGBA")
    if layered.getextrema()[-1] == (255, 255):
        return layered.convert("RGB")
    seen = _over("white", layered)
    if cast("float", seen.convert("L").getextrema()[0]) < _NEARLY_WHITE:
        return seen
    # Black hides faint dark content; max returns the first of two with the same range of greys.
    return max(
        seen, _over("black", layered), key=lambda image: np.ptp(np.asarray(image.convert("L")))
    )


def _over(background: str, layered: Image.Image) -> Image.Image:
    width, height = layered.size
    seen = Image.new("RGB", layered.size)
    for top in range(0, height, _STRIP_ROWS):
        strip = layered.crop((0, top, width, min(top + _STRIP_ROWS, height)))
        seen.paste(
            Image.alpha_composite(Image.new("RGBA", strip.size, background), strip).convert("RGB"),
            (0, top),
        )
    return seen
