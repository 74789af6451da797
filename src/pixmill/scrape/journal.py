"""The journal of a scrape: what has been found and fetched, so that nobody is asked for it again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from pixmill.fetch import Refused, Validators
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.index import Index
from pixmill.scrape.pictures import Picture

__all__ = ["Answers", "Journal", "Outcome"]

Outcome = Picture | Refused

_SYNC_SECONDS = 1.0
"""A process that is killed loses nothing that was written; only what a power cut may take is bounded by this."""

_HEAD = b'{"key":"'
"""How each record begins, so that its key is found without reading the rest."""

_DEFAULTS = {field.name: field.default for field in fields(Candidate) if field.default is not MISSING}


@dataclass(frozen=True)
class Answers:
    """Hold what a source answered to a query.

    Args:
        candidates: In the source's order.
        limit: The most candidates that were looked at; ``None`` for no limit.
        complete: Whether the source answered to its end, or up to the limit.
    """

    candidates: list[Candidate]
    limit: int | None
    complete: bool

    def suffice(self, limit: int | None) -> bool:
        """Tell whether asking again could bring nothing more that is wanted.

        Args:
            limit: The most candidates that are wanted; ``None`` for no limit.
        """
        if limit is not None and len(self.candidates) >= limit:
            return True
        return self.complete and (self.limit is None or len(self.candidates) < self.limit)


class Journal:
    """Remember the answers to searches, and what came of each picture's address; a context manager, for all threads.

    A file of JSON lines, one record each, written by one call when the thing has happened: a process that is killed
    loses what was under way, nothing else. Each line carries the checksum of its record, so that whatever is torn or
    damaged is told from what is sound, and simply done again. Later records win over earlier ones. In memory there are
    sixteen bytes a record; keys are told apart by 64 bits of a hash, which one pair in 10¹⁹ shares.

    Args:
        path: The file.
        read_only: Whether it is only looked at, for instance while another process writes it.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._read_only = read_only
        self._index = Index()
        self._lock = threading.Lock()
        self._writer: BinaryIO | None = None
        self._end = 0
        self._began = 0
        self._synced = time.monotonic()

    def __enter__(self) -> Self:
        if not self._read_only:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: a record must have left this process before the next thing is begun.
            self._writer = self._path.open("ab", buffering=0)
        self._reader = self._path.open("rb")
        self._index.fill(self._entries())
        self._began = self._end
        if self._writer is not None:
            # What a killed process left unfinished must not run into the next record.
            self._writer.truncate(self._end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __len__(self) -> int:
        with self._lock:
            return len(self._index)

    def answers(self, search: str) -> Answers | None:
        """Return what a source answered last, or ``None`` where it was never asked.

        Args:
            search: The name of the search: the source, the class and the query.
        """
        record = self._record(_key("answers", search))
        if record is None or record.get("search") != search:
            return None
        candidates = [
            Candidate(record["label"], record["query"], rank, **row) for rank, row in enumerate(record["candidates"])
        ]
        return Answers(candidates, record["limit"], record["complete"])

    def keep_answers(self, search: str, label: str, query: str | None, answers: Answers) -> None:
        """Remember what a source answered; ranks are the candidates' places."""
        self._write(
            _key("answers", search),
            {
                "kind": "answers",
                "search": search,
                "label": label,
                "query": query,
                "limit": answers.limit,
                "complete": answers.complete,
                "candidates": [_row(candidate) for candidate in answers.candidates],
            },
        )

    def outcome(self, address: str) -> Outcome | None:
        """Return what came of an address, or ``None`` where it has not been tried."""
        match self._record(_key("outcome", address)):
            case {"kind": "picture", "id": str(digest), "size": int(size), "format": str() | None as kind}:
                return Picture(digest, size, kind)
            case {"kind": "refused", "reason": str(reason), "detail": str(detail)}:
                return Refused(reason, detail)
            case _:
                return None  # never tried, or in another version's form: that is done again

    def validators(self, address: str) -> Validators | None:
        """Return by what a server tells whether the bytes at an address have changed, where it said so."""
        record = self._record(_key("outcome", address)) or {}
        etag, modified = record.get("etag"), record.get("modified")
        return Validators(etag, modified, record.get("from")) if etag or modified else None

    def is_fresh(self, address: str) -> bool:
        """Tell whether the outcome of an address was written by this process."""
        with self._lock:
            place = self._index.get(_key("outcome", address))
        return place is not None and place >= self._began

    def keep_outcome(self, address: str, outcome: Outcome, validators: Validators | None = None) -> None:
        """Remember what came of an address."""
        record: dict[str, Any]
        if isinstance(outcome, Picture):
            record = {"kind": "picture", "id": outcome.id, "size": outcome.size, "format": outcome.format}
            if validators is not None:
                record |= {"etag": validators.etag, "modified": validators.modified, "from": validators.url}
        else:
            record = {"kind": "refused", "reason": outcome.reason, "detail": outcome.detail}
        self._write(_key("outcome", address), record)

    def _write(self, key: int, record: dict[str, Any]) -> None:
        if self._writer is None:
            raise ValueError(f"{self._path} is open for reading only")
        # A text from the web may hold half a surrogate pair, which only ASCII can carry.
        body = json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode("ascii")
        text = b'%b%016x",%b' % (_HEAD, key, body[1:])
        line = b"[%d,%b]\n" % (zlib.crc32(text), text)
        with self._lock:
            rest = memoryview(line)
            try:
                while rest:
                    rest = rest[self._writer.write(rest) :]
                if time.monotonic() - self._synced >= _SYNC_SECONDS:
                    (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(self._writer.fileno())
                    self._synced = time.monotonic()
            except OSError as error:
                error.filename = str(self._path)  # a write that fails names no file
                with contextlib.suppress(OSError):
                    self._writer.truncate(self._end)
                raise
            self._index.put(key, self._end)
            self._end += len(line)

    def _record(self, key: int) -> dict[str, Any] | None:
        with self._lock:
            place = self._index.get(key)
            if place is None:
                return None
            self._reader.seek(place)
            line = self._reader.readline()
        text = _sound(line)
        return None if text is None else json.loads(text)

    def _entries(self) -> Iterator[tuple[int, int]]:
        """Yield the key and the place of each sound record, and note where the last whole line ends."""
        for line in self._reader:
            if not line.endswith(b"\n"):
                break
            place, self._end = self._end, self._end + len(line)
            text = _sound(line)
            if text is not None and text.startswith(_HEAD):
                with contextlib.suppress(ValueError):
                    yield int(text[len(_HEAD) : len(_HEAD) + 16], 16), place


def _sound(line: bytes) -> bytes | None:
    """Return the record of a line, or ``None`` where the line is damaged."""
    checksum, _, text = line.removeprefix(b"[").removesuffix(b"]\n").partition(b",")
    return text if text and checksum == b"%d" % zlib.crc32(text) else None


def _row(candidate: Candidate) -> dict[str, Any]:
    """Return what a candidate says beside its query and its place; what it does not say is left out."""
    row = {"image_url": candidate.image_url}
    for name, default in _DEFAULTS.items():
        value = getattr(candidate, name)
        if value != default:
            row[name] = value
    return row


def _key(kind: str, text: str) -> int:
    digest = hashlib.blake2b(f"{kind}\0{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
