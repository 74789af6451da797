"""Thumbnails for the stage's page: pictures as they came, and as a model sees them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixmill.compute import Limits, Loss, map_batches
from pixmill.images import Undecodable, decode, fit, read_picture
from pixmill.images.fit import Aspect, Resize
from pixmill.images.thumbnail import thumbnail_uri

__all__ = ["Shown", "thumbnails"]


@dataclass(frozen=True, slots=True)
class Shown:
    """Say how a picture is shown.

    Args:
        id: The picture's id.
        path: Its file.
        pixels: Width times height, as validate found it.
        side: Side of the square that it is fitted to, in pixels; ``None``: it is shown as it came.
        aspect: How it becomes square.
        resize: The filter.
    """

    id: str
    path: Path
    pixels: int
    side: int | None = None
    aspect: Aspect = "pad"
    resize: Resize = "bicubic"


def thumbnails(pictures: Iterable[Shown], limits: Limits, *, workers: int | None = None) -> dict[Shown, str]:
    """Return ``data:`` URIs of those pictures that decode.

    Args:
        pictures: Some hundreds at most: each takes some kilobytes of the page.
        limits: What one picture may take.
        workers: Processes; default: one a processor.
    """
    wanted = list(dict.fromkeys(pictures))
    uris = map_batches(_batch, wanted, workers=workers, limits=limits, lost=_nothing)
    return {picture: uri for picture, uri in zip(wanted, uris, strict=True) if uri is not None}


def _batch(pictures: Sequence[Shown]) -> list[str | None]:
    return [_uri(picture) for picture in pictures]


def _uri(picture: Shown) -> str | None:
    try:
        pixels = decode(read_picture(picture.path), max_pixels=picture.pixels).pixels
    except (FileNotFoundError, Undecodable):
        # The page shows it in words; packing tells the person.
        return None
    if picture.side is not None:
        pixels = fit(pixels, picture.side, picture.aspect, picture.resize)
    return thumbnail_uri(pixels)


def _nothing(_: Shown, __: Loss) -> None:
    return None
