"""The inbox: images that people corrected the model on, kept on disk until somebody reviews them.

``images/<sha256>.<extension>`` holds each image once, ``feedback.jsonl`` one line a correction, ``dropped.txt`` the ids
that a reviewer did not want; ``decided.jsonl`` is the reviewer's (:mod:`pixmill.review.decision_log`). What was
answered survives SIGKILL and power loss: an image is complete under its name before the line that mentions it is
written, and a torn last line was never answered and is cut off.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pixmill.core.errors import LockedError, PixmillError
from pixmill.core.files import hold_lock, remove_temporary, storage_errors, sync_folder, write_durably

_ID, _EXTENSION = "^[0-9a-f]{64}$", "^[a-z0-9]{1,5}$"

_PATIENCE = 10.0
"""Seconds to wait for other processes that write into the same inbox."""


class InboxFullError(PixmillError):
    """Tell that the inbox takes no more before it has been reviewed."""


class Correction(BaseModel):
    """A line: what the model said of an image, and what a person says.

    Args:
        id: The sha256 of the image's bytes.
        extension: Of its file, by its content.
        bytes: Its size.
        label: What the person says it is; ``None``: none of the classes.
        prediction: What the model said, with ``label``, ``confidence`` (0 to 1), ``sure`` and ``probabilities``.
        model: The model that said it: ``name``, ``version`` and ``digest``.
        received: When, in UTC.
        original: The id of the image that this one was made from, if it is one of the server's examples.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null")

    id: Annotated[str, Field(pattern=_ID)]
    extension: Annotated[str, Field(pattern=_EXTENSION)]
    bytes: Annotated[int, Field(ge=0)]
    label: str | None
    prediction: dict[str, Any]
    model: dict[str, Any]
    received: datetime
    original: Annotated[str, Field(pattern=_ID)] | None = None


@dataclass(frozen=True)
class Entry:
    """An image of the inbox.

    Args:
        id: The sha256 of its bytes.
        path: Its file.
        corrections: What people said of it, the newest first; at least one.
    """

    id: str
    path: Path
    corrections: tuple[Correction, ...]

    @property
    def original(self) -> str:
        """The id by which the manifest may know it: that of the original of an example, else its own."""
        return self.corrections[0].original or self.id


