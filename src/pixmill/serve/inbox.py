"""The inbox: images that people corrected the model on, kept until somebody reviews them.

Each correction is one object, ``corrections/<time>-<random>``: its line of JSON, and behind it the image. It is there
as a whole or not at all, writers need not know of each other, and nobody can take an image from under a correction.
``dropped/<id>`` are empty objects: images that a reviewer did not want. The objects lie in a folder
(:mod:`pixmill.serve.stores`) or in a bucket (:mod:`pixmill.serve.bucket_store`).
"""

import contextlib
import secrets
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from pixmill.core.errors import PixmillError
from pixmill.core.progress import announce, track
from pixmill.core.words import count
from pixmill.serve.bucket_store import Bucket
from pixmill.serve.correction import Correction, line_of, parse_line
from pixmill.serve.stores import Folder, Store

_AT_A_TIME = 16
"""Corrections that are in memory at the same time while they are moved."""


class InboxFullError(PixmillError):
    """Tell that the inbox takes no more before it has been reviewed."""


@dataclass(frozen=True)
class Entry:
    """An image of the inbox.

    Args:
        id: The sha256 of its bytes.
        corrections: What people said of it, the newest first; at least one.
        names: The names of their objects, in the same order.
    """

    id: str
    corrections: tuple[Correction, ...]
    names: tuple[str, ...]

    @property
    def original(self) -> str:
        """The id by which the manifest may know it: that of the original of an example, else its own."""
        return self.corrections[0].original or self.id


