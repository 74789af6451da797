"""Images as files that are named by their content."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pixmill.core.errors import ScrapeError
from pixmill.core.files import file_digest, replacing, write_bytes
from pixmill.images import EXTENSIONS, Undecodable, header_size, sniff

__all__ = ["ImageStore", "Picture"]

_OTHER = ".bin"
"""The extension of a file that is no picture, which a person brought all the same."""


@dataclass(frozen=True)
class Picture:
    """Name some bytes for ever.

    Args:
        id: Their sha256, in hexadecimal.
        size: How many they are.
        format: A key of :data:`pixmill.images.EXTENSIONS` by their content; ``None`` where they are no picture.
    """

    id: str
    size: int
    format: str | None

    @classmethod
    def of(cls, content: bytes) -> Picture:
        """Return the name of some bytes."""
        kind = sniff(content)
        return cls(hashlib.sha256(content).hexdigest(), len(content), kind if kind in EXTENSIONS else None)

    @property
    def name(self) -> str:
        """The file's path within its folder; nothing from a stranger becomes part of it."""
        extension = _OTHER if self.format is None else EXTENSIONS[self.format]
        return f"{self.id[:2]}/{self.id}{extension}"


class ImageStore:
    """Keep pictures in a folder, as ``<first two digits of the id>/<id><extension>``.

    What lies there is believed only after its bytes have been hashed, once a process.

    Args:
        folder: The folder, made when the first picture comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # By 64 bits of their ids: there may be a million of them.
        self._whole: set[int] = set()

    def path(self, picture: Picture) -> Path:
        """Return where a picture lies, or would."""
        return self.folder / picture.name

    def holds(self, picture: Picture) -> bool:
        """Tell whether a picture lies here, byte for byte."""
        if _short(picture) not in self._whole:
            path = self.path(picture)
            if not path.is_file() or file_digest(path) != picture.id:
                return False
            self._whole.add(_short(picture))
        return True

    def add(self, picture: Picture, content: bytes) -> None:
        """Keep a picture."""
        if not self.holds(picture):
            write_bytes(self.path(picture), content)
            self._whole.add(_short(picture))

    def longest_side(self, picture: Picture) -> int | None:
        """Return the longer side of a picture in pixels by its header, or ``None`` where that cannot be read."""
        try:
            return max(header_size(self.path(picture).read_bytes()))
        except (MemoryError, OSError, Undecodable):
            return None

    def copy(self, picture: Picture, other: ImageStore) -> None:
        """Keep a picture that lies in another folder.

        A copy, not a link: whoever edits one must not change the other.

        Raises:
            ScrapeError: It lies there no longer.
        """
        if not self.holds(picture):
            source = other.path(picture)
            try:
                with replacing(self.path(picture)) as temporary:
                    shutil.copyfile(source, temporary)
            except FileNotFoundError:
                raise ScrapeError(f"{source} was removed while it was in use", next="dvc repro scrape") from None
            self._whole.add(_short(picture))

    def prune(self, keep: Iterable[str]) -> None:
        """Remove every file but those of some names, and the folders that this leaves empty."""
        kept = set(keep)
        # Folder by folder, since there may be a million files; each comes after those within it.
        for place, _, names in os.walk(self.folder, topdown=False):
            folder = Path(place)
            within = folder.relative_to(self.folder).as_posix()
            for name in names:
                if f"{within}/{name}" not in kept:
                    (folder / name).unlink()
            if folder != self.folder and not any(folder.iterdir()):
                folder.rmdir()


def _short(picture: Picture) -> int:
    return int(picture.id[:16], 16)
