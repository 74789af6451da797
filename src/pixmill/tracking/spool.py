"""What MLflow has not taken yet: a folder of ``.pixmill/tracking/`` for each run, written before anything is sent.

``journal.jsonl`` holds a record a line, ``files/`` what the records refer to, and ``sent.jsonl`` what MLflow has
taken. A line is written in one go, so that a process killed at any moment loses nothing of what it said before.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from pixmill.files import write_text

__all__ = ["LIMIT", "Spool", "trim", "waiting"]

LIMIT = 2 << 30
"""The most bytes that wait under ``.pixmill/tracking/``; beyond it the oldest runs are given up."""

_JOURNAL, _SENT, _FILES, _LOCK = "journal.jsonl", "sent.jsonl", "files", "lock"

_PATIENCE = 10.0
"""Seconds to wait for the lock of a folder that is new: someone may be looking whether it holds anything."""

Record = dict[str, Any]


class Spool:
    """Keep the records of one process, of one run or more, until MLflow has taken them.

    Whoever writes or sends holds the folder's lock, which the operating system drops when the holder dies. A disk that
    refuses a record does not stop anything: the record is then in memory only, and ``fault`` says why.

    Args:
        folder: The spool's own folder; its name is the spool's key.
        lock: The lock, held.
    """

    def __init__(self, folder: Path, lock: filelock.BaseFileLock) -> None:
        self.folder, self._lock = folder, lock
        self.key = folder.name
        self.fault: OSError | None = None
        self._guard = threading.Lock()
        self._records: list[Record] = list(_lines(folder / _JOURNAL))
        self.done: set[int] = set()
        self.refused: dict[int, str] = {}
        self.runs: dict[int, tuple[str, bool]] = {}
        self.models: dict[int, str] = {}
        self.tried: set[int] = set()
        for mark in _lines(folder / _SENT):
            self._note(mark)

    @classmethod
    def create(cls, place: Path) -> Spool:
        """Return a new spool within ``.pixmill/tracking``, held by this process.

        Raises:
            OSError: The disk refuses the folder.
        """
        moment = datetime.datetime.now(datetime.UTC)
        folder = place / f"{moment:%Y%m%d-%H%M%S-%f}-{uuid.uuid4().hex[:8]}"
        (folder / _FILES).mkdir(parents=True)
        lock = filelock.FileLock(folder / _LOCK, thread_local=False)
        lock.acquire(timeout=_PATIENCE)
        return cls(folder, lock)

    @classmethod
    def take(cls, folder: Path) -> Spool | None:
        """Return the spool in a folder, held by this process, or ``None`` where another process holds it.

        Raises:
            OSError: The disk refuses to read it.
        """
        lock = filelock.FileLock(folder / _LOCK, blocking=False, thread_local=False)
        try:
            lock.acquire()
        except filelock.Timeout:
            return None
        if not (folder / _JOURNAL).exists():
            lock.release()
            return None
        return cls(folder, lock)

    @classmethod
    def read(cls, folder: Path) -> Spool:
        """Return the spool in a folder for reading alone, whoever holds it."""
        return cls(folder, filelock.FileLock(folder / _LOCK, thread_local=False))

    @property
    def records(self) -> list[Record]:
        """All records so far, in their order; a record's place is its number."""
        with self._guard:
            return list(self._records)

    def pending(self) -> list[int]:
        """Return the numbers of the records that MLflow has neither taken nor refused."""
        with self._guard:
            return [n for n in range(len(self._records)) if n not in self.done and n not in self.refused]

    def append(self, record: Record) -> None:
        """Add a record: first on the disk, then in memory."""
        with self._guard:
            self._write(_JOURNAL, record)
            self._records.append(record)

    def mark(self, **what: Any) -> None:
        """Note what MLflow did.

        Args:
            what: ``done=3``; ``refused=3, why=…``; ``tried=0``; ``run=0, id=…, own=…``; or ``model=7, id=…``.
        """
        with self._guard:
            self._write(_SENT, what)
            self._note(what)

    def begin_anew(self, uri: str) -> None:
        """Forget what another place has taken: all is for this one now.

        Args:
            uri: The place, without a password.
        """
        with self._guard:
            self.done.clear()
            self.refused.clear()
            self.runs.clear()
            self.models.clear()
            self.tried.clear()
            for record in self._records:
                if "to" in record:
                    record["to"] = uri
            lines = [json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n" for record in self._records]
            write_text(self.folder / _JOURNAL, "".join(lines))
            (self.folder / _SENT).unlink(missing_ok=True)

    def reconsider(self) -> None:
        """Have the records that MLflow refused sent again."""
        with self._guard:
            self.refused.clear()

    def keep(self, content: bytes, name: str) -> str:
        """Write a file beside the journal, and return its path within the folder.

        Raises:
            OSError: The disk refuses it.
        """
        path = self.room(name)
        path.write_bytes(content)
        return path.relative_to(self.folder).as_posix()

    def room(self, name: str) -> Path:
        """Return a path for a file or folder of this name that is nobody's yet."""
        folder = self.folder / _FILES / uuid.uuid4().hex[:8]
        folder.mkdir(parents=True)
        return folder / name

    def forget(self) -> None:
        """Delete the folder, whose records MLflow has, and let go of it."""
        with contextlib.suppress(OSError):
            # The journal last: a folder that is half gone must not look like an empty one that waits.
            shutil.rmtree(self.folder / _FILES, ignore_errors=True)
            (self.folder / _JOURNAL).unlink(missing_ok=True)
        self.release()
        shutil.rmtree(self.folder, ignore_errors=True)

    def release(self) -> None:
        """Let another process send what is left."""
        self._lock.release()

    def _write(self, name: str, line: Record) -> None:
        if self.fault is not None and name == _JOURNAL:
            # A gap would give the records behind it other numbers.
            return
        text = (json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
        try:
            descriptor = os.open(self.folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                if os.write(descriptor, text) < len(text):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder / name))
            finally:
                os.close(descriptor)
        except OSError as error:
            self.fault = error

    def _note(self, mark: Record) -> None:
        match mark:
            case {"done": int(number)}:
                self.done.add(number)
                self.refused.pop(number, None)
            case {"refused": int(number), "why": str(why)}:
                self.refused[number] = why
            case {"tried": int(number)}:
                self.tried.add(number)
            case {"run": int(run), "id": str(name), "own": bool(own)}:
                self.runs[run] = name, own
            case {"model": int(number), "id": str(name)}:
                self.models[number] = name


def waiting(place: Path) -> list[Path]:
    """Return the folders of all spools that hold something, the oldest first.

    Args:
        place: ``.pixmill/tracking``.
    """
    return sorted(path.parent for path in place.glob(f"*/{_JOURNAL}"))


def trim(place: Path, *, limit: int = LIMIT) -> list[str]:
    """Delete the oldest spools that nobody holds until the rest fits, and return their keys.

    Args:
        place: ``.pixmill/tracking``.
        limit: The most bytes that are kept.
    """
    folders = waiting(place)
    sizes = {folder: _size(folder) for folder in folders}
    total, gone = sum(sizes.values()), []
    for folder in folders:
        if total <= limit:
            break
        if (spool := Spool.take(folder)) is not None:
            spool.forget()
            total -= sizes[folder]
            gone.append(folder.name)
    return gone


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += 0 if path.is_dir() else path.lstat().st_size
    return total


def _lines(path: Path) -> Iterator[Record]:
    """Yield the objects of a file of JSON lines; the last may have been cut off by a kill."""
    if not path.exists():
        return
    # By line feeds alone: other ends of lines may stand within a text.
    for line in path.read_bytes().split(b"\n"):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found
