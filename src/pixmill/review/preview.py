"""Previews for the page: images are decoded in guarded worker processes, and re-encoded as JPEG."""

import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pixmill.images import UndecodableError, decode, read_verified
from pixmill.images.compute import RowLimits, Service, ServiceFullError, default_workers
from pixmill.images.depth import Window
from pixmill.images.fit import thumbnail

_MAX_SIDE, _JPEG_QUALITY = 1024, 88
_MAX_CACHED = 256
"""Maximum number of previews in memory, some 30 MB."""


@dataclass(frozen=True)
class ImageFile:
    """Location of an image.

    Args:
        id: Its id.
        source: Its file or bytes.
        max_pixels: Maximum number of pixels to decode.
        window: See :func:`pixmill.images.decode`.
    """

    id: str
    source: Path | bytes
    max_pixels: int
    window: Window | None = None


def preview_batch(sources: Sequence[ImageFile]) -> list[bytes | str]:
    """Return a JPEG of each image, at most 1024 pixels a side, or a reason code."""
    return [_preview(source) for source in sources]


def _preview(source: ImageFile) -> bytes | str:
    try:
        content = read_verified(source.source, source.id)
        pixels = decode(content, max_pixels=source.max_pixels, window=source.window).pixels
        return thumbnail(pixels, _MAX_SIDE, quality=_JPEG_QUALITY)
    except UndecodableError as error:
        return error.reason


class Previews:
    """Make previews ahead of requests, within a ``with`` block.

    Args:
        source: Returns the location of an image by id.
        limits: Limits on decoding one image.
        workers: Number of worker processes; default: one per processor.
    """

    def __init__(self, source: Callable[[str], ImageFile], *, limits: RowLimits, workers: int | None = None) -> None:
        self._source = source
        self._service: Service[ImageFile, bytes | str] = Service(
            preview_batch, workers=workers or default_workers(), limits=limits, waiting=sys.maxsize
        )
        self._previews: dict[str, Future[bytes | str]] = {}
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        self._service.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._service.kill()

    def expect(self, names: Iterable[str]) -> None:
        """Queue images before all earlier ones, the next one first."""
        with self._lock:
            if len(self._previews) > _MAX_CACHED:
                self._previews.clear()
            fresh = [name for name in dict.fromkeys(names) if name not in self._previews]
            futures = self._service.submit_all([self._source(name) for name in fresh], first=True)
            self._previews.update(zip(fresh, futures, strict=True))

    def get(self, name: str) -> bytes | str:
        """Wait for a preview, and return a JPEG or a reason code."""
        try:
            with self._lock:
                self.expect([name])
                preview = self._previews[name]
            return preview.result()
        except (CancelledError, ServiceFullError):
            return "closed"
