"""Decode hostile bytes to RGB pixels, or say in one word why not."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, features

from pixmill.images.appearance import as_seen
from pixmill.images.formats import EXTENSIONS, sniff
from pixmill.images.reading import Undecodable

__all__ = ["Decoded", "decodable", "decode", "header_size"]

Reader = Callable[[io.BytesIO], ImageFile.ImageFile]

_READERS = {
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "heic": ("pillow_heif", "HeifImageFile"),
}
"""By format. Named one by one, so that no other of Pillow's decoders ever sees the bytes, whatever they begin with."""

_BYTES_A_PIXEL = {"jpeg": 16, "webp": 24, "avif": 24, "heic": 24}
"""What decoding takes at most, for those that call it a broken file when there is less memory."""

_NOISY = {"tiff", "avif", "heic"}
"""Those that warn of what they find, or whose C libraries write to the terminal."""

_STDERR = threading.Lock()

_CUT = re.compile(
    "truncated|end of file|requires a buffer|incomplete checksum|broken PNG file .chunk b''|no more images|missing dim",
    re.IGNORECASE,
)
"""What Pillow says of a file that ends too early. Of a cut AVIF, and of some cut TIFFs, it says no more than that they
are broken."""

_TILE_PIXELS = 50_000_000
"""Pixels that a tile of a TIFF may have, whatever the caller's limit: at the edge, it is larger than the image."""

_TILE_WIDTH, _TILE_HEIGHT = 322, 323

_SCANS = 100
"""The most scans of a progressive JPEG. Each is a pass over all pixels, so a small file with thousands of them would
keep a decoder busy for hours. Encoders write about ten; libtiff draws the line at 100 too."""

_ORIENTATION = 0x0112
_MIDDLE_GREYS = {126, 127, 128, 129}
"""What a decoder of JPEG gives to pixels that it has no data for."""

_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""What ends the coded data of a JPEG's scan: any marker but a restart."""


@dataclass(frozen=True)
class Decoded:
    """Hold an image as a person sees it: upright by EXIF, transparency over white, the first frame of an animation.

    Nothing but pixels is left of the file: no EXIF, no text, no profile.

    Args:
        image: In mode ``RGB``, or ``L`` where it has no colours.
        format: A key of :data:`pixmill.images.EXTENSIONS`.
        mode: The mode of the file as Pillow names it (``RGB``, ``L``, ``P``, ``CMYK``, ``I;16``, …).
    """

    image: Image.Image
    format: str
    mode: str

    @cached_property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """The pixels in RGB: ``uint8`` of shape (height, width, 3), not to be written to."""
        return np.asarray(self.image if self.image.mode == "RGB" else self.image.convert("RGB"))


def decode(content: bytes, *, max_pixels: int = 50_000_000) -> Decoded:
    """Decode a whole image; its size is looked at before any pixel is.

    >>> from pixmill.images.png import png_bytes
    >>> decoded = decode(png_bytes(np.zeros((2, 3, 3), np.uint8)))
    >>> decoded.format, decoded.mode, decoded.pixels.shape
    ('png', 'RGB', (2, 3, 3))

    Args:
        content: The file's bytes.
        max_pixels: The most pixels (width times height) that are decoded.

    Raises:
        Undecodable: The bytes are no image, too large a one, or not a whole one.
        MemoryError: There was too little memory for it.
    """
    kind = _kind(content)
    with _quiet(kind):
        image, box = _loaded(kind, content, max_pixels)
        orientation = _orientation(kind, image)
        if _closed_early(kind, content, image):
            raise Undecodable("truncated", "the data end before the pixels do")
    try:
        seen = as_seen(image, orientation=orientation)
    except ValueError as error:
        raise Undecodable("broken", str(error)) from error
    if kind == "gif" and box != (0, 0, *image.size):
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(seen.crop(box), box[:2])
        seen = canvas
    return Decoded(seen, kind, image.mode)