class Inbox:
    """Keep corrections where several servers and reviewers may share them; threads may share the object.

    Args:
        place: The folder, or ``s3://BUCKET/PREFIX``.
        max_bytes: The most that all corrections may take together, each with its image.
        max_entries: The most corrections.

    Raises:
        PixmillError: The folder is a file, the URL names no bucket, or the environment no server.
    """

    def __init__(self, place: Path | str, max_bytes: int = 1 << 30, *, max_entries: int = 10_000) -> None:
        self._store: Store
        if isinstance(place, str):
            self._store = Bucket(place)
            self.place, self._review = place.rstrip("/"), f"pixmill review --inbox {place}"
        else:
            self._store = Folder(place)
            self.place, self._review = str(place), "pixmill review"
        self._max_bytes = max_bytes
        self._max_entries = max_entries

    def check(self) -> None:
        """Make sure that corrections can be kept.

        Raises:
            StorageUnavailableError: The storage does not answer.
            StorageError: It may not be used.
        """
        self._store.check()

    def lock(self, *, then: str) -> contextlib.AbstractContextManager[None]:
        """Keep all other processes and threads from writing into a folder during the block.

        Args:
            then: The next command, for error messages.

        Raises:
            LockedError: Others kept it locked for ten seconds.
            StorageError: An error of the store in the block.
        """
        return self._store.lock(then=then)

    def add(self, content: bytes, correction: Correction) -> str:
        """Keep a correction; once this returns, it survives SIGKILL and power loss, or the storage has confirmed it.

        Args:
            content: The image, as it came.
            correction: What is said of it.

        Returns:
            The sha256 of the image.

        Raises:
            InboxFullError: The inbox holds as much as it may.
            LockedError: Other processes kept the folder locked for ten seconds.
            StorageError: The store is full, may not be written or does not answer; nothing was added.
        """
        body = line_of(correction) + content
        with self.lock(then="send the feedback again"):
            entries, size = self._store.usage()
            if entries >= self._max_entries or size + len(body) > self._max_bytes:
                raise InboxFullError(
                    f"{self.place} is full: it has {entries:,} corrections, and takes at most "
                    f"{self._max_entries:,} or {self._max_bytes >> 20:,} MiB",
                    next=self._review,
                )
            self._store.write(f"corrections/{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(8)}", body)
        return correction.id

    def entries(self) -> tuple[list[Entry], int]:
        """Return the images with their corrections, the last corrected first, and how many objects are no corrections.

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
            if (content := self._read(name)) is not None:
                return content.partition(b"\n")[2]
        return b""

    def dropped_ids(self) -> frozenset[str]:
        """Return the ids of images that a reviewer did not want, which :meth:`entries` therefore never shows again."""
        return frozenset(name.removeprefix("dropped/") for name in self._store.names("dropped/"))

    def drop(self, names: Collection[str], *, then: str = "repeat the decision") -> frozenset[str]:
        """Remember images that are not wanted, and return all of them.

        Args:
            names: Their ids.
            then: The next command, for error messages.

        Raises:
            LockedError: Other processes kept the folder locked for ten seconds.
            StorageError: The store may not be written, or does not answer.
        """
        with self.lock(then=then):
            there = self.dropped_ids()
            for name in set(names) - there:
                self._store.write(f"dropped/{name}", b"")
        return there.union(names)

    def restore(self, name: str) -> None:
        """Take a :meth:`drop` back."""
        with self.lock(then="repeat the decision"):
            self._store.delete(f"dropped/{name}")

    def move_to(self, inbox: "Inbox") -> tuple[int, int]:
        """Move all corrections into another inbox, and return how many there were, and how many objects are none.

        Each is kept there before it is deleted here, and one that a killed move has left in both places is not taken
        twice. Corrections of images that were dropped in either are deleted, objects that are no corrections stay. What
        somebody else removes from a folder meanwhile is left out, and said.

        Args:
            inbox: The other one; what was dropped there counts as dropped here from now on.

        Raises:
            InboxFullError: It holds as much as it may; the other corrections stay here.
            LockedError: Another review empties this one, or other processes kept a folder locked for ten seconds.
            StorageError: One of them may not be used; what was not moved stays.
        """
        moved = broken = gone = 0
        known = {line_of(item) for entry in inbox.entries()[0] for item in entry.corrections}
        with self._store.lock_for_move() as still_moving, ThreadPoolExecutor(_AT_A_TIME) as pool:
            dropped = self.drop(inbox.dropped_ids(), then=f"pixmill review --inbox {self.place}")
            names = self._store.names("corrections/")
            batches = [names[start : start + _AT_A_TIME] for start in range(0, len(names), _AT_A_TIME)]
            for batch in track(batches, "Move corrections", unit="batch"):
                done = []
                try:
                    for name, content in zip(batch, pool.map(self._read, batch), strict=True):
                        if content is None:
                            gone += 1
                            continue
                        line, _, image = content.partition(b"\n")
                        item = parse_line(line)
                        if item is None or sha256(image).hexdigest() != item.id:
                            broken += 1
                            continue
                        if item.id not in dropped and line_of(item) not in known:
                            inbox.add(image, item)
                            moved += 1
                        done.append(name)
                finally:
                    # Also where the other one is full: once reviewed there, they would be taken again.
                    if done:
                        still_moving()
                        with self.lock(then=f"pixmill review --inbox {self.place}"):
                            list(pool.map(self._store.delete, done))
        if gone:
            announce(f"{count(gone, 'correction')} in {self.place} disappeared while others were moved.")
        return moved, broken

    def _read(self, name: str) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            return self._store.read(name)
        return None

    def remove(self, names: Collection[str]) -> None:
        """Forget corrections that were dealt with, and those of images that were dropped.

        Args:
            names: Of their objects, as :meth:`entries` returned them.

        Raises:
            LockedError: Other processes kept the folder locked for ten seconds.
            StorageError: The store may not be written.
        """
        dropped = self.dropped_ids()
        if not names and not dropped:
            return
        with self.lock(then="pixmill review"):
            unwanted = [name for name, item in self._corrections() if item and item.id in dropped] if dropped else []
            for name in (*names, *unwanted):
                self._store.delete(name)

    def _corrections(self) -> Iterator[tuple[str, Correction | None]]:
        """Yield the name of each object in order of time, and what it says, ``None`` where it is no correction."""
        for name in self._store.names("corrections/"):
            with contextlib.suppress(FileNotFoundError):  # Another process has just removed it.
                yield name, parse_line(self._store.read_line(name))
