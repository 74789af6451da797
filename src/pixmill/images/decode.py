"""Decode untrusted bytes to an upright, opaque image of 8 bits, or report a one-word reason."""

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

from pixmill.images.depth import Window, find_window, measure_values, strips, to_8_bits
from pixmill.images.display import as_displayed
from pixmill.images.formats import sniff
from pixmill.images.verified_reading import UndecodableError, known_format

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
"""Decoders by format. No other Pillow decoder ever receives untrusted bytes."""

_BYTES_PER_PIXEL = {"jpeg": 16, "webp": 24, "avif": 24, "heic": 24}
"""Maximum memory per pixel of the decoders that report a broken file when memory runs out."""

_NOISY = {"tiff", "avif", "heic"}
"""Formats whose decoders emit warnings, or whose C libraries write to the terminal."""

_STDERR = threading.Lock()

_CUT = re.compile(
    "truncated|end of file|requires a buffer|incomplete checksum|broken PNG file .chunk b''|no "
    "more images|missing dim",
    re.IGNORECASE,
)
"""Pillow's messages for a truncated file.

It reports truncated AVIFs and some truncated TIFFs as broken only.
"""

_UNSUPPORTED = re.compile(
    r"unknown pixel mode|samples per pixel|cannot handle|[Uu]nsupported|not finite|^\d+$"
)
"""Pillow's messages for a sound file of a kind that it does not read.

A number is a compression of TIFF.
"""

_MAX_TILE_PIXELS = 50_000_000
"""Maximum pixels of a TIFF tile, which may be larger than the image, if the limit is lower."""

_TILE_WIDTH = 322
_TILE_HEIGHT = 323

_SUBFILE_TYPE = 254
_MAX_PAGES = 10_000
"""Maximum number of TIFF pages that are counted."""

_LARGE_PIXELS = 20_000_000
"""Pixels from which an image is copied in strips: Pillow would hold all of its bytes twice."""

_MAX_SCANS = 100
"""Maximum scans of a progressive JPEG.

Each is a pass over all pixels, so a small file with thousands of them would
take hours to decode. Encoders write about ten; libtiff has the same limit.
"""

_ORIENTATION = 0x0112
_MIDDLE_GREYS = {126, 127, 128, 129}
"""Values that JPEG decoders assign to pixels without data."""

