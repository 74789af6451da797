"""Thumbnails for the stage's page: a bounded number, in a bounded number of bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pixmill.compute import Limits, Loss, map_batches
from pixmill.images import Undecodable, decode, read_verified
from pixmill.images.thumbnail import thumbnail_uri
from pixmill.validate.measures import Picture

__all__ = ["thumbnails"]

_BYTES = 3_500_000
"""What all thumbnails of a page may take, so that it stays under 5 MB whatever is in it."""

_BATCH = 64
"""Pictures a call; fewer are not worth the start of processes."""


def thumbnails(
    pictures: Iterable[Picture], *, limits: Limits | None = None, workers: int | None = None
) -> dict[str, str]:
    """Return thumbnails as ``data:`` URIs, by id.

    Args:
        pictures: The pictures, what matters most first; where the page is full the rest has no thumbnail.
        limits: What one picture may take; one that takes more has no thumbnail. Default: anything.
        workers: Processes that decode; default: one a processor.
    """
    wanted = list({picture.id: picture for picture in pictures}.values())
    lost = None if limits is None else _none
    made = map_batches(_batch, wanted, batch_size=_BATCH, workers=workers, limits=limits, lost=lost)
    uris: dict[str, str] = {}
    left = _BYTES
    for picture, uri in zip(wanted, made, strict=True):
        if uri is not None and len(uri) <= left:
            uris[picture.id] = uri
            left -= len(uri)
    return uris


def _batch(pictures: Sequence[Picture]) -> list[str | None]:
    return [_thumbnail(picture) for picture in pictures]


def _none(_: Picture, __: Loss) -> None:
    return None


def _thumbnail(picture: Picture) -> str | None:
    """Return a thumbnail; what the pass over all pictures has found wrong the page shows in words."""
    try:
        content = read_verified(picture.path, picture.id)
        return thumbnail_uri(decode(content, max_pixels=picture.max_pixels).pixels)
    except Undecodable:
        return None
