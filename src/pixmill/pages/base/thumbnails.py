"""Thumbnails of pictures' files, decoded under guard in other processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixmill.compute import Limits, map_batches
from pixmill.images import Undecodable, decode, fit, read_verified
from pixmill.images.fit import Aspect, Resize, thumbnail_uri

__all__ = ["Shown", "thumbnails"]

_LIMITS = Limits(seconds=20, memory=1 << 30)
"""What one picture may take, as validate's own defaults."""

_MAX_PIXELS = 50_000_000
"""The most pixels that are decoded, likewise."""

_BATCH = 64
"""Pictures a call; fewer are not worth the start of several processes."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Say which picture is shown, and how.

    Args:
        id: The picture's id: the sha256 that its bytes must have.
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
    pictures: Iterable[Shown], *, limits: Limits | None = _LIMITS, workers: int | None = None
) -> dict[Shown, str]:
    """Return ``data:`` URIs of those pictures that are there and decode, in their order; words must do for the others.

    Args:
        pictures: Some hundreds at most: each takes some kilobytes of the page.
        limits: What one picture may take; ``None``: anything. Default: 20 seconds and 1 GiB.
        workers: Processes; default: one a processor. ``0`` decodes in this process, without limits only.
    """
    distinct = list(dict.fromkeys(pictures))
    lost = None if limits is None else lambda *_: None
    uris = map_batches(_batch, distinct, batch_size=_BATCH, workers=workers, limits=limits, lost=lost)
    return {picture: uri for picture, uri in zip(distinct, uris, strict=True) if uri is not None}


def _batch(pictures: Sequence[Shown]) -> list[str | None]:
    return [_uri(picture) for picture in pictures]


def _uri(picture: Shown) -> str | None:
    try:
        pixels = decode(read_verified(picture.path, picture.id), max_pixels=picture.max_pixels).pixels
    except Undecodable:
        return None
    if picture.side is not None:
        pixels = fit(pixels, picture.side, picture.aspect, picture.resize)
    return thumbnail_uri(pixels)
