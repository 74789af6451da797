"""The journal of a scrape, which later runs reuse: results, outcomes, and images by content."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import filelock

from pixmill.core.errors import ScrapeError, StorageError
from pixmill.core.files.writing import file_digest, link_or_copy, remove_temporary, write_bytes
from pixmill.core.params import ScrapeParams
from pixmill.core.process.progress import announce
from pixmill.fetch import Refused, Validators
from pixmill.images.decode import header_size
from pixmill.images.verified_reading import UndecodableError
from pixmill.scrape.candidate import Candidate, StoredImage

Outcome = StoredImage | Refused

_FOLDER = "journal"
_FILE = "journal.db"

_VERSION = 6
"""Part of each key; increase it when old records no longer fit the code."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records
  (key BLOB, snapshot TEXT, record TEXT, PRIMARY KEY (key, snapshot)) WITHOUT ROWID
"""

_LOCK_TIMEOUT_SECONDS = 10.0


class ImageStore:
    """A folder of images, named ``<first two digits of the id>/<id><extension>``.

    Existing files are hashed once per process before use.

    Args:
        folder: The folder; created with the first image.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # 64 bits of each id, since there may be a million.
        self._verified: set[int] = set()

    def path(self, image: StoredImage) -> Path:
        """Return the path of an image, which need not exist."""
        return self.folder / image.name

    def holds(self, image: StoredImage) -> bool:
        """Return whether the folder holds an image with the right bytes."""
        if _short_id(image) not in self._verified:
            path = self.path(image)
            if not path.is_file() or file_digest(path) != image.id:
                return False
            self._verified.add(_short_id(image))
        return True

    def add(self, image: StoredImage, content: bytes) -> None:
        """Write an image."""
        if not self.holds(image):
            write_bytes(self.path(image), content)
            self._verified.add(_short_id(image))

    def longest_side(self, image: StoredImage) -> int | None:
        """Return the longer side in pixels from an image's header; ``None`` if it is unreadable."""
        try:
            return max(header_size(self.path(image).read_bytes()))
        except (MemoryError, OSError, UndecodableError):
            return None

    def copy(self, image: StoredImage, other: ImageStore) -> None:
        """Add an image from another folder: a hard link if possible, else a copy.

        Editing a hard link changes both files; :meth:`holds` detects it by the hash.

        Raises:
            ScrapeError: The other folder no longer holds the image.
        """
        if not self.holds(image):
            source = other.path(image)
            try:
                link_or_copy(source, self.path(image))
            except FileNotFoundError:
                raise ScrapeError(
                    f"{source} was removed during the scrape", next="dvc repro scrape"
                ) from None
            self._verified.add(_short_id(image))

    def prune(self, keep: Iterable[str]) -> None:
        """Remove all files except those named, and the folders that this empties."""
        kept = set(keep)
        for place, _, names in os.walk(self.folder, topdown=False):
            folder = Path(place)
            within = folder.relative_to(self.folder).as_posix()
            for name in names:
                if f"{within}/{name}" not in kept:
                    (folder / name).unlink()
            if folder != self.folder and not any(folder.iterdir()):
                folder.rmdir()


def _short_id(image: StoredImage) -> int:
    return int(image.id[:16], 16)


@dataclass(frozen=True)
class SearchResults:
    """The results of a search.

    Args:
        candidates: Results in the order of the source.
        limit: Maximum number of candidates that were read; ``None`` for no limit.
        complete: Whether the results were read to their end or to the limit.
    """

    candidates: list[Candidate]
    limit: int | None
    complete: bool

    def suffice(self, limit: int | None) -> bool:
        """Return whether a new search could not yield more of the wanted candidates.

        Args:
            limit: Maximum number of wanted candidates; ``None`` for no limit.
        """
        if limit is not None and len(self.candidates) >= limit:
            return True
        return self.complete and (self.limit is None or len(self.candidates) < self.limit)


