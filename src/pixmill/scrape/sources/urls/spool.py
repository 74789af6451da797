"""Entries sorted by class, in one file without a name: a million of them take no memory, and leave nothing behind."""

from __future__ import annotations

import json
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from pixmill.scrape.sources.urls.entry import Entry

__all__ = ["Spool"]


class Spool:
    """Take entries in any order of classes, and give each class its own in the order in which they came.

    A context manager, which removes the file. Several threads may read.

    Args:
        folder: Where the file lies.
        held: Entries that are held in memory before they are written.
    """

    def __init__(self, folder: Path, held: int = 10_000) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._most = held
        self._held: dict[str, list[Entry]] = defaultdict(list)
        self._count = 0
        self._parts: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._file = tempfile.TemporaryFile(dir=self._folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, label: str, entry: Entry) -> None:
        """Take an entry of a class."""
        self._held[label].append(entry)
        self._count += 1
        if self._count >= self._most:
            self.flush()

    def flush(self) -> None:
        """Write what is held; needed before reading."""
        for label, entries in self._held.items():
            part = json.dumps(entries).encode()
            self._parts[label].append((self._file.tell(), len(part)))
            try:
                self._file.write(part)
                self._file.flush()
            except OSError as error:
                error.filename = str(self._folder)  # a file without a name tells a person nothing
                raise
        self._held.clear()
        self._count = 0

    def read(self, label: str) -> Iterator[Entry]:
        """Yield the entries of a class."""
        for start, size in self._parts.get(label, ()):
            with self._lock:
                self._file.seek(start)
                part = self._file.read(size)
            for values in json.loads(part):
                yield Entry(*values)
