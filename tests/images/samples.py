"""Small images for several test modules, and files that Pillow cannot write."""

import base64
import io
import struct
import zlib
from typing import Any

from PIL import Image

__all__ = [
    "ARITHMETIC_JPEG",
    "GREEN",
    "HEIC",
    "RED",
    "WHITE",
    "chunk",
    "encoded",
    "halves",
    "plain_tiff",
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


ARITHMETIC_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/yQARCAAQABADAREAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD/AMkXHgF7JfrcvRxKH/MQ5yTdDv/Z"
)
"""``halves(16, 16)``, by ``cjpeg -arithmetic`` of libjpeg-turbo."""

HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAXxtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABoAABAAAAAAAAAHoAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/GlwcnAAAADcaXBjbwAAAHVodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQApQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqrprm4CGgwIAAAAyAAAADAIRiAAEABkQBwXPBiQAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAChjbGFwAAAAEAAAAAEAAAAQAAAAAf///9AAAAAC////0AAAAAIAAAAQcGl4aQAAAAADCAgIAAAAGGlwbWEAAAAAAAAAAQABBYECAwWEAAAAgm1kYXQAAAB2KAGvBjIawuWAXUCj2+Id//+R/0PkoX9N8MP/77//0v0uvN9yERrGIv6JLJAsz4gP9/+lKH6Acv/QYWbbdnFYe+hApNYNrU+bcnk4VkYGRoxzJMeJJ1Pn+DLnN3qXeEfupgtjGSwELNBQ7EgjN6kg0HJjNHKmrg=="
)
"""``halves(16, 16)``, by libheif and x265."""


def plain_tiff(bits: list[int], photometric: int, form: int) -> bytes:
    """Return a sound uncompressed TIFF of 8 x 8 zeros.

    Args:
        bits: Bits of each channel.
        photometric: Colour space: 1 for grey, 2 for RGB, 8 for CIELAB.
        form: 1 for integers, 3 for floats.
    """
    size = 8 * sum(bits)
    channels = len(bits)
    tags = [
        (256, [8]),
        (257, [8]),
        (258, bits),
        (259, [1]),
        (262, [photometric]),
        (273, [512]),
        (277, [channels]),
    ]
    tags += [(278, [8]), (279, [size]), (339, [form] * channels)]
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    extra = b""
    for tag, values in tags:
        packed = struct.pack(f"<{len(values)}H", *values)
        if len(packed) > 4:
            packed, extra = struct.pack("<I", 256 + len(extra)), extra + packed
        head += struct.pack("<HHI4s", tag, 3, len(values), packed)
    return (head.ljust(256, b"\0") + extra).ljust(512, b"\0") + bytes(size)
