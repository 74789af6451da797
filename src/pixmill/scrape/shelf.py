"""The scratch folder that belongs to one journal: held while in use, and removed when others need its place."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import filelock

from pixmill.files import remove_temporary
from pixmill.params import ScrapeParams

__all__ = ["JOURNAL", "KEPT_BYTES", "earlier_shelf", "journal_key", "journal_path", "shelf"]

KEPT_BYTES = 4_000_000_000
"""How much the folders of other journals may hold together before the oldest go."""

JOURNAL = "journal.jsonl"
"""The journal's file in its folder."""

_VERSION = 4
"""Part of the key: goes up when an old journal would mislead this code."""

_KEY = re.compile(r"[0-9a-f]{32}")


def journal_key(params: ScrapeParams) -> str:
    """Return the name of all that every record of a journal depends on.

    Sources, queries and what they were limited to are in the records themselves, so that one more class, or source,
    visits no other again.
    """
    content = [_VERSION, params.snapshot, params.max_bytes]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def journal_path(scratch: Path, params: ScrapeParams) -> Path:
    """Return where the journal of a scrape lies, or would."""
    return scratch / journal_key(params) / JOURNAL


@contextlib.contextmanager
def shelf(scratch: Path, key: str, *, kept_bytes: int = KEPT_BYTES) -> Iterator[Path]:
    """Hold the folder of a journal alone, and clean it of what killed processes left half-written.

    Where another process holds it, wait: that one is doing the same work, and will have done it.

    Args:
        scratch: The stage's scratch place.
        key: The content key, 32 hexadecimal digits.
        kept_bytes: How much the other folders may hold together.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    folder = scratch / key
    lock = _lock(scratch, key)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        print("scrape: another run is scraping the same; waiting for it", file=sys.stderr, flush=True)  # noqa: T201
        lock.acquire()
    try:
        folder.mkdir(exist_ok=True)
        os.utime(folder)  # when it was last of use
        remove_temporary(folder)
        _make_room(scratch, key, kept_bytes)
        yield folder
    finally:
        lock.release()


def earlier_shelf(scratch: Path, key: str) -> Path | None:
    """Return the folder of the journal that was used last beside the one with this key."""
    others = [path for path in _folders(scratch) if path.name != key and (path / JOURNAL).is_file()]
    return max(others, key=lambda path: (path.stat().st_mtime, path.name), default=None)


def _folders(scratch: Path) -> list[Path]:
    return [path for path in scratch.iterdir() if path.is_dir() and _KEY.fullmatch(path.name)]


def _lock(scratch: Path, key: str) -> filelock.BaseFileLock:
    # Beside the folder, never in it: a lock that is removed with its folder holds nobody off.
    return filelock.FileLock(scratch / f"{key}.lock")


def _make_room(scratch: Path, own: str, kept_bytes: int) -> None:
    """Remove folders of other journals, least recently used first, until the rest is small enough."""
    others = [path for path in _folders(scratch) if path.name != own]
    kept = 0
    for folder in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True):
        kept += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if kept > kept_bytes:
            _remove(scratch, folder)


def _remove(scratch: Path, folder: Path) -> None:
    lock = _lock(scratch, folder.name)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return  # in use
    try:
        shutil.rmtree(folder)
    finally:
        lock.release()
