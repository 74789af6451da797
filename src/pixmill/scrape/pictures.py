"""Pictures as files that are named by their content."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pixmill.errors import ScrapeError
from pixmill.files import file_digest, replacing, write_bytes
from pixmill.images import EXTENSIONS, sniff

__all__ = ["Picture", "Pictures"]

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


class Pictures:
    """Keep pictures in a folder, as ``<first two digits of the id>/<id><extension>``.

    What lies there is believed only after its bytes have been hashed, once a process.

    Args:
        folder: The folder, made when the first picture comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._whole: set[str] = set()

    def path(self, picture: Picture) -> Path:
        """Return where a picture lies, or would."""
        return self.folder / picture.name

    def holds(self, picture: Picture) -> bool:
        """Tell whether a picture lies here, byte for byte."""
        if picture.name not in self._whole:
            path = self.path(picture)
            if not path.is_file() or file_digest(path) != picture.id:
                return False
            self._whole.add(picture.name)
        return True

    def add(self, picture: Picture, content: bytes) -> None:
        """Keep a picture."""
        if not self.holds(picture):
            write_bytes(self.path(picture), content)
            self._whole.add(picture.name)

    def copy(self, picture: Picture, other: Pictures) -> None:
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
            self._whole.add(picture.name)

    def prune(self, keep: Iterable[Picture]) -> None:
        """Remove every file but those of some pictures, and the folders that this leaves empty."""
        kept = {self.path(picture) for picture in keep}
        if not self.folder.is_dir():
            return
        # Folders come after what is in them.
        for path in sorted(self.folder.rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path not in kept:
                path.unlink()
