"""Thumbnails of images' files, decoded under guard in other processes."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pixmill.images import UndecodableError, decode, fit, read_verified
from pixmill.images.compute import RowLimits, map_batches
from pixmill.images.fit import Aspect, Resize, thumbnail_uri

_LIMITS = RowLimits(seconds=20, memory=1 << 30)
"""What one image may take, as validate's own defaults."""

_MAX_PIXELS = 50_000_000
"""The most pixels that are decoded, likewise."""

_BATCH = 64
"""Images a call; fewer are not worth the start of several processes."""

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """An image to show, and how.

    Args:
        id: The image's id: the sha256 that its bytes must have.
        path: Its file, or the bytes of one.
        max_pixels: The most pixels that are decoded; default: 50 million.
        side: Side of the square that it is fitted to, in pixels; ``None``: it is shown as it came.
        aspect: How it becomes square.
        resize: The filter.
        size: The longer side of the thumbnail, in pixels.
    """

    id: str
    path: Path | bytes
    max_pixels: int = _MAX_PIXELS
    side: int | None = None
    aspect: Aspect = "pad"
    resize: Resize = "bicubic"
    size: int = 96


def thumbnails(
    images: Iterable[Thumbnail], *, limits: RowLimits | None = _LIMITS, workers: int | None = None
) -> dict[Thumbnail, str]:
    """Return ``data:`` URIs of those images that are there and decode, in their order; words must do for the others.

    Args:
        images: Some hundreds at most: each takes some kilobytes of the page.
        limits: What one image may take; ``None``: anything. Default: 20 seconds and 1 GiB.
        workers: Processes; default: one a processor. ``0`` decodes in this process, without limits only.
    """
    distinct = list(dict.fromkeys(images))
    uris = each_thumbnail(distinct, limits=limits, workers=workers)
    return {image: uri for image, uri in zip(distinct, uris, strict=True) if uri is not None}


def each_thumbnail(
    images: Iterable[Thumbnail | None], *, limits: RowLimits | None = _LIMITS, workers: int | None = None
) -> Iterator[str | None]:
    """Yield the ``data:`` URI of each image, ``None`` for one that is missing or does not decode.

    Args:
        images: Consumed lazily, so that few of those given as bytes are in memory.
        limits: As in :func:`thumbnails`.
        workers: As in :func:`thumbnails`.
    """
    lost = None if limits is None else lambda *_: None
    return map_batches(_batch, images, batch_size=_BATCH, workers=workers, limits=limits, lost=lost, local=True)


def take_until_full(uris: Iterable[tuple[Key, str | None]], most: int) -> dict[Key, str]:
    """Return the first thumbnails, as many as a page has room for.

    Args:
        uris: What is shown, and its ``data:`` URI if there is one.
        most: The most bytes of all of them.
    """
    chosen: dict[Key, str] = {}
    for key, uri in uris:
        if uri is not None and key not in chosen and len(uri) <= most:
            chosen[key] = uri
            most -= len(uri)
    return chosen


def _batch(images: Sequence[Thumbnail | None]) -> list[str | None]:
    return [None if image is None else _uri(image) for image in images]


def _uri(image: Thumbnail) -> str | None:
    try:
        pixels = decode(_content(image), max_pixels=image.max_pixels).pixels
    except UndecodableError:
        return None
    if image.side is not None:
        pixels = fit(pixels, image.side, image.aspect, image.resize)
    return thumbnail_uri(pixels, image.size)


def _content(image: Thumbnail) -> bytes:
    if isinstance(image.path, Path):
        return read_verified(image.path, image.id)
    if hashlib.sha256(image.path).hexdigest() != image.id:
        raise UndecodableError("changed_bytes")
    return image.path
