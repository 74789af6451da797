"""Small images for several test modules, and files that Pillow cannot write."""

import base64
import io
import struct
import zlib
from typing import Any

from PIL import Image

__all__ = [
    "GREEN",
    "HEIC",
    "RED",
    "WHITE",
    "chunk",
    "encoded",
    "halves",
    "png_header",
    "shapes",
]

RED = (200, 30, 40)
GREEN = (10, 180, 60)
WHITE = (255, 255, 255)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(width: int = 40, height: int = 24) -> Image.Image:
    """Return an image that is red on the left and green on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height))
    return image


def shapes(seed: int = 0, width: int = 48, height: int = 32) -> Image.Image:
    """Return an image of smooth random shapes."""
    import numpy as np

    values = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(
    width: int,
    height: int,
    data: bytes = b"",
    *,
    depth: int = 8,
    colour: int = 2,
    interlaced: int = 0,
) -> bytes:
    """Return a PNG with these dimensions and uncompressed scanlines."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAXxtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABoAABAAAAAAAAAHoAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/GlwcnAAAADcaXBjbwAAAHVodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQApQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqrprm4CGgwIAAAAyAAAADAIRiAAEABkQBwXPBiQAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAChjbGFwAAAAEAAAAAEAAAAQAAAAAf///9AAAAAC////0AAAAAIAAAAQcGl4aQAAAAADCAgIAAAAGGlwbWEAAAAAAAAAAQABBYECAwWEAAAAgm1kYXQAAAB2KAGvBjIawuWAXUCj2+Id//+R/0PkoX9N8MP/77//0v0uvN9yERrGIv6JLJAsz4gP9/+lKH6Acv/QYWbbdnFYe+hApNYNrU+bcnk4VkYGRoxzJMeJJ1Pn+DLnN3qXeEfupgtjGSwELNBQ7EgjN6kg0HJjNHKmrg=="
)
"""``halves(16, 16)``, by libheif and x265."""
