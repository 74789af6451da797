"""What was measured of images in earlier runs, by their ids, so that none is decoded twice."""

from __future__ import annotations

import contextlib
import importlib.metadata
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from blake3 import blake3
from PIL import __version__ as pillow
from PIL import features

import pixmill.images
from pixmill.core.progress import announce
from pixmill.provenance.code import code_digest

__all__ = ["Cache", "version"]

_PATIENCE = 10.0
"""Seconds that a write waits for another process to end its own."""

_CODE = ("appearance.py", "decode.py", "formats.py", "measures.py", "reading.py", "likeness/hashing.py")
"""The modules of :mod:`pixmill.images` that decide what is measured of an image."""

_DECODERS = ("jpg", "libjpeg_turbo", "jpg_2000", "zlib", "zlib_ng", "libtiff", "webp", "avif", "littlecms2")


def version(max_pixels: int) -> str:
    """Return a digest of everything besides an image's bytes that its measures depend on.

    That is the code of the pass (but for its comments and docstrings), the decoders' versions, and the limit of pixels;
    not the limits of time and memory, since what is lost to them is never kept.

    Args:
        max_pixels: The most pixels that are decoded.
    """
    parts = [f"pixels {max_pixels}", f"numpy {np.__version__}", f"pillow {pillow}"]
    parts += [f"{name} {features.version(name)}" for name in _DECODERS]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        parts.append(f"heif {importlib.metadata.version('pillow-heif')}")
    folder = Path(pixmill.images.__file__).parent
    parts.append(code_digest([*(folder / name for name in _CODE), Path(__file__).with_name("survey.py")]))
    return blake3("\n".join(parts).encode()).hexdigest(length=16)


class Cache:
    """Keep records of images, as bytes by id; a context manager.

    It is an SQLite database, which several processes may share and which a kill in the middle of a write leaves whole.
    Nothing in it is needed, so nothing about it stops the pass: where it cannot be used (damage, a full or forbidden
    disk, a lock that is never let go) the pass goes on without it, and a line says so.

    Args:
        folder: Where caches lie.
        version: Of what makes the records, see :func:`version`. Caches of other versions are removed.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self.path = folder / f"found-{version}.sqlite"
        self._database: sqlite3.Connection | None = None
        with contextlib.suppress(OSError):
            for other in folder.glob("found-*.sqlite*"):
                if not other.name.startswith(self.path.name):
                    other.unlink()

    def __enter__(self) -> Self:
        with self._optional():
            self._database = sqlite3.connect(self.path, timeout=_PATIENCE)
            self._database.execute("CREATE TABLE IF NOT EXISTS found (id TEXT PRIMARY KEY, record BLOB NOT NULL)")
        return self

    def __exit__(self, *_: object) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def read(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Return the records of some images, by id."""
        with self._optional():
            if self._database is not None:
                places = ",".join("?" * len(ids))
                query = f"SELECT id, record FROM found WHERE id IN ({places})"  # noqa: S608
                return dict(self._database.execute(query, ids))
        return {}

    def write(self, records: Mapping[str, bytes]) -> None:
        """Keep records, by id: all of them, or none where that cannot be."""
        with self._optional():
            if self._database is not None and records:
                with self._database:
                    # Another process may have been first.
                    self._database.executemany("INSERT OR REPLACE INTO found VALUES (?, ?)", records.items())

    @contextlib.contextmanager
    def _optional(self) -> Iterator[None]:
        """Go on without the database where it fails."""
        try:
            yield
        # Not even the error's text can be read where a flipped bit is in a name that it tells.
        except (sqlite3.Error, UnicodeDecodeError) as error:
            announce(f"warning: the cache {self.path} is not used in this run: {error}; delete it if this recurs")
            self.__exit__()
