"""Previews for the page: images are decoded in guarded worker processes, and re-encoded as JPEG."""

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Self, TypeVar

from pixmill.images.compute import RowLimits, Service, ServiceFullError, default_workers
from pixmill.images.decode import decode
from pixmill.images.depth import Window
from pixmill.images.fit import thumbnail
from pixmill.images.verified_reading import UndecodableError, read_verified

_JPEG_QUALITY = 88

_MAX_CACHED_BYTES = 64 << 20
"""Maximum size of the previews in memory: some 400 previews, or 10,000 thumbnails."""

Name = TypeVar("Name")


@dataclass(frozen=True)
class ImageFile:
    """Location of an image.

    Args:
        id: Its id.
        source: Its file or bytes.
        max_pixels: Maximum number of pixels to decode.
        window: See :func:`pixmill.images.decode`.
        side: Maximum pixels of the longer side of the preview. Default: 1024.
    """

    id: str
    source: Path | bytes
    max_pixels: int
    window: Window | None = None
    side: int = 1024


def preview_batch(sources: Sequence[ImageFile]) -> list[bytes | str]:
    """Return a JPEG of each image, or a reason code."""
    return [_preview(source) for source in sources]


def _preview(source: ImageFile) -> bytes | str:
    try:
        content = read_verified(source.source, source.id)
        pixels = decode(content, max_pixels=source.max_pixels, window=source.window).pixels
        return thumbnail(pixels, source.side, quality=_JPEG_QUALITY)
    except UndecodableError as error:
        return error.reason


class Previews(Generic[Name]):
    """Make previews ahead of requests, within a ``with`` block.

    Args:
        source: Returns the location of an image by name, such as its id.
        limits: Limits on decoding one image.
        workers: Number of worker processes; default: one per processor.
    """

    def __init__(
        self, source: Callable[[Name], ImageFile], *, limits: RowLimits, workers: int | None = None
    ) -> None:
        self._source = source
        self._service: Service[ImageFile, bytes | str] = Service(
            preview_batch, workers=workers or default_workers(), limits=limits, waiting=sys.maxsize
        )
        self._previews: OrderedDict[Name, Future[bytes | str]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        self._service.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._service.kill()

    def expect(self, names: Iterable[Name]) -> None:
        """Queue images before all earlier ones, the next one first.

        Raises:
            DataError: The file of an image is missing or unreadable.
            ServiceFullError: The block has ended.
        """
        with self._lock:
            fresh = [
                name for name in dict.fromkeys(names) if not _is_useful(self._previews.get(name))
            ]
            futures = self._service.submit_all([self._source(name) for name in fresh], first=True)
            self._previews.update(zip(fresh, futures, strict=True))
        for future in futures:
            future.add_done_callback(self._bound)

    def request(self, name: Name) -> Future[bytes | str]:
        """Return the future of a preview or reason code; errors as for :meth:`expect`."""
        with self._lock:
            self.expect([name])
            self._previews.move_to_end(name)
            return self._previews[name]

    def get(self, name: Name) -> bytes | str:
        """Wait for a preview, and return a JPEG or a reason code."""
        try:
            return self.request(name).result()
        except (CancelledError, ServiceFullError):
            return "closed"

    def _bound(self, made: Future[bytes | str]) -> None:
        """Forget the previews that were not requested for longest."""
        with self._lock:
            self._bytes += _size(made)
            for name, future in (
                [*self._previews.items()] if self._bytes > _MAX_CACHED_BYTES else ()
            ):
                if self._bytes <= _MAX_CACHED_BYTES // 2:
                    break
                if future.done():
                    self._bytes -= _size(self._previews.pop(name))


def _is_useful(future: Future[bytes | str] | None) -> bool:
    """Return whether a preview is made or being made; a file that cannot be read may come back."""
    if future is None or future.cancelled():
        return False
    return not future.done() or (future.exception() is None and isinstance(future.result(), bytes))


def _size(future: Future[bytes | str]) -> int:
    return 0 if future.cancelled() or future.exception() else len(future.result())
