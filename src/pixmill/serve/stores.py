"""Where an inbox keeps its objects: what every store can do, and the one that is a folder."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from pixmill.core.errors import LockedError, PixmillError
from pixmill.core.files import hold_lock, remove_temporary, storage_errors, sync_folder, write_durably

_PATIENCE = 10.0
"""Seconds to wait for other processes that write into the same folder."""


class Store(Protocol):
    """Keep objects by their name, such as ``corrections/<time>-<random>``: each is there as a whole or not at all."""

    def check(self) -> None:
        """Make sure that objects can be written.

        Raises:
            StorageUnavailableError: The storage does not answer.
            StorageError: It may not be used.
        """
        ...

    def lock(self, *, then: str) -> contextlib.AbstractContextManager[None]:
        """Keep other writers out during the block where the store can, and raise its errors as ours.

        Args:
            then: The next command, for error messages.

        Raises:
            LockedError: Others kept it locked for ten seconds.
            StorageError: The store may not be used, is full, or does not answer.
        """
        ...

    def lock_for_move(self) -> contextlib.AbstractContextManager[Callable[[], None]]:
        """Keep other reviews from emptying the store during the block; the function says that this one goes on.

        Raises:
            LockedError: Another review empties it; the function raises it, too.
            StorageError: As :meth:`lock`.
        """
        ...

    def usage(self) -> tuple[int, int]:
        """Return how many corrections there are, and their size in bytes; call it in :meth:`lock`."""
        ...

    def names(self, folder: str) -> Sequence[str]:
        """Return the names of all objects of a folder, such as ``dropped/``, in order."""
        ...

    def read(self, name: str) -> bytes:
        """Return an object."""
        ...

    def read_line(self, name: str) -> bytes:
        """Return the first line of an object."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Keep an object; once this returns, it survives SIGKILL and power loss."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object, if it is there."""
        ...


class Folder:
    """Keep each object as a file of a folder that several processes may share.

    Args:
        path: The folder; made when it is first locked.

    Raises:
        PixmillError: It is a file.
    """

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_dir():
            raise PixmillError(f"{path} is not a folder", next="name another for the inbox: --inbox DIR")
        self.path = path
        self._is_swept = False
        self._corrections = path / "corrections"
        self._stamp, self._count, self._size = -1, 0, 0

    def check(self) -> None:
        """Do nothing: a folder is made when the first correction comes."""

    @contextlib.contextmanager
    def lock(self, *, then: str) -> Iterator[None]:
        """Keep all other processes and threads from writing into the folder during the block.

        Args:
            then: The next command, for error messages.
        """
        refusal = LockedError(f"other processes have locked {self.path} for {_PATIENCE:g} seconds", next=then)
        with storage_errors(then=then):
            for folder in ("corrections", "dropped"):
                (self.path / folder).mkdir(parents=True, exist_ok=True)
            with hold_lock(self.path / ".lock", refusal, patience=_PATIENCE):
                if not self._is_swept:
                    remove_temporary(self.path)
                    sync_folder(self.path)
                    self._is_swept = True
                yield

    @contextlib.contextmanager
    def lock_for_move(self) -> Iterator[Callable[[], None]]:
        """Hold a lock of its own, so that servers go on to write meanwhile."""
        then = f"pixmill review --inbox {self.path}"
        refusal = LockedError(f"another review is moving the corrections out of {self.path}", next=then)
        with storage_errors(then=then), hold_lock(self.path / ".moving", refusal):
            yield lambda: None

    def usage(self) -> tuple[int, int]:
        """Count the files, or return what is known if nobody else has changed the folder since."""
        if not self._is_counted():
            sizes = []
            with os.scandir(self._corrections) as found:
                for file in found:
                    if not file.name.startswith("."):
                        with contextlib.suppress(FileNotFoundError):  # A person has just removed it.
                            sizes.append(file.stat().st_size)
            self._remember(len(sizes), sum(sizes))
        return self._count, self._size

    def _is_counted(self) -> bool:
        return self._corrections.stat().st_mtime_ns == self._stamp

    def _remember(self, count: int, size: int) -> None:
        """Keep a count, and mark the folder with a time of its own, which any change of its files replaces.

        The system's own times are too coarse to tell two changes apart. Where the mark does not hold, as in the folder
        of another user, the files are counted each time.
        """
        self._count, self._size, self._stamp = count, size, time.time_ns() // 1000 * 1000
        with contextlib.suppress(OSError):
            os.utime(self._corrections, ns=(self._stamp, self._stamp))

    def names(self, folder: str) -> list[str]:
        """List the files."""
        return sorted(folder + path.name for path in (self.path / folder).glob("[!.]*"))

    def read(self, name: str) -> bytes:
        """Read the file."""
        return (self.path / name).read_bytes()

    def read_line(self, name: str) -> bytes:
        """Read no more of the file than its first line."""
        with (self.path / name).open("rb") as file:
            return file.readline()

    def write(self, name: str, content: bytes) -> None:
        """Write the file under a temporary name, and rename it."""
        path = self.path / name
        is_next = path.parent == self._corrections and self._is_counted() and not path.exists()
        write_durably(path, content)
        if is_next:
            self._remember(self._count + 1, self._size + len(content))

    def delete(self, name: str) -> None:
        """Remove the file, so that it stays away after a power cut."""
        path = self.path / name
        if path.exists():
            path.unlink(missing_ok=True)
            sync_folder(path.parent)
