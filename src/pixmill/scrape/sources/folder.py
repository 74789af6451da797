"""Pictures that people brought: every file in ``data/<class>/``, as it is."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from pixmill.errors import DataError, ScrapeError
from pixmill.fetch import Fetched, Limits, Refused
from pixmill.scrape.candidate import Candidate, Query

__all__ = ["FolderReader", "FolderSource"]

_CACHED = re.compile(r".*/files/md5/[0-9a-f]{2}/[0-9a-f]{30}")
"""Where DVC keeps a file that it links to from the workspace (``cache.type symlink``)."""


class FolderSource:
    """Take the pictures in ``data/<class>/``.

    Folders that are no class are taken too, with their name for a label: validate's gate then tells which labels nobody
    declared, where silence would hide a misspelt folder. Hidden files are left out.

    Args:
        data: The folder that holds one folder a class.

    Raises:
        DataError: There is no such folder.
    """

    name = "folder"
    is_web = False

    def __init__(self, data: Path) -> None:
        if not data.is_dir():
            raise DataError(f"{data} is missing: the source 'folder' takes <class>/<file> from it", next="make data")
        self._data = data

    def fingerprint(self) -> str:
        """Return nothing: a folder is read anew each time."""
        return ""

    def queries(self, classes: Sequence[str]) -> list[Query]:
        """Return the declared classes, then every other folder by name."""
        others = [_text(path.name) for path in _visible(self._data) if path.is_dir() and _visible(path)]
        labels = dict.fromkeys([*classes, *others])
        return [Query(label, None, f"{self._data.name}/{label}") for label in labels]

    def search(self, query: Query) -> Iterator[Candidate]:
        """Yield everything in a class's folder, by name.

        Raises:
            ScrapeError: There is no such folder, or nothing in it.
        """
        folder = self._data / query.label
        found = _visible(folder) if folder.is_dir() else []
        if not found:
            raise ScrapeError(f"{query.address} {'is empty' if folder.is_dir() else 'is missing'}")
        for rank, path in enumerate(found):
            yield Candidate(query.label, None, rank, f"{query.address}/{_text(path.name)}", title=_text(path.name))

    def reader(self, limits: Limits) -> AbstractAsyncContextManager[FolderReader]:
        """Return what reads files below ``data``."""
        return contextlib.nullcontext(FolderReader(self._data, limits.max_bytes))


class FolderReader:
    """Read files below a folder, and nothing outside it.

    Args:
        data: The folder.
        max_bytes: The largest file that is read, in bytes.
    """

    def __init__(self, data: Path, max_bytes: int) -> None:
        self._data = data
        self._max_bytes = max_bytes

    async def fetch(self, url: str) -> Fetched | Refused:
        """Return the bytes of a file.

        Args:
            url: Its path, from the name of the folder on.
        """
        path = self._data.parent / url
        try:
            target = path.resolve(strict=True)
            if not target.is_relative_to(self._data.resolve()) and not _CACHED.fullmatch(target.as_posix()):
                return Refused("symlink", "it leads out of the folder")
            if target.is_dir():
                return Refused("folder", "only the files directly in a class's folder are taken")
            if not target.is_file():
                return Refused("special", "it is no regular file")
            if target.stat().st_size > self._max_bytes:
                return Refused("too_large", f"more than {self._max_bytes} bytes")
            return Fetched(target.read_bytes(), url)
        except (OSError, RuntimeError) as error:  # RuntimeError: links that go round in a circle
            return Refused("unreadable", type(error).__name__)

    async def permitted(self, _url: str) -> None:
        """Return ``None``: people's own folders need nobody's permission."""


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _text(name: str) -> str:
    """Return a file's name as a text that every table can hold."""
    return name.encode("utf-8", "backslashreplace").decode()
