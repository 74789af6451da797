"""The inbox: images that people corrected the model on, kept in a folder until somebody reviews them.

Each correction is one file, ``corrections/<time>-<random>``: its line of JSON, and behind it the image. It is there
as a whole or not at all, and nobody can take an image from under a correction. ``dropped/<id>`` are empty files: images
that a reviewer did not want.
"""

import contextlib
import secrets
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pixmill.core.errors import DataError, LockedError, PixmillError
from pixmill.core.files.writing import hold_lock, remove_temporary, storage_errors, sync_folder, write_durably
from pixmill.core.process.progress import track
from pixmill.serve.correction import Correction, line_of, parse_line

_PATIENCE = 10.0
"""Seconds to wait for other processes that write into the same folder."""


class InboxFullError(PixmillError):
    """Tell that the inbox takes no more before it has been reviewed."""


@dataclass(frozen=True)
class Entry:
    """An image of the inbox.

    Args:
        id: The sha256 of its bytes.
        corrections: What people said of it, the newest first; at least one.
        names: The names of their files below the inbox, in the same order.
    """

    id: str
    corrections: tuple[Correction, ...]
    names: tuple[str, ...]

    @property
    def original(self) -> str:
        """The id by which the manifest may know it: that of the original of an example, else its own."""
        return self.corrections[0].original or self.id


class Inbox:
    """Keep corrections in a folder that several servers and reviewers may share; threads may share the object.

    Args:
        place: The folder; made when it is first locked.
        max_bytes: The most that all corrections may take together, each with its image.
        max_entries: The most corrections.

    Raises:
        PixmillError: It is a file.
    """

    def __init__(self, place: Path, max_bytes: int = 1 << 30, *, max_entries: int = 10_000) -> None:
        if place.exists() and not place.is_dir():
            raise PixmillError(f"{place} is not a folder", next="name another for the inbox: --inbox DIR")
        self.place = str(place)
        self._path, self._max_bytes, self._max_entries = place, max_bytes, max_entries
        self._is_swept = False

    @contextlib.contextmanager
    def lock(self, *, then: str) -> Iterator[None]:
        """Keep all other processes and threads from writing into the folder during the block.

        Args:
            then: The next command, for error messages.

        Raises:
            LockedError: Others kept it locked for ten seconds.
            StorageError: The disk is full, or may not be written.
        """
        refusal = LockedError(f"other processes have locked {self.place} for {_PATIENCE:g} seconds", next=then)
        with storage_errors(then=then):
            for folder in ("corrections", "dropped"):
                (self._path / folder).mkdir(parents=True, exist_ok=True)
            with hold_lock(self._path / ".lock", refusal, timeout=_PATIENCE):
                if not self._is_swept:
                    remove_temporary(self._path)
                    sync_folder(self._path)
                    self._is_swept = True
                yield

    def add(self, content: bytes, correction: Correction) -> str:
        """Keep a correction; once this returns, it survives SIGKILL and power loss.

        Args:
            content: The image, as it came.
            correction: What is said of it.

        Returns:
            The sha256 of the image.

        Raises:
            InboxFullError: The inbox holds as much as it may.
            LockedError: Other processes kept the folder locked for ten seconds.
            StorageError: The disk is full or may not be written; nothing was added.
        """
        with self.lock(then="send the feedback again"):
            sizes = [(self._path / name).stat().st_size for name in self._names("corrections")]
            body = line_of(correction) + content
            if len(sizes) >= self._max_entries or sum(sizes) + len(body) > self._max_bytes:
                raise InboxFullError(
                    f"{self.place} is full: it has {len(sizes):,} corrections, and takes at most "
                    f"{self._max_entries:,} or {self._max_bytes >> 20:,} MiB",
                    next="pixmill review",
                )
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(8)}"
            write_durably(self._path / "corrections" / name, body)
        return correction.id

    def entries(self) -> tuple[list[Entry], int]:
        """Return the images with their corrections, the last corrected first, and how many files are no corrections.

        Images that a reviewer has dropped are left out.
        """
        found: dict[str, list[tuple[Correction, str]]] = {}
        broken = 0
        dropped = self.dropped_ids()
        for name, item in self._corrections():
            if item is None:
                broken += 1
            elif item.id not in dropped:
                found[item.id] = [(item, name), *found.pop(item.id, [])]
        return [Entry(image, *zip(*items, strict=True)) for image, items in reversed(found.items())], broken

    def read_image(self, entry: Entry) -> bytes:
        """Return the bytes of an image; none where they are gone."""
        for name in entry.names:
            with contextlib.suppress(FileNotFoundError):
                return (self._path / name).read_bytes().partition(b"\n")[2]
        return b""

    def dropped_ids(self) -> frozenset[str]:
        """Return the ids of images that a reviewer did not want, which :meth:`entries` therefore never shows again."""
        return frozenset(Path(name).name for name in self._names("dropped"))

    def drop(self, names: Iterable[str]) -> None:
        """Remember images that are not wanted.

        Args:
            names: Their ids.

        Raises:
            LockedError: Other processes kept the folder locked for ten seconds.
            StorageError: The folder may not be written.
        """
        with self.lock(then="repeat the decision"):
            for name in set(names) - self.dropped_ids():
                write_durably(self._path / "dropped" / name, b"")

    def restore(self, name: str) -> None:
        """Take a :meth:`drop` back."""
        with self.lock(then="repeat the decision"):
            self._delete([f"dropped/{name}"])

    def take_over(self, folder: Path) -> int:
        """Move the corrections of another inbox here, and return how many there were.

        Each is on disk here before its file there is deleted; a move that was killed can be repeated.

        Args:
            folder: The other inbox.

        Raises:
            DataError: There is no such folder.
            LockedError: Other processes kept the folder locked for ten seconds.
            StorageError: A folder may not be used; what was not moved stays.
        """
        if not folder.is_dir():
            raise DataError(f"{folder} is no folder", next="pixmill review --inbox FOLDER")
        self.drop(Inbox(folder).dropped_ids())
        files = sorted((folder / "corrections").glob("[!.]*"))
        files = [path for path in files if path.is_file() and not path.is_symlink()]
        with self.lock(then=f"pixmill review --inbox {folder}"):
            for path in track(files, "Move corrections"):
                write_durably(self._path / "corrections" / path.name, path.read_bytes())
                path.unlink()
        return len(files)

    def remove(self, names: Collection[str]) -> None:
        """Forget corrections that were dealt with, and those of images that were dropped.

        Args:
            names: Of their files, as :meth:`entries` returned them.

        Raises:
            LockedError: Other processes kept the folder locked for ten seconds.
            StorageError: The folder may not be written.
        """
        dropped = self.dropped_ids()
        if names or dropped:
            with self.lock(then="pixmill review"):
                self._delete([*names, *(name for name, item in self._corrections() if item and item.id in dropped)])

    def _corrections(self) -> Iterator[tuple[str, Correction | None]]:
        """Yield the name of each file in order of time, and what it says, ``None`` where it is no correction."""
        for name in self._names("corrections"):
            # Another process may just have removed it.
            with contextlib.suppress(FileNotFoundError), (self._path / name).open("rb") as file:
                yield name, parse_line(file.readline())

    def _names(self, folder: str) -> list[str]:
        return sorted(f"{folder}/{path.name}" for path in (self._path / folder).glob("[!.]*"))

    def _delete(self, names: Iterable[str]) -> None:
        """Remove files, so that they stay away after a power cut."""
        for name in names:
            (self._path / name).unlink(missing_ok=True)
            sync_folder((self._path / name).parent)
