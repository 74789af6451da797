"""Thumbnails of image files, decoded in worker processes with limits."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pixmill.images.compute import RowLimits, map_batches
from pixmill.images.decode import decode
from pixmill.images.depth import Window
from pixmill.images.fit import Aspect, Resize, fit, thumbnail_uri
from pixmill.images.verified_reading import UndecodableError, read_verified

_LIMITS = RowLimits(seconds=20, memory=1 << 30)
"""Limits per image, as the defaults of validate."""

_MAX_PIXELS = 50_000_000
"""Maximum pixels of an image, as the default of validate."""

_BATCH = 64
"""Images per task; starting more processes for fewer does not pay."""

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A thumbnail to make.

    Args:
        id: Image id, the expected SHA-256 of the bytes.
        path: Path of the file, or its bytes.
        max_pixels: Maximum pixels; larger images are not decoded. Default: 50 million.
        window: See :func:`pixmill.images.decode`.
        side: Image size in pixels to which the image is fitted first; ``None``: the raw image.
        aspect: Method of making the image square.
        resize: Resampling filter.
        size: Longer side of the thumbnail in pixels.
    """

    id: str
    path: Path | bytes
    max_pixels: int = _MAX_PIXELS
    window: Window | None = None
    side: int | None = None
    aspect: Aspect = "pad"
    resize: Resize = "bicubic"
    size: int = 96


def thumbnails(
    images: Iterable[Thumbnail], *, limits: RowLimits | None = _LIMITS, workers: int | None = None
) -> dict[Thumbnail, str]:
    """Return the ``data:`` URIs of thumbnails in the given order, as far as they can be decoded.

    Args:
        images: Thumbnails to make, a few hundred at most: each adds a few kilobytes to the page.
        limits: Limits per image; ``None``: no limits. Default: 20 seconds and 1 GiB.
        workers: Number of processes; default: one per CPU. ``0``: this process, which requires
            ``limits=None``.
    """
    distinct = list(dict.fromkeys(images))
    uris = each_thumbnail(distinct, limits=limits, workers=workers)
    return {image: uri for image, uri in zip(distinct, uris, strict=True) if uri is not None}


def each_thumbnail(
    images: Iterable[Thumbnail | None],
    *,
    limits: RowLimits | None = _LIMITS,
    workers: int | None = None,
) -> Iterator[str | None]:
    """Yield the ``data:`` URI of each thumbnail.

    ``None`` if the image is missing or cannot be decoded.

    Args:
        images: Thumbnails to make, consumed lazily to save memory.
        limits: As in :func:`thumbnails`.
        workers: As in :func:`thumbnails`.
    """
    lost = None if limits is None else lambda *_: None
    return map_batches(
        _batch, images, batch_size=_BATCH, workers=workers, limits=limits, lost=lost, local=True
    )


def take_until_full(uris: Iterable[tuple[Key, str | None]], max_bytes: int) -> dict[Key, str]:
    """Return the thumbnails that fit on a page, in order.

    Args:
        uris: Pairs of key and ``data:`` URI (or ``None``).
        max_bytes: Maximum bytes of all URIs.
    """
    chosen: dict[Key, str] = {}
    for key, uri in uris:
        if uri is not None and key not in chosen and len(uri) <= max_bytes:
            chosen[key] = uri
            max_bytes -= len(uri)
    return chosen


def _batch(images: Sequence[Thumbnail | None]) -> list[str | None]:
    return [None if image is None else _uri(image) for image in images]


def _uri(image: Thumbnail) -> str | None:
    try:
        pixels = decode(
            read_verified(image.path, image.id), max_pixels=image.max_pixels, window=image.window
        ).pixels
    except UndecodableError:
        return None
    if image.side is not None:
        pixels = fit(pixels, image.side, image.aspect, image.resize)
    return thumbnail_uri(pixels, image.size)