_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The end of the coded data of a JPEG scan: any marker except a restart."""


@dataclass(frozen=True)
class Decoded:
    """An image as displayed: upright, transparency over white, first frame of an animation.

    White content is put over black instead, since white would hide it.

    All metadata is removed: no EXIF, no text, no profile.

    Args:
        image: In mode ``RGB``, or ``L`` if it is greyscale.
        format: A key of :data:`pixmill.images.EXTENSIONS`.
        mode: The file's mode in Pillow's terms (``RGB``, ``L``, ``P``, ``CMYK``, ``I;16``, …).
        values: See :func:`pixmill.images.depth.measure_values`; empty for an image of 8 bits.
        window: Values that became black and white; ``None`` for an image of 8 bits.
    """

    image: Image.Image
    format: str
    mode: str
    values: tuple[float, ...] = ()
    window: Window | None = None

    @cached_property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """The pixels in RGB: ``uint8`` of shape (height, width, 3), read-only."""
        if self.image.width * self.image.height < _LARGE_PIXELS:
            return np.asarray(self.image if self.image.mode == "RGB" else self.image.convert("RGB"))
        pixels = np.empty((self.image.height, self.image.width, 3), np.uint8)
        for top, strip in strips(self.image):
            pixels[top : top + len(strip)] = strip if strip.ndim == 3 else strip[..., None]
        pixels.flags.writeable = False
        return pixels


def decode(
    content: bytes, *, max_pixels: int = 50_000_000, window: Window | None = None
) -> Decoded:
    """Decode a whole image, after checking its dimensions.

    >>> from pixmill.images.png import png_bytes
    >>> decoded = decode(png_bytes(np.zeros((2, 3, 3), np.uint8)))
    >>> decoded.format, decoded.mode, decoded.pixels.shape
    ('png', 'RGB', (2, 3, 3))

    Args:
        content: The file's bytes.
        max_pixels: Maximum pixels (width times height) to decode.
        window: Values that become black and white in a grey image of more than 8 bits. Default:
            found from the values of this image, see :func:`pixmill.images.depth.find_window`.

    Raises:
        UndecodableError: The bytes are not an image, or the image is too large or not intact.
        MemoryError: There is not enough memory.
    """
    kind = known_format(content)
    with _quiet(kind):
        image, box = _load(kind, content, max_pixels)
        orientation = _orientation(kind, image)
        if _is_closed_early(kind, content, image):
            raise UndecodableError("truncated", "the data end before the last pixel")
    try:
        values = measure_values(image)
        window = None if values is None else window or find_window([values])
        displayed = as_displayed(
            to_8_bits(image, window) if window else image, orientation=orientation
        )
    except (AssertionError, ValueError) as error:  # Pillow asserts that there is a palette.
        raise UndecodableError("unsupported", str(error)) from error
    if kind == "gif" and box != (0, 0, *image.size):
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(displayed.crop(box), box[:2])
        displayed = canvas
    return Decoded(displayed, kind, image.mode, values or (), window)


def header_size(content: bytes) -> tuple[int, int]:
    """Return the width and the height in pixels from the header, without decoding the image.

    Raises:
        UndecodableError: The bytes are not an image, or its header is broken.
        MemoryError: There is not enough memory; the AVIF decoder allocates all pixels on opening.
    """
    kind = known_format(content)
    size = _webp_size(kind, content)
    with _quiet(kind), _name_errors():
        return size if all(size) else _reader(kind)(io.BytesIO(content)).size


def unused_pages(content: bytes) -> int:
    """Return the number of pages of a TIFF after the first.

    Reduced versions and masks do not count.

    Args:
        content: The bytes of a decodable image of any format.
    """
    pages: list[bool] = []
    if sniff(content) == "tiff":
        # A broken later page ends the count: only the first one is needed.
        with _quiet("tiff"), contextlib.suppress(Exception):
            image = _reader("tiff")(io.BytesIO(content))
            while len(pages) < _MAX_PAGES:
                image.seek(len(pages) + 1)
                pages.append(not image.tag_v2.get(_SUBFILE_TYPE, 0) & 5)  # type: ignore[attr-defined]
    return sum(pages)


def decodable(kind: str) -> bool:
    """Return whether a decoder is installed for a format of :data:`pixmill.images.EXTENSIONS`."""
    if kind in ("webp", "avif"):
        return bool(features.check(kind))
    return kind != "heic" or importlib.util.find_spec("pillow_heif") is not None


def _load(
    kind: str, content: bytes, max_pixels: int
) -> tuple[ImageFile.ImageFile, tuple[int, int, int, int]]:
    """Return a loaded image, and the box of it that the file contains (smaller for some GIFs)."""
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
        # The caller's limit takes precedence over Pillow's.
        Image.MAX_IMAGE_PIXELS = max_pixels
    if kind == "webp" and len(content) < 8 + int.from_bytes(content[4:8], "little"):
        raise UndecodableError("truncated", "shorter than stated in its header")
    reader = _reader(kind)
    size = _webp_size(kind, content)
    if size[0] * size[1] > max_pixels:
        raise UndecodableError("too_many_pixels", f"{size[0]} x {size[1]}")
    with _name_errors():
        try:
            image = reader(io.BytesIO(content))
            size = image.size
            _check_size(image, max_pixels)
            box = image.tile[0].extents if image.tile else None
            if kind == "png":
                # Pillow does not verify checksums while decoding pixels.
                reader(io.BytesIO(content)).verify()
                _scale_transparency(image, depth=content[24])
            if (
                kind == "jpeg"
                and "progressive" in image.info
                and content.count(b"\xff\xda") > _MAX_SCANS
            ):
                raise UndecodableError("too_complex", f"more than {_MAX_SCANS} scans")
            # The decoder of arithmetic-coded JPEGs does not support streaming.
            image.decodermaxblock = max(image.decodermaxblock, len(content))
            image.load()
            # A HEIC's size may have changed on loading.
            _check_size(image, max_pixels)
        except (MemoryError, UndecodableError):
            raise
        except Exception:
            # Raises MemoryError if lack of memory may have caused the error.
            np.empty(size[0] * size[1] * _BYTES_PER_PIXEL.get(kind, 0), np.uint8)
            raise
    return image, box or (0, 0, *image.size)


def _webp_size(kind: str, content: bytes) -> tuple[int, int]:
    """Return a WebP's size from its header (RFC 9649), or zeros, also for other formats.

    The decoder would allocate all pixels on opening.
    """
    if kind != "webp":
        return 0, 0
    if content[12:16] == b"VP8X":
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(
            content[27:30], "little"
        )
    if content[12:16] == b"VP8L" and content[20:21] == b"\x2f":
        sides = int.from_bytes(content[21:25], "little")
        return 1 + (sides & 0x3FFF), 1 + (sides >> 14 & 0x3FFF)
    if content[23:26] == b"\x9d\x01\x2a":
        return int.from_bytes(content[26:28], "little") & 0x3FFF, int.from_bytes(
            content[28:30], "little"
        ) & 0x3FFF
    return 0, 0


def _check_size(image: ImageFile.ImageFile, max_pixels: int) -> None:
    tags = getattr(image, "tag_v2", {})
    tile = tags.get(_TILE_WIDTH, 0) * tags.get(_TILE_HEIGHT, 0)
    if image.width * image.height > max_pixels or tile > max(max_pixels, _MAX_TILE_PIXELS):
        raise UndecodableError("too_many_pixels", f"{image.width} x {image.height}")


def _scale_transparency(image: ImageFile.ImageFile, *, depth: int) -> None:
    """Scale a PNG's transparent colour to 8 bits, as Pillow does with the pixels only."""
    clear = image.info.get("transparency")
    if isinstance(clear, tuple) and depth == 16:
        image.info["transparency"] = tuple(value >> 8 for value in clear)
    elif isinstance(clear, int) and depth in (2, 4) and image.mode == "L":
        image.info["transparency"] = clear * 255 // ((1 << depth) - 1)