class Inbox:
    """Keep corrected images in a folder that several servers and reviewers may share; threads may share the object.

    Args:
        folder: The folder; made by the first :meth:`add`.
        max_bytes: The most that images and lines may take together.
        max_entries: The most corrections.

    Raises:
        PixmillError: The folder is a file.
    """

    def __init__(self, folder: Path, max_bytes: int = 1 << 30, *, max_entries: int = 10_000) -> None:
        if folder.exists() and not folder.is_dir():
            raise PixmillError(f"{folder} is not a folder", next="name another for the inbox: --inbox DIR")
        self.folder = folder
        self._images = folder / "images"
        self._lines = folder / "feedback.jsonl"
        self._dropped = folder / "dropped.txt"
        self.decided = folder / "decided.jsonl"
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._threads = threading.Lock()
        self._file: tuple[int, int] | None = None  # device and inode of what was counted
        self._end = 0
        self._count = 0
        self._sizes: dict[str, int] = {}

    def add(self, content: bytes, correction: Correction) -> str:
        """Put a correction on disk; once this returns, it survives SIGKILL and power loss.

        Args:
            content: The image, as it came.
            correction: What is said of it.

        Returns:
            The sha256 of the image.

        Raises:
            InboxFullError: The inbox holds as much as it may.
            LockedError: Other processes kept the inbox locked for ten seconds.
            StorageError: The disk is full, or the folder may not be written; nothing was added.
        """
        name, line = correction.id, line_of(correction)
        with self.lock(then="send the feedback again"):
            self._catch_up()
            size = len(line) + (0 if name in self._sizes else len(content))
            if self._count >= self._max_entries or self._end + sum(self._sizes.values()) + size > self._max_bytes:
                raise InboxFullError(
                    f"{self.folder} is full: it has {self._count:,} corrections, and takes at most "
                    f"{self._max_entries:,} or {self._max_bytes >> 20:,} MiB",
                    next="pixmill review",
                )
            path = self._images / f"{name}.{correction.extension}"
            is_new = not path.exists()
            if is_new:
                write_durably(path, content)
            try:
                _append(self._lines, line, self._end)
            except OSError:
                if is_new:
                    path.unlink()
                raise
            sync_folder(self.folder)
        return name

    def entries(self) -> tuple[list[Entry], int]:
        """Return the images with their corrections, the last corrected first, and how many lines are broken.

        Images that a reviewer has dropped are left out, and so are those whose file is gone. A last line without an
        end, which is being written or was torn, is no broken one.
        """
        found: dict[str, list[Correction]] = {}
        broken = 0
        dropped = self.dropped_ids()
        for _, item in _parse(self._read()):
            if item is None:
                broken += 1
            elif item.id not in dropped:
                found[item.id] = [*found.pop(item.id, []), item]
        entries = [
            Entry(name, self._images / f"{name}.{items[-1].extension}", tuple(reversed(items)))
            for name, items in reversed(found.items())
        ]
        return [entry for entry in entries if entry.path.is_file()], broken

    def dropped_ids(self) -> frozenset[str]:
        """Return the ids of images that a reviewer did not want, which :meth:`entries` therefore never shows again."""
        try:
            return frozenset(self._dropped.read_text(encoding="ascii", errors="replace").split())
        except FileNotFoundError:
            return frozenset()

    def drop(self, *names: str) -> None:
        """Remember that images are not wanted."""
        self._remember(lambda before: before.union(names))

    def restore(self, name: str) -> None:
        """Take a :meth:`drop` back."""
        self._remember(lambda names: names - {name})

    def move_to(self, inbox: Inbox) -> tuple[int, int]:
        """Move all corrections into another inbox, and return how many there were, and how many lines are broken.

        Each is on disk there before it is removed here, and one that a killed move has left in both is not taken twice.
        Corrections of images that were dropped in either are removed, broken lines stay.

        Args:
            inbox: The other one.

        Raises:
            InboxFullError: It holds as much as it may; nothing is removed here.
            LockedError: Other processes kept one of them locked for ten seconds.
            StorageError: One of them may not be written.
        """
        entries, broken = self.entries()
        known = {line_of(item) for entry in inbox.entries()[0] for item in entry.corrections}
        wanted = [entry for entry in reversed(entries) if entry.id not in inbox.dropped_ids()]
        corrections = [(item, entry.path) for entry in wanted for item in reversed(entry.corrections)]
        corrections = [(item, path) for item, path in corrections if line_of(item) not in known]
        for item, path in sorted(corrections, key=lambda pair: pair[0].received):
            inbox.add(path.read_bytes(), item)
        if entries or self.dropped_ids():
            self.remove(entries)
        return len(corrections), broken

    def remove(self, entries: Collection[Entry]) -> None:
        """Forget corrections that were dealt with, and delete the images of which no other correction is left.

        What has been added since the entries were read stays, and so do broken lines. An image that was dropped goes
        with whatever was said of it.

        Args:
            entries: As :meth:`entries` returned them.

        Raises:
            LockedError: Other processes kept the inbox locked for ten seconds.
            StorageError: The folder may not be written.
        """
        if not self._lines.exists():
            return
        with self.lock(then="pixmill review"):
            self._catch_up()
            done = {item.model_dump_json() for entry in entries for item in entry.corrections}
            dropped = self.dropped_ids()
            kept, gone, left = [], set(), set()
            for line, item in _parse(self._read()):
                if item is not None and (item.id in dropped or item.model_dump_json() in done):
                    gone.add(f"{item.id}.{item.extension}")
                    continue
                kept.append(line)
                if item is not None:
                    left.add(f"{item.id}.{item.extension}")
            if gone:
                write_durably(self._lines, b"".join(kept))
            for name in gone - left:
                (self._images / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self, *, then: str) -> Iterator[None]:
        """Keep all other processes and threads from writing into the inbox during the block.

        Args:
            then: The next command, for error messages.

        Raises:
            LockedError: Others kept it locked for ten seconds.
            StorageError: A disk error in the block.
        """
        with storage_errors(then=then), self._threads:
            self._images.mkdir(parents=True, exist_ok=True)
            refusal = LockedError(f"other processes have locked {self.folder} for {_PATIENCE:g} seconds", next=then)
            with hold_lock(self.folder / ".lock", refusal, patience=_PATIENCE):
                yield

    def _remember(self, change: Callable[[frozenset[str]], Collection[str]]) -> None:
        with self.lock(then="repeat the decision"):
            write_durably(self._dropped, "".join(f"{name}\n" for name in sorted(change(self.dropped_ids()))).encode())

    def _read(self) -> bytes:
        """Return the lines; one that is still being written, or was torn, is left out."""
        try:
            content = self._lines.read_bytes()
        except FileNotFoundError:
            return b""
        return content[: content.rfind(b"\n") + 1]

    def _catch_up(self) -> None:
        """Count what other processes have added, cut a torn line off, and sweep images that no line names."""
        with self._lines.open("a+b") as file:
            state = os.fstat(file.fileno())
            is_another = self._file != (state.st_dev, state.st_ino) or state.st_size < self._end
            if is_another:
                self._file, self._end, self._count, self._sizes = (state.st_dev, state.st_ino), 0, 0, {}
            file.seek(self._end)
            added = file.read()
            whole = added[: added.rfind(b"\n") + 1]
            if len(whole) < len(added):
                file.truncate(self._end + len(whole))
        broken = 0
        for _, item in _parse(whole):
            self._count += 1
            if item is None:
                broken += 1
            else:
                self._sizes[item.id] = item.bytes
        self._end += len(whole)
        if is_another:
            remove_temporary(self.folder)
            # A broken line may be that of an image which would be swept. What is decided may be in no commit yet.
            decided = self.decided.read_text("ascii", "replace") if self.decided.exists() else ""
            named = self._sizes.keys() | set(re.findall("[0-9a-f]{64}", decided))
            for path in self._images.iterdir() if not broken else ():
                if path.stem not in named:
                    path.unlink()


