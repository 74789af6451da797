"""Thumbnails for the stage's page: a bounded number, in a bounded number of bytes."""

from __future__ import annotations

from collections.abc import Iterable

from pixmill.compute import Limits
from pixmill.report.thumbnails import Shown
from pixmill.report.thumbnails import thumbnails as made_of
from pixmill.validate.measures import Picture

__all__ = ["thumbnails"]

_BYTES = 3_500_000
"""What all thumbnails of a page may take, so that it stays under 5 MB whatever is in it."""


def thumbnails(
    pictures: Iterable[Picture], *, limits: Limits | None = None, workers: int | None = None
) -> dict[str, str]:
    """Return thumbnails as ``data:`` URIs, by id.

    Args:
        pictures: The pictures, what matters most first; where the page is full the rest has no thumbnail.
        limits: What one picture may take; one that takes more has no thumbnail. Default: anything.
        workers: Processes that decode; default: one a processor.
    """
    wanted = {picture.id: Shown(*picture) for picture in pictures}
    uris: dict[str, str] = {}
    left = _BYTES
    for picture, uri in made_of(wanted.values(), limits=limits, workers=workers).items():
        if len(uri) <= left:
            uris[picture.id] = uri
            left -= len(uri)
    return uris