class Journal:
    """Store search results and fetch outcomes; a thread-safe context manager.

    An SQLite database in WAL mode, next to the fetched images. Each record is committed at once, so
    a killed process loses only unfinished work; a power failure may lose the last records. Records
    belong to one snapshot; only :meth:`earlier_version` reads those of another.

    Args:
        folder: Folder of the database and the images; created if missing.
        params: Parameters of the scrape; ``snapshot`` and ``max_bytes`` are part of each key.

    Attributes:
        images: The fetched images.

    Raises:
        StorageError: The database is damaged or cannot be written.
    """

    def __init__(self, folder: Path, params: ScrapeParams) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.images = ImageStore(folder / "pictures")
        self._path = folder / _FILE
        self._snapshot = json.dumps([_VERSION, params.snapshot, params.max_bytes])
        self._refused: set[bytes] = set()
        self._lock = threading.Lock()
        with self._storage_errors():
            self._database = sqlite3.connect(
                self._path,
                timeout=_LOCK_TIMEOUT_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", _SCHEMA):
            self._execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._database.close()

    def results(self, search: str) -> SearchResults | None:
        """Return the stored results of a search, or ``None`` if there are none.

        Args:
            search: Name of the search (:attr:`Search.name`).
        """
        record = self._read("answers", search)
        if record is None:
            return None
        candidates = [Candidate(**fields) for fields in record["candidates"]]
        return SearchResults(candidates, record["limit"], record["complete"])

    def save_results(self, search: str, results: SearchResults) -> None:
        """Store the results of a search."""
        self._write("answers", search, asdict(results))

    def outcome(self, address: str) -> Outcome | None:
        """Return the outcome of fetching an address, or ``None`` if it has not been fetched."""
        record = self._read("outcome", address)
        return None if record is None else _outcome(record)

    def earlier_version(self, address: str) -> tuple[StoredImage, Validators] | None:
        """Return the image and validators of another snapshot for a conditional request.

        The image must still exist and have an ETag or a modification date. The latest such snapshot
        wins.
        """
        for snapshot, record in self._records("outcome", address):
            if snapshot == self._snapshot or json.loads(snapshot)[0] != _VERSION:
                continue
            image = _outcome(record)
            validators = Validators(**record.get("validators", {}))
            if (
                isinstance(image, StoredImage)
                and (validators.etag or validators.modified)
                and self.images.holds(image)
            ):
                return image, validators
        return None

    def was_refused_in_this_run(self, address: str) -> bool:
        """Return whether an address was refused in this run."""
        return _key("outcome", address) in self._refused

    def save_outcome(
        self, address: str, outcome: Outcome, validators: Validators | None = None
    ) -> None:
        """Store the outcome of fetching an address and the validators for conditional requests."""
        record: dict[str, Any] = asdict(outcome)
        if isinstance(outcome, Refused):
            self._refused.add(_key("outcome", address))
        elif validators is not None:
            record["validators"] = asdict(validators)
        self._write("outcome", address, record)

    def forget(self, urls: frozenset[str]) -> None:
        """Delete search results, which may contain thumbnails as ``data:`` URIs.

        Args:
            urls: URLs of the images, or of their pages.
        """
        self._execute("PRAGMA secure_delete = ON")
        for key, snapshot, text in self._execute(
            "SELECT * FROM records WHERE record LIKE '{\"candidates\"%'"
        ):
            record = json.loads(text)
            kept = [
                item
                for item in record["candidates"]
                if urls.isdisjoint((item["image_url"], item["page_url"]))
            ]
            if len(kept) < len(record["candidates"]):
                changed = json.dumps(record | {"candidates": kept}, separators=(",", ":"))
                self._execute(
                    "UPDATE records SET record = ? WHERE key = ? AND snapshot = ?",
                    changed,
                    key,
                    snapshot,
                )
        self._execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def product_page(self, name: str) -> tuple[str | None, str] | None:
        """Return the stored ``(image URL, reason)`` of a product page that was read."""
        record = self._read("page", name)
        return None if record is None else (record["image"], record["why"])

    def save_product_page(self, name: str, image: str | None, why: str) -> None:
        """Store the image of a product page.

        Args:
            name: URL and selectors of the page.
            image: URL of the image.
            why: Why there is no image.
        """
        self._write("page", name, {"image": image, "why": why})

    def _read(self, kind: str, name: str) -> Any:
        """Return the record of this snapshot, or ``None``."""
        return dict(self._records(kind, name)).get(self._snapshot)

    def _records(self, kind: str, name: str) -> list[tuple[str, Any]]:
        """Return the records of all snapshots, latest first."""
        statement = "SELECT snapshot, record FROM records WHERE key = ? ORDER BY snapshot DESC"
        rows = self._execute(statement, _key(kind, name))
        with self._storage_errors():
            return [(snapshot, json.loads(text)) for snapshot, text in rows]

    def _write(self, kind: str, name: str, record: dict[str, Any]) -> None:
        # ASCII, since text from the web may contain lone surrogates.
        content = json.dumps(record, separators=(",", ":"))
        self._execute(
            "INSERT OR REPLACE INTO records VALUES (?, ?, ?)",
            _key(kind, name),
            self._snapshot,
            content,
        )

    def _execute(self, statement: str, *values: bytes | str) -> list[Any]:
        with self._lock, self._storage_errors():
            return self._database.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, json.JSONDecodeError) as error:
            raise StorageError(
                f"{self._path} cannot be used: {error}",
                next="check the disk (df, ulimit -f) and the owner (ls -ld); if the file is "
                "damaged, delete "
                f"{self._path.parent} to fetch everything again; then: dvc repro scrape",
            ) from error


@contextlib.contextmanager
def hold_journal(params: ScrapeParams, scratch: Path) -> Iterator[Journal]:
    """Open the journal of a project for writing, and remove unfinished files of killed processes.

    Waits while another process holds the journal.

    Args:
        params: Parameters of the scrape.
        scratch: Scratch folder of the stage.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(scratch / f"{_FOLDER}.lock")
    try:
        held = lock.acquire(timeout=0)
    except filelock.Timeout:
        announce("scrape: waiting for another scrape of this project to end")
        held = lock.acquire()
    with held, Journal(scratch / _FOLDER, params) as journal:
        remove_temporary(scratch / _FOLDER)
        yield journal


def read_journal(
    params: ScrapeParams, scratch: Path
) -> contextlib.AbstractContextManager[Journal | None]:
    """Open the journal for reading, even while another process writes, if there is one."""
    folder = scratch / _FOLDER
    return Journal(folder, params) if (folder / _FILE).is_file() else contextlib.nullcontext()


def _outcome(record: dict[str, Any]) -> Outcome:
    if "reason" in record:
        return Refused(record["reason"], record["detail"])
    return StoredImage(record["id"], record["size"], record["format"])


def _key(kind: str, name: str) -> bytes:
    return hashlib.blake2b(
        f"{kind}\0{name}".encode("utf-8", "surrogatepass"), digest_size=16
    ).digest()
