"""The journal of a scrape: what has been found and fetched, so that nobody is asked for it again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from pixmill.fetch import Refused
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.pictures import Picture

__all__ = ["Journal", "Outcome"]

Outcome = Picture | Refused


class Journal:
    """Remember the answers to queries, and what came of each picture's address; a context manager.

    A file of JSON lines, one record each, written by one call when the thing has happened: a process that is killed
    loses what was under way, nothing else. Each line carries the checksum of its record, so that whatever is torn or
    damaged is told from what is sound, and simply done again. Later records win over earlier ones.

    Args:
        path: The file; ``None`` for a journal that lasts as long as this object.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._answers: dict[tuple[str, str | None], tuple[int | None, list[Candidate]]] = {}
        self._outcomes: dict[str, Outcome] = {}

    def __enter__(self) -> Self:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            end = self._load(self._path) if self._path.exists() else 0
            # Unbuffered: a record must have left this process before the next thing is begun.
            self._file = self._path.open("ab", buffering=0)
            # What a killed process left unfinished must not run into the next record.
            self._file.truncate(end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def answers(self, query: Query, limit: int | None) -> list[Candidate] | None:
        """Return all that a source once answered to a query, or ``None`` where it has not answered to the end.

        Args:
            query: What was asked.
            limit: The number of different pictures after which nothing more was looked at.
        """
        known = self._answers.get((query.label, query.text))
        return known[1] if known is not None and known[0] == limit else None

    def keep_answers(self, query: Query, limit: int | None, candidates: Sequence[Candidate]) -> None:
        """Remember all that a source answered."""
        self._answers[query.label, query.text] = (limit, list(candidates))
        rows = [
            {name: value for name, value in asdict(candidate).items() if name not in ("label", "query")}
            for candidate in candidates
        ]
        self._write({"kind": "answers", "label": query.label, "query": query.text, "limit": limit, "candidates": rows})

    def outcome(self, image_url: str) -> Outcome | None:
        """Return what came of an address, or ``None`` where it has not been tried."""
        return self._outcomes.get(_key(image_url))

    def keep_outcome(self, image_url: str, outcome: Outcome) -> None:
        """Remember what came of an address."""
        key = _key(image_url)
        self._outcomes[key] = outcome
        if isinstance(outcome, Picture):
            self._write({"kind": "picture", "key": key, **asdict(outcome)})
        else:
            self._write({"kind": "refused", "key": key, "reason": outcome.reason, "detail": outcome.detail})

    def _write(self, record: dict[str, Any]) -> None:
        if self._file is None:
            return
        # A text from the web may hold half a surrogate pair, which only ASCII can carry.
        text = json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode("ascii")
        line = memoryview(b"[%d,%b]\n" % (zlib.crc32(text), text))
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:
            error.filename = str(self._path)  # a write that fails names no file
            raise

    def _load(self, path: Path) -> int:
        """Take what is sound, and return where the last whole line ends."""
        end = 0
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    end += len(line)
                    for record in _sound(line):
                        # A record in another version's form is as good as none: it is done again.
                        with contextlib.suppress(KeyError, TypeError):
                            self._take(record)
        return end

    def _take(self, record: dict[str, Any]) -> None:
        match record["kind"]:
            case "answers":
                label, query = record["label"], record["query"]
                candidates = [Candidate(label, query, **row) for row in record["candidates"]]
                self._answers[label, query] = (record["limit"], candidates)
            case "picture":
                self._outcomes[record["key"]] = Picture(record["id"], record["size"], record["format"])
            case "refused":
                self._outcomes[record["key"]] = Refused(record["reason"], record["detail"])


def _sound(line: bytes) -> Iterator[dict[str, Any]]:
    """Yield the record of a line, unless the line is damaged."""
    checksum, _, text = line.removeprefix(b"[").removesuffix(b"]\n").partition(b",")
    if text and checksum == b"%d" % zlib.crc32(text):
        yield json.loads(text)


def _key(image_url: str) -> str:
    """Return a short name for an address, since a ``data:`` URI is as long as its picture."""
    return hashlib.sha256(image_url.encode("utf-8", "surrogatepass")).hexdigest()[:32]
