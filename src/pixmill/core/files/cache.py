"""An optional cache of bytes by key, in an SQLite file."""

import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from pixmill.core.process.progress import announce

T = TypeVar("T")

_MAX_KEYS = 512
"""Keys per query; SQLite limits the number of variables."""


class Cache:
    """A cache that several processes may share; a killed process leaves it intact.

    Failures (a damaged file, a full or read-only disk, a lock that is never released) disable the
    cache with a warning and never stop its user. Each content has a checksum, so a damaged one is as
    good as none.

    >>> import tempfile
    >>> with Cache(Path(tempfile.mkdtemp(), "key.sqlite")) as cache:
    ...     cache.write({b"one": b"1"})
    ...     cache.read([b"one", b"two"])
    {b'one': b'1'}

    Args:
        path: The file, created with its folder on first use. Its name must identify everything else
            that the contents depend on.
        timeout: Seconds to wait for other processes.
        tidy: Called once after opening, to delete obsolete files.
    """

    def __init__(
        self, path: Path, *, timeout: float = 60.0, tidy: Callable[[], None] | None = None
    ) -> None:
        self.path = path
        self._timeout = timeout
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

    def read(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the cached contents of the keys that are present and intact."""

        def select(database: sqlite3.Connection) -> dict[bytes, bytes]:
            found: dict[bytes, bytes] = {}
            for start in range(0, len(keys), _MAX_KEYS):
                some = keys[start : start + _MAX_KEYS]
                query = f"SELECT * FROM contents WHERE name IN ({','.join('?' * len(some))})"  # noqa: S608
                found |= {
                    name: content
                    for name, content, checksum in database.execute(query, some)
                    if checksum == _checksum(name, content)
                }
            return found

        return self._attempt(select) or {}

    def write(self, contents: Mapping[bytes, bytes]) -> None:
        """Store contents by key, all or none."""

        def insert(database: sqlite3.Connection) -> None:
            rows = ((name, each, _checksum(name, each)) for name, each in contents.items())
            with database:
                # Another process may have stored the same key.
                database.executemany("INSERT OR REPLACE INTO contents VALUES (?, ?, ?)", rows)

        if contents:
            self._attempt(insert)

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Return the result of the work, or ``None`` if the file failed, now or earlier."""
        if not self._usable:
            return None
        try:
            if self._database is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._database = sqlite3.connect(self.path, timeout=self._timeout)
                self._database.execute(
                    "CREATE TABLE IF NOT EXISTS contents "
                    "(name BLOB PRIMARY KEY, content BLOB, checksum INTEGER)"
                )
                if self._tidy:
                    self._tidy()
            return work(self._database)
        # SQLite quotes damaged names in its messages, which may not decode.
        except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
            announce(
                f"warning: the cache {self.path} is not used in this run: {error}; delete it if "
                "this recurs"
            )
            self._usable = False
            self.close()
            return None


def _checksum(name: bytes, content: Any) -> int:
    """Return the checksum of a record; in a damaged one, the content may be of another type."""
    return zlib.crc32(content, zlib.crc32(name)) if isinstance(content, bytes) else -1
