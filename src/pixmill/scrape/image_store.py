"""Images as files that are named by their content."""

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

_OTHER = ".bin"
"""The extension of a file that is no image, which a person brought all the same."""


@dataclass(frozen=True)
class StoredImage:
    """Name some bytes for ever.

    Args:
        id: Their sha256, in hexadecimal.
        size: How many they are.
        format: A key of :data:`pixmill.images.EXTENSIONS` by their content; ``None`` where they are no image.
    """

    id: str
    size: int
    format: str | None

    @classmethod
    def of(cls, content: bytes) -> StoredImage:
        """Return the name of some bytes."""
        kind = sniff(content)
        return cls(hashlib.sha256(content).hexdigest(), len(content), kind if kind in EXTENSIONS else None)

    @property
    def name(self) -> str:
        """The file's path within its folder; nothing from a stranger becomes part of it."""
        extension = _OTHER if self.format is None else EXTENSIONS[self.format]
        return f"{self.id[:2]}/{self.id}{extension}"


class ImageStore:
    """Keep images in a folder, as ``<first two digits of the id>/<id><extension>``.

    What lies there is believed only after its bytes have been hashed, once a process.

    Args:
        folder: The folder, made when the first image comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # By 64 bits of their ids: there may be a million of them.
        self._whole: set[int] = set()

    def path(self, image: StoredImage) -> Path:
        """Return where an image lies, or would."""
        return self.folder / image.name

    def holds(self, image: StoredImage) -> bool:
        """Tell whether an image lies here, byte for byte."""
        if _short(image) not in self._whole:
            path = self.path(image)
            if not path.is_file() or file_digest(path) != image.id:
                return False
            self._whole.add(_short(image))
        return True

    def add(self, image: StoredImage, content: bytes) -> None:
        """Keep an image."""
        if not self.holds(image):
            write_bytes(self.path(image), content)
            self._whole.add(_short(image))

    def longest_side(self, image: StoredImage) -> int | None:
        """Return the longer side of an image in pixels by its header, or ``None`` where that cannot be read."""
        try:
            return max(header_size(self.path(image).read_bytes()))
        except (MemoryError, OSError, UndecodableError):
            return None

    def copy(self, image: StoredImage, other: ImageStore) -> None:
        """Keep an image that lies in another folder: as a hard link where the file system has them, else as a copy.

        An edit of one changes both, which :meth:`holds` notices by its hash.

        Raises:
            ScrapeError: It lies there no longer.
        """
        if not self.holds(image):
            source = other.path(image)
            try:
                with replacing(self.path(image)) as temporary:
                    _link(source, temporary)
            except FileNotFoundError:
                raise ScrapeError(f"{source} was removed during the scrape", next="dvc repro scrape") from None
            self._whole.add(_short(image))

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


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _short(image: StoredImage) -> int:
    return int(image.id[:16], 16)
