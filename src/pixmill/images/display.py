"""An opened image as it is displayed: upright, opaque, in 8 bits."""

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import numpy.typing as npt
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
"""Rows processed at a time in deep or transparent images, to avoid large copies."""


def as_displayed(image: Image.Image, *, orientation: int = 1) -> Image.Image:
    """Return the image without metadata, in mode ``RGB``, or ``L`` if it is greyscale.

    Args:
        image: A loaded image.
        orientation: Its EXIF orientation, 1 to 8.

    Raises:
        ValueError: Its mode cannot be converted, or some of its pixels are not finite.
    """
    if image.mode in ("RGB", "L") and "transparency" not in image.info:
        seen = image
    elif image.mode.startswith("I") or image.mode == "F":
        seen = _from_deep(image)
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
    return max(seen, _over("black", layered), key=lambda image: np.ptp(np.asarray(image.convert("L"))))


def _over(background: str, layered: Image.Image) -> Image.Image:
    width, height = layered.size
    seen = Image.new("RGB", layered.size)
    for top in range(0, height, _STRIP_ROWS):
        strip = layered.crop((0, top, width, min(top + _STRIP_ROWS, height)))
        seen.paste(Image.alpha_composite(Image.new("RGBA", strip.size, background), strip).convert("RGB"), (0, top))
    return seen


def _from_deep(image: Image.Image) -> Image.Image:
    """Scale greys of more than 8 bits.

    For 16 bits the high byte is used. For 32 bits white is not defined; it is taken as the smallest of 1 (for floats),
    255 and 65,535 that no pixel exceeds. Values above 65,535 are white.
    """
    white = None if image.mode.startswith("I;16") else _white(image)
    clear = image.info.get("transparency")
    grey = np.empty((image.height, image.width), np.uint8)
    for top, deep in strips(image):
        if white is None:
            strip = deep >> 8 if clear is None else np.where(deep == clear, 255, deep >> 8)
        else:
            deep = np.clip(deep, 0, white).astype(np.float64)
            strip = deep * 255 + 0.5 if white == 1 else deep * 256 / (white + 1)
        grey[top : top + len(strip)] = strip.astype(np.uint8)
    return Image.fromarray(grey)


def _white(image: Image.Image) -> int:
    highest = 0
    for _, deep in strips(image):
        if not np.isfinite(deep).all():
            raise ValueError("pixels that are not finite")
        highest = max(highest, deep.max())
    whites = (1, 255) if image.mode == "F" else (255,)
    return next((white for white in whites if highest <= white), 65_535)


def strips(image: Image.Image) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yield strips of an image with the index of their first row.

    Args:
        image: In any mode that NumPy has a type for.
    """
    for top in range(0, image.height, _STRIP_ROWS):
        yield top, np.asarray(image.crop((0, top, image.width, min(top + _STRIP_ROWS, image.height))))