def header_size(content: bytes) -> tuple[int, int]:
    """Return the width and the height of an image in pixels, as its header says; no pixel is decoded.

    Args:
        content: The file's bytes.

    Raises:
        Undecodable: The bytes are no image, or its header is broken.
        MemoryError: There was too little memory for it: the decoder of AVIF makes room for the pixels at once.
    """
    kind = _kind(content)
    size = _webp_size(content) if kind == "webp" else (0, 0)
    with _quiet(kind), _named_errors():
        return size if all(size) else _reader(kind)(io.BytesIO(content)).size


def decodable(kind: str) -> bool:
    """Tell whether a decoder for a format is installed.

    Args:
        kind: A key of :data:`pixmill.images.EXTENSIONS`.
    """
    if kind in ("webp", "avif"):
        return bool(features.check(kind))
    return kind != "heic" or importlib.util.find_spec("pillow_heif") is not None


def _kind(content: bytes) -> str:
    kind = sniff(content)
    if kind not in EXTENSIONS:
        raise Undecodable(kind)
    return kind


def _loaded(kind: str, content: bytes, max_pixels: int) -> tuple[ImageFile.ImageFile, tuple[int, int, int, int]]:
    """Return an image with its pixels, and the box of it that the file stores."""
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
        # The caller's limit governs; Pillow's own would come before it.
        Image.MAX_IMAGE_PIXELS = max_pixels
    if kind == "webp" and len(content) < 8 + int.from_bytes(content[4:8], "little"):
        raise Undecodable("truncated", "shorter than its header says")
    reader, size = _reader(kind), _webp_size(content) if kind == "webp" else (0, 0)
    if size[0] * size[1] > max_pixels:
        raise Undecodable("too_many_pixels", f"{size[0]} x {size[1]}")
    with _named_errors():
        try:
            image = reader(io.BytesIO(content))
            size = image.size
            _check_size(image, max_pixels)
            box = image.tile[0].extents if image.tile else None
            if kind == "png":
                # While it decodes the pixels, Pillow looks at none of their checksums.
                reader(io.BytesIO(content)).verify()
                _scale_transparency(image, depth=content[24])
            if kind == "jpeg" and "progressive" in image.info and content.count(b"\xff\xda") > _SCANS:
                raise Undecodable("too_complex", f"more than {_SCANS} scans")
            # All at once: the decoder of arithmetic-coded JPEGs cannot wait for more.
            image.decodermaxblock = max(image.decodermaxblock, len(content))
            image.load()
            # Of a HEIC the size may have changed meanwhile.
            _check_size(image, max_pixels)
        except (MemoryError, Undecodable):
            raise
        except Exception:
            # Is there room enough to decode it? Asked for, and given back untouched. Raises MemoryError.
            np.empty(size[0] * size[1] * _BYTES_A_PIXEL.get(kind, 0), np.uint8)
            raise
    return image, box or (0, 0, *image.size)


def _webp_size(content: bytes) -> tuple[int, int]:
    """Return a WebP's size by its header (RFC 9649), or zeros: its decoder makes room for all of it when opened."""
    if content[12:16] == b"VP8X":
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if content[12:16] == b"VP8L" and content[20:21] == b"\x2f":
        sides = int.from_bytes(content[21:25], "little")
        return 1 + (sides & 0x3FFF), 1 + (sides >> 14 & 0x3FFF)
    if content[23:26] == b"\x9d\x01\x2a":
        return int.from_bytes(content[26:28], "little") & 0x3FFF, int.from_bytes(content[28:30], "little") & 0x3FFF
    return 0, 0


def _check_size(image: ImageFile.ImageFile, max_pixels: int) -> None:
    tags = getattr(image, "tag_v2", {})
    tile = tags.get(_TILE_WIDTH, 0) * tags.get(_TILE_HEIGHT, 0)
    if image.width * image.height > max_pixels or tile > max(max_pixels, _TILE_PIXELS):
        raise Undecodable("too_many_pixels", f"{image.width} x {image.height}")


