"""Decode hostile bytes to RGB pixels, or say in one word why not."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from pixmill.images.formats import EXTENSIONS, sniff

__all__ = ["Decoded", "Undecodable", "decode"]

_PILLOW = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "bmp": "BMP", "tiff": "TIFF"}


class Undecodable(Exception):  # noqa: N818 (an outcome that callers turn into a row, not a fault)
    """Say why some bytes are no picture.

    Args:
        reason: One word for tables: ``empty``, ``html``, ``svg``, ``archive``, ``pdf``, ``unknown`` (by content),
            ``too_many_pixels``, ``truncated`` or ``broken``.
        detail: What the decoder said.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


@dataclass(frozen=True)
class Decoded:
    """Hold a picture as a person sees it.

    Args:
        pixels: ``uint8`` of shape (height, width, 3), RGB: upright by EXIF, transparency laid over white, the first
            frame of an animation, 16-bit greys scaled to 8, CMYK converted.
        format: A key of :data:`pixmill.images.EXTENSIONS`.
        mode: The mode of the file as Pillow names it (``RGB``, ``L``, ``P``, ``CMYK``, ``I;16``, …).
    """

    pixels: npt.NDArray[np.uint8]
    format: str
    mode: str


def decode(content: bytes, *, max_pixels: int = 50_000_000) -> Decoded:
    """Decode a whole picture; its size is looked at before any pixel is.

    Args:
        content: The file's bytes.
        max_pixels: The most pixels (width times height) that are decoded.

    Raises:
        Undecodable: The bytes are no picture, too large a one, or not a whole one.
    """
    kind = sniff(content)
    if kind not in EXTENSIONS:
        raise Undecodable(kind)
    with warnings.catch_warnings():
        # Pillow warns of odd metadata and of sizes that max_pixels governs here.
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content), formats=[_PILLOW[kind]]) as picture:
                if picture.width * picture.height > max_pixels:
                    raise Undecodable("too_many_pixels", f"{picture.width} x {picture.height}")
                picture.seek(0)
                mode = picture.mode
                picture.load()
                return Decoded(_rgb(picture), kind, mode)
        except UnidentifiedImageError as error:
            raise Undecodable("broken", str(error)) from error
        except Image.DecompressionBombError as error:
            raise Undecodable("too_many_pixels", str(error)) from error
        except (OSError, EOFError, SyntaxError, ValueError, IndexError, KeyError, TypeError, struct.error) as error:
            # What Pillow's decoders are known to raise on broken files.
            cut = isinstance(error, EOFError) or "truncated" in str(error).lower()
            raise Undecodable("truncated" if cut else "broken", str(error)) from error


def _rgb(picture: Image.Image) -> npt.NDArray[np.uint8]:
    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I") or upright.mode == "F":
        return _from_deep(upright)
    if upright.has_transparency_data:
        layered = upright.convert("RGBA")
        ground = Image.new("RGBA", layered.size, "white")
        upright = Image.alpha_composite(ground, layered)
    return np.asarray(upright.convert("RGB"), dtype=np.uint8)


def _from_deep(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """Scale 16-bit greys (and wider ones, clipped to 16 bits) to 8 bits by their high byte."""
    deep = np.asarray(picture, dtype=np.float64)
    if not np.isfinite(deep).all():
        raise ValueError("pixels that are not finite")
    grey = (np.clip(deep, 0, 65535).astype(np.uint16) >> 8).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)
