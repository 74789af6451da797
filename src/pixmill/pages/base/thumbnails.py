"""Thumbnails of images' files, decoded under guard in other processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixmill.compute import Limits, map_batches
from pixmill.images import Undecodable, decode, fit, read_verified
from pixmill.images.fit import Aspect, Resize, thumbnail_uri

__all__ = ["Shown", "thumbnails"]

_LIMITS = Limits(seconds=20, memory=1 << 30)
"""What one image may take, as validate's own defaults."""

_MAX_PIXELS = 50_000_000
"""The most pixels that are decoded, likewise."""

_BATCH = 64
"""Images a call; fewer are not worth the start of several processes."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Say which image is shown, and how.

    Args:
        id: The image's id: the sha256 that its bytes must have.
        path: Its file.
        max_pixels: The most pixels that are decoded; default: 50 million.
        side: Side of the square that it is fitted to, in pixels; ``None``: it is shown as it came.
        aspect: How it becomes square.
        resize: The filter.
    """

    id: str
    path: Path
    max_pixels: int = _MAX_PIXELS
    side: int | None = None
    aspect: Aspect = "pad"
    resize: Resize = "bicubic"


def thumbnails(
    images: Iterable[Shown], *, limits: Limits | None = _LIMITS, workers: int | None = None
) -> dict[Shown, str]:
    """Return ``data:`` URIs of those images that are there and decode, in their order; words must do for the others.

    Args:
        images: Some hundreds at most: each takes some kilobytes of the page.
        limits: What one image may take; ``None``: anything. Default: 20 seconds and 1 GiB.
        workers: Processes; default: one a processor. ``0`` decodes in this process, without limits only.
    """
    distinct = list(dict.fromkeys(images))
    lost = None if limits is None else lambda *_: None
    uris = map_batches(_batch, distinct, batch_size=_BATCH, workers=workers, limits=limits, lost=lost)
    return {image: uri for image, uri in zip(distinct, uris, strict=True) if uri is not None}


def _batch(images: Sequence[Shown]) -> list[str | None]:
    return [_uri(image) for image in images]


def _uri(image: Shown) -> str | None:
    try:
        pixels = decode(read_verified(image.path, image.id), max_pixels=image.max_pixels).pixels
    except Undecodable:
        return None
    if image.side is not None:
        pixels = fit(pixels, image.side, image.aspect, image.resize)
    return thumbnail_uri(pixels)