def _scale_transparency(image: ImageFile.ImageFile, *, depth: int) -> None:
    """Scale a PNG's transparent colour to 8 bits, as Pillow does with the pixels but not with this colour."""
    clear = image.info.get("transparency")
    if isinstance(clear, tuple) and depth == 16:
        image.info["transparency"] = tuple(value >> 8 for value in clear)
    elif isinstance(clear, int) and depth in (2, 4) and image.mode == "L":
        image.info["transparency"] = clear * 255 // ((1 << depth) - 1)


@contextlib.contextmanager
def _named_errors() -> Iterator[None]:
    """Turn whatever a decoder raises into the reason: hostile bytes make decoders raise anything."""
    try:
        yield
    except (MemoryError, Undecodable):
        raise
    except Image.DecompressionBombError as error:
        raise Undecodable("too_many_pixels", str(error)) from error
    except Exception as error:
        message = str(error)
        if "out of memory" in message:
            raise MemoryError(message) from error
        raise Undecodable("truncated" if _CUT.search(message) else "broken", message) from error


def _orientation(kind: str, image: Image.Image) -> int:
    """Return how EXIF turns an image, 1 to 8; 1 where it does not say so soundly.

    Pillow itself has followed the tag of a TIFF; a HEIC's is not followed, as its standard wants; and of an AVIF Pillow
    tells the container's own turns as if EXIF did.
    """
    if kind not in ("jpeg", "png", "webp", "avif"):
        return 1
    exif = Image.Exif()
    with contextlib.suppress(Exception):
        exif.load(image.info.get("exif", b""))
        value = exif.get(_ORIENTATION)
        return value if isinstance(value, int) and 1 <= value <= 8 else 1
    return 1


def _closed_early(kind: str, content: bytes, image: ImageFile.ImageFile) -> bool:
    """Tell whether a JPEG was cut and closed with an end mark all the same, which decoders pass over in silence.

    They leave the rest grey. Where the last pixel is, one decodes again with more coded data: if that changes the
    image, the data had ended early; else they are never looked at.
    """
    if kind != "jpeg" or "progressive" in image.info:
        return False
    last = image.getpixel((image.width - 1, image.height - 1))
    if not _MIDDLE_GREYS.issuperset(last if isinstance(last, tuple) else (last,)):
        return False
    stream = io.BytesIO(content)
    _reader(kind)(stream)  # reads the headers, up to the first scan's data
    end = _SCAN_END.search(content, stream.tell())
    if end is None:
        return False
    longer = content[: end.start()] + bytes(8192) + content[end.start() :]
    return _loaded(kind, longer, image.width * image.height)[0] != image


@lru_cache
def _reader(kind: str) -> Reader:
    """Return what reads files of a format.

    Raises:
        Undecodable: Nothing that does is installed.
    """
    if not decodable(kind):
        raise Undecodable("no_decoder", kind)
    name, reader = _READERS[kind]
    module = importlib.import_module(name)
    if kind == "png":
        # Bytes of a packed text: a long one is no reason to refuse the pixels.
        module.MAX_TEXT_CHUNK = 8 << 20  # type: ignore[attr-defined]
    # One thread an image: there is a process for each processor already.
    if kind == "avif":
        module.DEFAULT_MAX_THREADS = 1  # type: ignore[attr-defined]
    if kind == "heic":
        module.options.DECODE_THREADS = 1
        module.options.THUMBNAILS = module.options.DEPTH_IMAGES = module.options.AUX_IMAGES = False
    return getattr(module, reader)  # type: ignore[no-any-return]


@contextlib.contextmanager
def _quiet(kind: str) -> Iterator[None]:
    """Keep what decoders say of broken files from the terminal: the reason is told once, in the image's row.

    C libraries write to the file behind ``stderr``, past Python, so it is put aside for as long as it takes.
    """
    with _STDERR, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind not in _NOISY or sys.stderr is None:
            yield
            return
        sys.stderr.flush()
        aside, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(aside, 2)
            os.close(aside)
            os.close(nowhere)