def correction_of(
    content: bytes,
    *,
    extension: str,
    prediction: Mapping[str, Any],
    label: str | None,
    model: Mapping[str, Any],
    original: str | None = None,
) -> Correction:
    """Return what is said of an image now.

    Args:
        content: The image, as it came.
        extension: Of its format, told by its content, such as ``.jpg``; never a client's.
        prediction: As in :class:`Correction`.
        label: As in :class:`Correction`.
        model: As in :class:`Correction`.
        original: As in :class:`Correction`.
    """
    return Correction(
        id=hashlib.sha256(content).hexdigest(),
        extension=extension.removeprefix("."),
        bytes=len(content),
        label=label,
        prediction=dict(prediction),
        model=dict(model),
        received=datetime.now(UTC).replace(microsecond=0),
        original=original,
    )


def line_of(correction: Correction) -> bytes:
    """Return the line that holds a correction, with its end."""
    return f"{correction.model_dump_json()}\n".encode()


def _append(path: Path, line: bytes, end: int) -> None:
    """Add a whole line on disk, or nothing.

    Args:
        path: The file.
        line: The line.
        end: The file's size before it.
    """
    number = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        if os.write(number, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(number)
    except OSError as error:
        os.ftruncate(number, end)
        error.filename = str(path)
        raise
    finally:
        os.close(number)


def _parse(lines: bytes) -> Iterator[tuple[bytes, Correction | None]]:
    """Yield each line with what it says, ``None`` where it is broken."""
    for line in lines.splitlines(keepends=True):
        try:
            yield line, Correction.model_validate_json(line)
        except ValidationError:
            yield line, None
