"""Resize an image to the model's square input (in training and inference), or to a thumbnail."""

import base64
import io
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

Aspect = Literal["pad", "crop", "stretch"]
ASPECTS: tuple[Aspect, ...] = get_args(Aspect)

Resize = Literal["bicubic", "bilinear", "lanczos", "box", "nearest"]
RESIZES: tuple[Resize, ...] = get_args(Resize)


def fit(pixels: Pixels, size: int, aspect: Aspect = "pad", resize: Resize = "bicubic") -> Pixels:
    """Return the image as a square.

    Pillow's filters antialias when shrinking (except ``nearest``) and compute in fixed point, so
    the result is the same on every CPU.

    Args:
        pixels: ``uint8`` of shape (height, width, 3).
        size: Side of the square in pixels.
        aspect: ``pad`` keeps the whole image and fills the border with its edge's mean colour;
            ``crop`` takes the centre square; ``stretch`` ignores the aspect ratio.
        resize: Filter: ``bicubic`` (the default), ``bilinear``, ``lanczos``, ``box`` (the mean over
            a pixel's area) or ``nearest``.

    Returns:
        ``uint8`` of shape (size, size, 3).
    """
    height, width = pixels.shape[:2]
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if aspect == "stretch" or height == width:
        return _resize(image, (size, size), resize)
    if aspect == "crop":
        shorter = min(height, width)
        left = (width - shorter) // 2
        top = (height - shorter) // 2
        return _resize(image.crop((left, top, left + shorter, top + shorter)), (size, size), resize)
    shorter = max(height, width)
    inner = max(1, round(width * size / shorter)), max(1, round(height * size / shorter))
    left = (size - inner[0]) // 2
    top = (size - inner[1]) // 2
    canvas = np.empty((size, size, 3), dtype=np.uint8)
    canvas[:] = _edge_colour(pixels)
    canvas[top : top + inner[1], left : left + inner[0]] = _resize(image, inner, resize)
    return canvas


def thumbnail(pixels: Pixels, size: int = 96, *, quality: int = 80) -> bytes:
    """Return a thumbnail as the bytes of a JPEG.

    Args:
        pixels: ``uint8`` of shape (height, width, 3).
        size: Maximum longer side in pixels; smaller images keep their dimensions.
        quality: JPEG quality, 1 to 95.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((size, size), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def thumbnail_uri(pixels: Pixels, size: int = 96) -> str:
    """Return a thumbnail as a ``data:`` URI, for pages that work offline.

    Arguments as in :func:`thumbnail`.
    """
    content = thumbnail(pixels, size)
    return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")


def _resize(image: Image.Image, size: tuple[int, int], resize: Resize) -> Pixels:
    return np.asarray(image.resize(size, Image.Resampling[resize.upper()]), dtype=np.uint8)


def _edge_colour(pixels: Pixels) -> Pixels:
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour: Pixels = np.rint(edge.mean(axis=0)).astype(np.uint8)
    return colour
