"""Images for the page: decoded under guard in other processes, and encoded anew."""

import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pixmill.images import UndecodableError, decode, read_verified
from pixmill.images.compute import RowLimits, Service, ServiceFullError, default_workers
from pixmill.images.fit import thumbnail

_SIDE, _QUALITY = 1024, 88
_HELD = 256
"""Previews in memory: some 30 MB."""


@dataclass(frozen=True)
class ImageFile:
    """Where an image lies.

    Args:
        id: Its id.
        source: Its file, or its bytes.
        max_pixels: The most pixels that are decoded.
    """

    id: str
    source: Path | bytes
    max_pixels: int


def preview_batch(sources: Sequence[ImageFile]) -> list[bytes | str]:
    """Return a JPEG of each image, at most 1024 pixels a side, or in one word why there is none."""
    return [_preview(source) for source in sources]


def _preview(source: ImageFile) -> bytes | str:
    try:
        content = read_verified(source.source, source.id)
        return thumbnail(decode(content, max_pixels=source.max_pixels).pixels, _SIDE, quality=_QUALITY)
    except UndecodableError as error:
        return error.reason


class Previews:
    """Make previews ahead of whoever asks for them, while the ``with`` block lasts.

    Args:
        source: Says where an image lies, by its id.
        limits: What decoding one image may take.
        workers: Processes that decode; default: one a processor.
    """

    def __init__(self, source: Callable[[str], ImageFile], *, limits: RowLimits, workers: int | None = None) -> None:
        self._source = source
        self._service: Service[ImageFile, bytes | str] = Service(
            preview_batch, workers=workers or default_workers(), limits=limits, waiting=sys.maxsize
        )
        self._made: dict[str, Future[bytes | str]] = {}
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        self._service.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._service.kill()

    def expect(self, names: Iterable[str]) -> None:
        """Ask for images that will be looked at, the next first; they are made before what was asked for earlier."""
        with self._lock:
            if len(self._made) > _HELD:
                self._made.clear()
            fresh = [name for name in dict.fromkeys(names) if name not in self._made]
            futures = self._service.submit_all([self._source(name) for name in fresh], first=True)
            self._made.update(zip(fresh, futures, strict=True))

    def get(self, name: str) -> bytes | str:
        """Wait for an image's preview.

        Returns:
            A JPEG, or in one word why there is none.
        """
        try:
            with self._lock:
                self.expect([name])
                made = self._made[name]
            return made.result()
        except (CancelledError, ServiceFullError):
            return "closed"
