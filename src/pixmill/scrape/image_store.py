"""Content-addressed image files."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pixmill.core.errors import ScrapeError
from pixmill.core.files.writing import file_digest, replacing, write_bytes
from pixmill.images import EXTENSIONS, UndecodableError, header_size, sniff

_UNKNOWN_EXTENSION = ".bin"
"""Extension of local files that are not images."""


@dataclass(frozen=True)
class StoredImage:
    """The identity of a file.

    Args:
        id: SHA-256 of the bytes, in hexadecimal.
        size: Number of bytes.
        format: Key of :data:`pixmill.images.EXTENSIONS`, detected from the content; ``None`` if not an image.
    """

    id: str
    size: int
    format: str | None

    @classmethod
    def of(cls, content: bytes) -> StoredImage:
        """Return the identity of some bytes."""
        kind = sniff(content)
        return cls(hashlib.sha256(content).hexdigest(), len(content), kind if kind in EXTENSIONS else None)

    @property
    def name(self) -> str:
        """The path within the folder; contains no text from the web."""
        extension = _UNKNOWN_EXTENSION if self.format is None else EXTENSIONS[self.format]
        return f"{self.id[:2]}/{self.id}{extension}"


class ImageStore:
    """A folder of images, named ``<first two digits of the id>/<id><extension>``.

    Existing files are hashed once per process before use.

    Args:
        folder: The folder; created with the first image.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # 64 bits of each id, since there may be a million.
        self._verified: set[int] = set()

    def path(self, image: StoredImage) -> Path:
        """Return the path of an image, which need not exist."""
        return self.folder / image.name

    def holds(self, image: StoredImage) -> bool:
        """Return whether the folder holds an image with the right bytes."""
        if _short_id(image) not in self._verified:
            path = self.path(image)
            if not path.is_file() or file_digest(path) != image.id:
                return False
            self._verified.add(_short_id(image))
        return True

    def add(self, image: StoredImage, content: bytes) -> None:
        """Write an image."""
        if not self.holds(image):
            write_bytes(self.path(image), content)
            self._verified.add(_short_id(image))

    def longest_side(self, image: StoredImage) -> int | None:
        """Return the longer side of an image in pixels from its header, or ``None`` if the header is unreadable."""
        try:
            return max(header_size(self.path(image).read_bytes()))
        except (MemoryError, OSError, UndecodableError):
            return None

    def copy(self, image: StoredImage, other: ImageStore) -> None:
        """Add an image from another folder: a hard link if the file system supports them, else a copy.

        Editing a hard link changes both files; :meth:`holds` detects it by the hash.

        Raises:
            ScrapeError: The other folder no longer holds the image.
        """
        if not self.holds(image):
            source = other.path(image)
            try:
                with replacing(self.path(image)) as temporary:
                    try:
                        os.link(source, temporary)
                    except OSError:
                        shutil.copyfile(source, temporary)
            except FileNotFoundError:
                raise ScrapeError(f"{source} was removed during the scrape", next="dvc repro scrape") from None
            self._verified.add(_short_id(image))

    def prune(self, keep: Iterable[str]) -> None:
        """Remove all files except those named, and the folders that this empties."""
        kept = set(keep)
        for place, _, names in os.walk(self.folder, topdown=False):
            folder = Path(place)
            within = folder.relative_to(self.folder).as_posix()
            for name in names:
                if f"{within}/{name}" not in kept:
                    (folder / name).unlink()
            if folder != self.folder and not any(folder.iterdir()):
                folder.rmdir()


def _short_id(image: StoredImage) -> int:
    return int(image.id[:16], 16)