@contextlib.contextmanager
def _name_errors() -> Iterator[None]:
    """Convert any decoder exception to a reason; hostile bytes can make decoders raise anything."""
    try:
        yield
    except (MemoryError, UndecodableError):
        raise
    except Image.DecompressionBombError as error:
        raise UndecodableError("too_many_pixels", str(error)) from error
    except Exception as error:
        message = str(error)
        if "out of memory" in message:
            raise MemoryError(message) from error
        found = {"truncated": _CUT, "unsupported": _UNSUPPORTED}
        reason = next(
            (name for name, pattern in found.items() if pattern.search(message)), "broken"
        )
        raise UndecodableError(reason, message) from error


def _orientation(kind: str, image: Image.Image) -> int:
    """Return an image's EXIF orientation, 1 to 8; 1 if it is missing or invalid.

    Pillow applies the orientation of a TIFF itself. A HEIC's is ignored, as its standard requires.
    For an AVIF, Pillow reports the container's rotation as EXIF.
    """
    if kind not in ("jpeg", "png", "webp", "avif") or "exif" not in image.info:
        return 1
    exif = Image.Exif()
    with contextlib.suppress(Exception):
        exif.load(image.info["exif"])
        value = exif.get(_ORIENTATION)
        return value if isinstance(value, int) and 1 <= value <= 8 else 1
    return 1


def _is_closed_early(kind: str, content: bytes, image: ImageFile.ImageFile) -> bool:
    """Return whether a JPEG was truncated but has an end marker, which decoders accept.

    Decoders leave the rest grey. If the last pixel is grey, the image is decoded again with
    additional coded data; if this changes the image, its data had ended early.
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
    return _load(kind, longer, image.width * image.height)[0] != image


@lru_cache
def _reader(kind: str) -> Reader:
    """Return the decoder of a format.

    Raises:
        UndecodableError: No decoder is installed.
    """
    if not decodable(kind):
        raise UndecodableError("no_decoder", kind)
    name, reader = _READERS[kind]
    module = importlib.import_module(name)
    if kind == "png":
        # Pillow rejects images with longer compressed text.
        module.MAX_TEXT_CHUNK = 8 << 20  # type: ignore[attr-defined]
    # One thread per image, since there is a process per CPU.
    if kind == "avif":
        module.DEFAULT_MAX_THREADS = 1  # type: ignore[attr-defined]
    if kind == "heic":
        module.options.DECODE_THREADS = 1
        module.options.THUMBNAILS = module.options.DEPTH_IMAGES = module.options.AUX_IMAGES = False
    return getattr(module, reader)  # type: ignore[no-any-return]


@contextlib.contextmanager
def _quiet(kind: str) -> Iterator[None]:
    """Hide decoders' output about broken files; the reason is in the image's row.

    C libraries write directly to the file descriptor of ``stderr``, so it is redirected.
    """
    with _STDERR, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind not in _NOISY or sys.stderr is None:
            yield
            return
        sys.stderr.flush()
        saved = os.dup(2)
        devnull = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(devnull, 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            os.close(devnull)
