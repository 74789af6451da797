"""Rows of numbers by name, in files that are written once, so that what was computed once is not computed again."""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from pixmill.files import remove_temporary, replacing
from pixmill.progress import announce

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["NAME_BYTES", "Store"]

NAME_BYTES = 32
"""Of the name of a row."""

_HEADER = struct.Struct("<II")
_MOST = 4 * 2**30
"""Bytes that all stores of a folder keep; beyond them the files that were not used for the longest time go."""

Rows = npt.NDArray[np.float32]


class Store:
    """Keep rows by name, for all processes that compute the same; a context manager.

    A file holds some rows and their names; it is called by the digest of its content and comes into its place whole, so
    a kill at any moment costs what was not written yet, and a damaged file is known and removed. Nothing in it is
    needed: where the folder cannot be used (a full or forbidden disk) the pass goes on without it; a line tells.

    Who enters while another process is within waits for it, and finds what that has computed.

    Args:
        folder: Where stores lie.
        key: Of all that the rows depend on besides their names.
        most: Bytes that all stores of the folder keep. Default: 4 GiB.
    """

    def __init__(self, folder: Path, key: str, *, most: int = _MOST) -> None:
        self._folder = folder
        self._ending = f"-{key}.bin"
        self._key = key
        self._most = most
        self._lock: BaseFileLock | None = None
        self._usable = True
        self._files: list[tuple[Path, Rows]] = []
        self._places: dict[bytes, tuple[int, int]] = {}
        self._used: set[Path] = set()

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._acquire()
            remove_temporary(self._folder, self._ending)
            for path in sorted(self._folder.glob(f"*{self._ending}")):
                self._open(path)
        except OSError as error:
            self._give_up(error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._usable:
            # Another process may be at the same, or the disk be forbidden.
            with contextlib.suppress(OSError):
                self._shorten()
        if self._lock is not None:
            self._lock.release()

    @property
    def width(self) -> int | None:
        """Numbers in a row; ``None`` where there is none yet."""
        return self._files[0][1].shape[1] if self._files else None

    def knows(self, names: Sequence[bytes]) -> npt.NDArray[np.bool_]:
        """Return of each name whether its row is kept."""
        return np.fromiter((name in self._places for name in names), np.bool_, len(names))

    def read(self, names: Sequence[bytes]) -> Rows:
        """Return the rows of names that are known."""
        places = [self._places[name] for name in names]
        self._used |= {self._files[file][0] for file in {file for file, _ in places}}
        return np.stack([self._files[file][1][row] for file, row in places])

    def write(self, names: Sequence[bytes], rows: Rows) -> None:
        """Keep rows, on the disk before this returns, or not at all where that cannot be.

        Args:
            names: One a row, of 32 bytes.
            rows: All of one width.
        """
        if not self._usable:
            return
        content = _HEADER.pack(*rows.shape) + b"".join(names) + rows.astype("<f4", copy=False).tobytes()
        path = self._folder / f"{blake3(content).hexdigest(length=16)}{self._ending}"
        try:
            with replacing(path) as temporary:
                temporary.write_bytes(content)
        except OSError as error:
            self._give_up(error)
        self._used.add(path)

    def _acquire(self) -> None:
        import filelock

        lock = filelock.FileLock(self._folder / f"{self._key}.lock")
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            announce("Another process computes the same features: waiting for what it finds")
            lock.acquire()
        self._lock = lock

    def _open(self, path: Path) -> None:
        """Take in the rows of a file, or remove it where it is damaged."""
        try:
            with path.open("rb") as file:
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            # Another process has made room.
            return
        except ValueError:
            # There is nothing in it.
            path.unlink(missing_ok=True)
            return
        if blake3(content).hexdigest(length=16) != path.name.removesuffix(self._ending):
            announce(f"{path} is damaged: it is removed, and what was in it computed again")
            path.unlink(missing_ok=True)
            return
        count, width = _HEADER.unpack_from(content)
        start = _HEADER.size + count * NAME_BYTES
        rows = np.frombuffer(content, "<f4", count * width, start).reshape(count, width)
        for row in range(count):
            name = content[_HEADER.size + row * NAME_BYTES : _HEADER.size + (row + 1) * NAME_BYTES]
            self._places[name] = (len(self._files), row)
        self._files.append((path, rows))

    def _give_up(self, error: OSError) -> None:
        reason = error.strerror or error
        announce(f"features cannot be kept in {self._folder}, so they are computed again next time: {reason}")
        self._usable = False

    def _shorten(self) -> None:
        """Mark what was used as new, and let the oldest files go where all together are too large."""
        for path in self._used:
            with contextlib.suppress(FileNotFoundError):
                os.utime(path)
        found = []
        for path in self._folder.glob("*.bin"):
            with contextlib.suppress(FileNotFoundError):
                state = path.stat()
                found.append((path in self._used, state.st_mtime_ns, state.st_size, path))
        size = sum(entry[2] for entry in found)
        for used, _, length, path in sorted(found):
            if used or size <= self._most:
                break
            # Whoever has it open goes on with what is no longer to be found.
            path.unlink(missing_ok=True)
            size -= length
