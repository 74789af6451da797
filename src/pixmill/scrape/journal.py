"""The journal of a scrape: what searches were answered and what came of each address, so that none is asked again."""

import contextlib
import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import filelock

from pixmill.core.errors import StorageError
from pixmill.core.files.writing import remove_temporary
from pixmill.core.params import ScrapeParams
from pixmill.core.process.progress import announce
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.image_store import ImageStore, StoredImage
from pixmill.web.fetch import Refused, Validators

Outcome = StoredImage | Refused

_FOLDER, _FILE = "journal", "journal.db"

_VERSION = 6
"""Part of each record: goes up when an old record would mislead this code."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (key BLOB, snapshot TEXT, record TEXT, PRIMARY KEY (key, snapshot)) WITHOUT ROWID
"""

_PATIENCE = 10.0
"""Seconds that a statement waits for another process to end its own."""


@dataclass(frozen=True)
class Answers:
    """What a source answered to a query.

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
    """Remember the answers to searches and the outcome of each address; a context manager, for all threads.

    An SQLite database in WAL mode, beside the images that it speaks of. Each record is committed when the thing has
    happened, so that a process that is killed loses what was under way and nothing else; only a power cut may take the
    last records with it. Each snapshot has records of its own; of another one nothing is believed, but for
    :meth:`earlier_version`.

    Args:
        folder: Where the database and the images lie; made if absent.
        params: Those that decide over a record: ``snapshot`` and ``max_bytes``.

    Attributes:
        images: The images that were fetched.

    Raises:
        StorageError: The database cannot be written, or is damaged.
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
                self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", _SCHEMA):
            self._execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._database.close()

    def answers(self, search: str) -> Answers | None:
        """Return what a source answered last, or ``None`` where it was never asked.

        Args:
            search: The name of the search: the source, the class and the query.
        """
        record = self._read("answers", search)
        if record is None:
            return None
        candidates = [Candidate(**fields) for fields in record["candidates"]]
        return Answers(candidates, record["limit"], record["complete"])

    def keep_answers(self, search: str, answers: Answers) -> None:
        """Remember what a source answered."""
        self._write("answers", search, asdict(answers))

    def outcome(self, address: str) -> Outcome | None:
        """Return what came of an address, or ``None`` where it has not been tried."""
        record = self._read("outcome", address)
        return None if record is None else _outcome(record)

    def earlier_version(self, address: str) -> tuple[StoredImage, Validators] | None:
        """Return what another snapshot had of an address, if a server can compare it and its bytes are at hand.

        Of several snapshots it is the one with the latest date.
        """
        for snapshot, text in self._rows("outcome", address):
            if snapshot == self._snapshot or json.loads(snapshot)[0] != _VERSION:
                continue
            try:
                record = json.loads(text)
            except json.JSONDecodeError:
                continue
            image, validators = _outcome(record), Validators(**record.get("validators", {}))
            if isinstance(image, StoredImage) and (validators.etag or validators.modified) and self.images.holds(image):
                return image, validators
        return None

    def was_refused_now(self, address: str) -> bool:
        """Tell whether an address was refused in this run."""
        return _key("outcome", address) in self._refused

    def keep_outcome(self, address: str, outcome: Outcome, validators: Validators | None = None) -> None:
        """Remember what came of an address, and by what its server would tell another version."""
        record: dict[str, Any] = asdict(outcome)
        if isinstance(outcome, Refused):
            self._refused.add(_key("outcome", address))
        elif validators is not None:
            record["validators"] = asdict(validators)
        self._write("outcome", address, record)

    def product_page(self, name: str) -> tuple[str | None, str] | None:
        """Return the image on a product page, or why there is none; ``None`` where it was never read."""
        record = self._read("page", name)
        return None if record is None else (record["image"], record["why"])

    def keep_product_page(self, name: str, image: str | None, why: str) -> None:
        """Remember the image on a product page, or why there is none.

        Args:
            name: Its address, with all that decides how it is read.
            image: The address of the image.
            why: Why there is none.
        """
        self._write("page", name, {"image": image, "why": why})

    def _read(self, kind: str, name: str) -> Any:
        """Return a record of this snapshot; ``None`` where there is none, or one that a bad disk has damaged."""
        for snapshot, text in self._rows(kind, name):
            if snapshot == self._snapshot:
                with contextlib.suppress(json.JSONDecodeError):
                    return json.loads(text)
        return None

    def _rows(self, kind: str, name: str) -> list[tuple[str, str]]:
        """Return the records of all snapshots, the latest first."""
        statement = "SELECT snapshot, record FROM records WHERE key = ? ORDER BY snapshot DESC"
        return self._execute(statement, _key(kind, name))

    def _write(self, kind: str, name: str, record: dict[str, Any]) -> None:
        # A text from the web may hold half a surrogate pair, which only ASCII can carry.
        content = json.dumps(record, separators=(",", ":"))
        self._execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", _key(kind, name), self._snapshot, content)

    def _execute(self, statement: str, *values: bytes | str) -> list[Any]:
        with self._lock, self._storage_errors():
            return self._database.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise StorageError(
                f"{self._path} cannot be used: {error}",
                next="check the disk (df, ulimit -f) and the owner (ls -ld); if the file is damaged, delete "
                f"{self._path.parent} to fetch everything again; then: dvc repro scrape",
            ) from error


@contextlib.contextmanager
def hold_journal(params: ScrapeParams, scratch: Path) -> Iterator[Journal]:
    """Open the journal of a project, alone, cleaned of what killed processes left half-written.

    Where another process holds it, wait: what that one fetches need not be fetched again.

    Args:
        params: What its records depend on.
        scratch: The stage's scratch place.
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


def read_journal(params: ScrapeParams, scratch: Path) -> contextlib.AbstractContextManager[Journal | None]:
    """Open the journal of a project to look at, also while another process writes it; ``None`` where there is none."""
    folder = scratch / _FOLDER
    return Journal(folder, params) if (folder / _FILE).is_file() else contextlib.nullcontext()


def _outcome(record: dict[str, Any]) -> Outcome:
    if "reason" in record:
        return Refused(record["reason"], record["detail"])
    return StoredImage(record["id"], record["size"], record["format"])


def _key(kind: str, name: str) -> bytes:
    return hashlib.blake2b(f"{kind}\0{name}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
