"""Pillow, behind a wall: it is given some bytes and answers with a picture or with one word."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from PIL import Image, ImageFile, features

from pixmill.images.outlines import Outline
from pixmill.images.undecodable import Undecodable

__all__ = ["UNTOUCHED", "decodable", "loaded"]

UNTOUCHED = 7
"""What the first channel of a PNG's pixels holds before they are decoded; the others hold 0."""

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

_NEEDS = {"jpeg": 16, "webp": 24, "avif": 24, "heic": 24}
"""Bytes a pixel that decoding takes at most, for those that call it a broken file when there are fewer."""

_TALKATIVE = {"tiff", "avif", "heic"}
"""Those that warn of what they find, or whose C libraries write to the terminal."""

_SILENCE = threading.Lock()


def decodable(kind: str) -> bool:
    """Tell whether a decoder for a format is installed.

    Args:
        kind: A key of :data:`pixmill.images.EXTENSIONS`.
    """
    if kind in ("webp", "avif"):
        return bool(features.check(kind))
    return kind != "heic" or importlib.util.find_spec("pillow_heif") is not None


def loaded(kind: str, outline: Outline, *, max_pixels: int) -> ImageFile.ImageFile:
    """Return a picture with its pixels.

    Args:
        kind: A key of :data:`pixmill.images.EXTENSIONS`.
        outline: What is known of the file.
        max_pixels: The most pixels that are decoded.

    Raises:
        Undecodable: ``no_decoder``, ``too_many_pixels``, ``truncated`` or ``broken``.
        MemoryError: There was too little memory for it.
    """
    if kind in _TALKATIVE:
        with _silence():
            return _loaded(kind, outline, max_pixels)
    return _loaded(kind, outline, max_pixels)


def _loaded(kind: str, outline: Outline, max_pixels: int) -> ImageFile.ImageFile:
    reader = _reader(kind)
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
        # The caller's limit governs; Pillow's own would come before it.
        Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        picture = reader(io.BytesIO(outline.needed))
        _check(picture, max_pixels)
        if kind == "png":
            # Rows that there are no data for stay as they are, and nothing is said.
            picture.im = Image.core.fill(picture.mode, picture.size, UNTOUCHED)  # type: ignore[attr-defined]
        # All at once: the decoder of arithmetic-coded JPEGs cannot wait for more.
        picture.decodermaxblock = max(picture.decodermaxblock, len(outline.needed))
        picture.load()
        # Of a HEIC the size may have changed meanwhile.
        _check(picture, max_pixels)
    except (MemoryError, Undecodable):
        raise
    except Exception as error:
        # Hostile bytes make decoders raise anything. It costs this picture only.
        said = str(error)
        if "out of memory" in said:
            raise MemoryError(said) from error
        if outline.cut or "truncated" in said.lower():
            raise Undecodable("truncated", said) from error
        # Room enough to decode it: asked for, and given back untouched. Raises MemoryError.
        np.empty(outline.width * outline.height * _NEEDS.get(kind, 0), np.uint8)
        raise Undecodable("broken", said) from error
    return picture


def _check(picture: Image.Image, max_pixels: int) -> None:
    if picture.width * picture.height > max_pixels:
        raise Undecodable("too_many_pixels", f"{picture.width} x {picture.height}")


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
    # One thread a picture: there is a process for each processor already.
    if kind == "avif":
        module.DEFAULT_MAX_THREADS = 1  # type: ignore[attr-defined]
    if kind == "heic":
        module.options.DECODE_THREADS = 1
        module.options.THUMBNAILS = module.options.DEPTH_IMAGES = module.options.AUX_IMAGES = False
    found: Reader = getattr(module, reader)
    return found


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep what decoders say of broken files from the terminal: the reason is told once, in the picture's row.

    C libraries write to the file behind ``stderr``, past Python, so it is put aside for as long as it takes.
    """
    with _SILENCE, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if sys.stderr is None:
            # There is no terminal: whoever started this process closed it.
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
