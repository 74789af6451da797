"""What was found of pictures in earlier runs, by their ids, so that none is decoded twice."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
from blake3 import blake3
from PIL import __version__ as pillow
from PIL import features

import pixmill.images
from pixmill.progress import announce
from pixmill.validate import greys, luma, measures, phash, pixels, record

__all__ = ["Cache", "version"]

Done = TypeVar("Done")
Entry = tuple[bytes, bytes, int]

_MOST = 2_000_000
"""Pictures that a cache keeps, of 1.4 KB each; beyond them the oldest go."""

_VERSIONS = 2
"""Caches that are kept: this one, and the last of another branch or another limit."""

_PATIENCE = 10.0
"""Seconds that a write waits for another process to end its own."""

_AT_A_TIME = 500
"""Ids in one question."""

_MODULES = (greys, luma, measures, phash, pixels, record)
_DECODERS = ("jpg", "libjpeg_turbo", "jpg_2000", "zlib", "zlib_ng", "libtiff", "webp", "avif", "littlecms2")


def version(max_pixels: int) -> str:
    """Return a digest of everything besides a picture's bytes that what is found of it depends on.

    That is the code of the pass, the decoders' versions, and the limit of pixels; not the limits of time and memory,
    since what is lost to them is never kept.

    Args:
        max_pixels: The most pixels that are decoded.
    """
    parts = [f"pixels {max_pixels}", f"numpy {np.__version__}", f"pillow {pillow}"]
    parts += [f"{name} {features.version(name)}" for name in _DECODERS]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        parts.append(f"heif {importlib.metadata.version('pillow-heif')}")
    folder = Path(pixmill.images.__file__).parent
    sources = [*sorted(folder.rglob("*.py")), *(Path(str(module.__file__)) for module in _MODULES), Path(__file__)]
    parts += [f"{path.name} {blake3(path.read_bytes()).hexdigest()}" for path in sources]
    return blake3("\n".join(parts).encode()).hexdigest(length=16)


class Cache:
    """Keep what was found of pictures, as bytes by id; a context manager.

    It is an SQLite database, which several processes may share and which a kill in the middle of a write leaves whole.
    Nothing in it is needed, so nothing about it stops the pass: where it is damaged it is begun anew, where it cannot
    be used (a full or forbidden disk, a lock that is never let go) the pass goes on without it; a line tells either.
    Writes are not forced to the disk: a power cut may cost the cache, but an entry is never taken for what it is not,
    since each has a checksum.

    Args:
        folder: Where caches lie.
        version: Of what makes the entries, see :func:`version`. The caches of other versions are removed but for one.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self.path = folder / f"found-{version}.sqlite"
        self._database: sqlite3.Connection | None = None
        self._usable = True
        self._written = 0
        _remove_others(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Return what is known of some pictures, by id.

        Args:
            ids: Hexadecimal digests.
        """
        known: dict[str, bytes] = {}
        for start in range(0, len(ids), _AT_A_TIME):
            keys = [bytes.fromhex(name) for name in ids[start : start + _AT_A_TIME]]
            entries: list[Entry] = self._attempt(partial(_select, keys=keys), [])
            for key, content, checksum in entries:
                if _checksum(key, content) == checksum:
                    known[key.hex()] = content
        return known

    def write(self, found: Mapping[str, bytes]) -> None:
        """Keep what was found: all of it, or nothing where that cannot be.

        Args:
            found: By id.
        """
        keys = {bytes.fromhex(name): content for name, content in found.items()}
        entries = [(key, content, _checksum(key, content)) for key, content in keys.items()]
        if entries:
            self._written += self._attempt(partial(_insert, entries=entries), 0)

    def close(self) -> None:
        """Let the oldest entries go where there are too many, and close the database."""
        if self._written:
            self._attempt(_shorten, None)
        self._close()

    def _attempt(self, work: Callable[[sqlite3.Connection], Done], otherwise: Done) -> Done:
        """Return what the work returns, or something else where the database is of no use."""
        for damaged in (False, True) if self._usable else ():
            try:
                if damaged:
                    self._close()
                    _remove(self.path)
                if self._database is None:
                    self._database = _opened(self.path)
                return work(self._database)
            except (sqlite3.Error, UnicodeDecodeError, OSError) as error:
                if not _is_damage(error):
                    self._tell("set aside for this run", error)
                    break
                self._tell("damaged and begun anew", error)
        self._usable = False
        self._close()
        return otherwise

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _tell(self, outcome: str, error: Exception) -> None:
        announce(f"the cache {self.path} is {outcome}: {error}")


def _is_damage(error: Exception) -> bool:
    """Tell whether the database is at fault, and not the disk it is on or another process that holds it."""
    if isinstance(error, sqlite3.OperationalError):
        # A table of other columns, or a view in its place.
        return error.sqlite_errorcode == sqlite3.SQLITE_ERROR
    # Not even the error's text can be read where a flipped bit is in a name that it tells.
    return isinstance(error, sqlite3.DatabaseError | UnicodeDecodeError)


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
    try:
        database.execute("PRAGMA synchronous = OFF")
        database.execute(
            "CREATE TABLE IF NOT EXISTS found (id BLOB PRIMARY KEY, record BLOB NOT NULL, checksum INTEGER NOT NULL)"
        )
        with contextlib.suppress(PermissionError):
            # The time of the last use, not of the last write; whoever may only read it leaves no trace.
            os.utime(path)
    except BaseException:
        database.close()
        raise
    return database


def _select(database: sqlite3.Connection, keys: Sequence[bytes]) -> list[Entry]:
    places = ",".join("?" * len(keys))
    # One flipped bit makes a text of a blob.
    sound = "typeof(record) = 'blob' AND typeof(checksum) = 'integer'"
    return database.execute(
        f"SELECT id, record, checksum FROM found WHERE id IN ({places}) AND {sound}",  # noqa: S608
        keys,
    ).fetchall()


def _insert(database: sqlite3.Connection, entries: Sequence[Entry]) -> int:
    with database:
        database.execute("BEGIN IMMEDIATE")
        # Another process may have been first; what was damaged gives way.
        database.executemany("INSERT OR REPLACE INTO found VALUES (?, ?, ?)", entries)
    return len(entries)


def _shorten(database: sqlite3.Connection) -> None:
    database.execute("DELETE FROM found WHERE rowid <= (SELECT max(rowid) FROM found) - ?", (_MOST,))


def _checksum(key: bytes, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(key))


def _remove(path: Path) -> None:
    for name in (path.name, f"{path.name}-journal"):
        # Whoever still has it open goes on with what is no longer to be found.
        path.with_name(name).unlink(missing_ok=True)


def _remove_others(path: Path) -> None:
    """Remove the caches of other versions, but for those that were used last."""
    # Another process may be at the same.
    with contextlib.suppress(OSError):
        others = sorted((other.stat().st_mtime, other) for other in path.parent.glob("found-*.sqlite") if other != path)
        for _, other in others[: 1 - _VERSIONS]:
            _remove(other)
