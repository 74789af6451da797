"""Images for the page: decoded under guard in other processes, and encoded anew."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pixmill.compute import Loss, RowLimits, map_batches
from pixmill.images import UndecodableError, decode, read_verified
from pixmill.images.fit import thumbnail

_SIDE, _QUALITY = 1024, 88
_HELD = 256
"""Previews in memory: some 30 MB."""

_AT_ONCE = 24
"""Images that one start of the workers is used for: the next cases while a person looks at this one."""


@dataclass(frozen=True)
class ImageFile:
    """Say where an image lies.

    Args:
        id: Its id.
        path: Its file.
        max_pixels: The most pixels that are decoded.
    """

    id: str
    path: Path
    max_pixels: int


def preview_batch(sources: Sequence[ImageFile]) -> list[bytes | str]:
    """Return a JPEG of each image, at most 1024 pixels a side, or in one word why there is none."""
    return [_preview(source) for source in sources]


def _preview(source: ImageFile) -> bytes | str:
    try:
        content = read_verified(source.path, source.id)
        return thumbnail(decode(content, max_pixels=source.max_pixels).pixels, _SIDE, quality=_QUALITY)
    except UndecodableError as error:
        return error.reason


def _name_loss(_: ImageFile, loss: Loss) -> bytes | str:
    return loss


class Previews:
    """Make previews ahead of whoever asks for them, while the ``with`` block lasts.

    Args:
        source: Says where an image lies, by its id.
        limits: What decoding one image may take.
        workers: Processes that decode; default: one a processor.
    """

    def __init__(self, source: Callable[[str], ImageFile], *, limits: RowLimits, workers: int | None = None) -> None:
        self._source = source
        self._limits = limits
        self._workers = workers
        self._made: OrderedDict[str, bytes | str] = OrderedDict()
        self._wanted: list[str] = []
        self._begun: set[str] = set()
        self._state = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="previews", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._state:
            self._ended = True
            self._state.notify_all()
        self._thread.join()

    def expect(self, names: Iterable[str]) -> None:
        """Ask for images that will be looked at, the next first; they are made before what was asked for earlier."""
        with self._state:
            fresh = [name for name in dict.fromkeys(names) if name not in self._made and name not in self._begun]
            self._wanted = [*fresh, *(name for name in self._wanted if name not in fresh)][:_HELD]
            self._state.notify_all()

    def get(self, name: str) -> bytes | str:
        """Wait for an image's preview.

        Returns:
            A JPEG, or in one word why there is none.
        """
        with self._state:
            while name not in self._made:
                if self._ended:
                    return "closed"
                if name not in self._wanted:
                    self.expect([name])
                self._state.wait()
            self._made.move_to_end(name)
            return self._made[name]

    def _work(self) -> None:
        try:
            while names := self._next():
                sources = [self._source(name) for name in names]
                found = map_batches(
                    preview_batch,
                    sources,
                    batch_size=1,
                    workers=self._workers,
                    limits=self._limits,
                    lost=_name_loss,
                    local=True,
                )
                for name, preview in zip(names, found, strict=True):
                    self._keep(name, preview)
                    if self._ended:
                        return
        finally:
            # Where this thread fails, nobody waits for it in vain.
            with self._state:
                self._ended = True
                self._state.notify_all()

    def _next(self) -> list[str]:
        """Wait for something to do, and return it; nothing at the end."""
        with self._state:
            self._state.wait_for(lambda: self._wanted or self._ended)
            names, self._wanted = self._wanted[:_AT_ONCE], self._wanted[_AT_ONCE:]
            self._begun = set(names)
            return [] if self._ended else names

    def _keep(self, name: str, preview: bytes | str) -> None:
        with self._state:
            self._made[name] = preview
            self._begun.discard(name)
            while len(self._made) > _HELD:
                self._made.popitem(last=False)
            self._state.notify_all()
