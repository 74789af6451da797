"""Bytes that cost time to compute, kept by name in an SQLite file; without it everything works, only slower."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

from pixmill.core.process.progress import announce

T = TypeVar("T")

_NAMES = 512
"""Names in one query: SQLite limits them."""


class Cache:
    """An optional cache, which several processes may share and which a kill in the middle of a write leaves whole.

    Nothing in it is needed, so nothing about it stops its user: where it cannot be used (damage, a full or read-only
    disk, a lock that is never released), the pass goes on without it, and one line says so.

    >>> import tempfile
    >>> with Cache(Path(tempfile.mkdtemp(), "key.sqlite")) as cache:
    ...     cache.write({b"one": b"1"})
    ...     cache.read([b"one", b"two"])
    {b'one': b'1'}

    Args:
        path: The file, which is created with its folder at the first use. Its name must identify everything that the
            contents depend on besides their names.
        patience: Seconds that a write waits for another process.
        tidy: Called once, after the file was opened, to delete files that are not needed any more.
    """

    def __init__(self, path: Path, *, patience: float = 60.0, tidy: Callable[[], None] | None = None) -> None:
        self.path = path
        self._patience = patience
        self._tidy = tidy
        self._database: sqlite3.Connection | None = None
        self._usable = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def read(self, names: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return what is kept under some names."""

        def select(database: sqlite3.Connection) -> dict[bytes, bytes]:
            found: dict[bytes, bytes] = {}
            for start in range(0, len(names), _NAMES):
                some = names[start : start + _NAMES]
                query = f"SELECT name, content FROM cache WHERE name IN ({','.join('?' * len(some))})"  # noqa: S608
                found |= dict(database.execute(query, some))
            return found

        return self._attempt(select) or {}

    def write(self, contents: Mapping[bytes, bytes]) -> None:
        """Keep contents by name: all of them, or none where that cannot be."""

        def insert(database: sqlite3.Connection) -> None:
            with database:
                # Another process may have been first.
                database.executemany("INSERT OR REPLACE INTO cache VALUES (?, ?)", contents.items())

        if contents:
            self._attempt(insert)

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Return the result of the work, ``None`` once the file has failed."""
        if not self._usable:
            return None
        try:
            if self._database is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._database = sqlite3.connect(self.path, timeout=self._patience)
                self._database.execute("CREATE TABLE IF NOT EXISTS cache (name BLOB PRIMARY KEY, content BLOB)")
                if self._tidy:
                    self._tidy()
            return work(self._database)
        # Not even the error's text can be read where a flipped bit is in a name that it tells.
        except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
            announce(f"warning: the cache {self.path} is not used in this run: {error}; delete it if this recurs")
            self._usable = False
            self.close()
            return None
