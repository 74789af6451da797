"""The one pass over all pictures: each is decoded once, ever, and what is found of them becomes one table."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pixmill.compute import Limits, Loss, map_batches
from pixmill.images import Undecodable, read_verified
from pixmill.progress import Progress
from pixmill.validate.cache import Cache, version
from pixmill.validate.measures import Failure, Picture, measure
from pixmill.validate.record import failure, pack
from pixmill.validate.surveyed import Surveyed, gather

__all__ = ["survey"]

_CHUNK = 512
"""Pictures that the cache is asked for at a time, and the most that it is told of."""

_SECONDS = 2.0
"""Time after which it is told of fewer: what a kill may cost."""

_AS_KNOWN = b""
"""Stands for the record that the cache has: the file is there, and is what it was."""

_PASSING = {
    *("missing_file", "changed_bytes", "not_a_file", "too_many_bytes", "no_decoder"),
    *("timeout", "memory", "crashed"),
}
"""What is not a matter of a picture's bytes alone: another day may do better, so it is not kept."""


class _Row(NamedTuple):
    picture: Picture
    known: bool


def survey(
    rows: pd.DataFrame,
    folder: Path,
    *,
    max_pixels: int,
    limits: Limits | None = None,
    scratch: Path | None = None,
    workers: int | None = None,
) -> Surveyed:
    """Look at every picture, or take from the cache what an earlier run has found of it.

    A picture that fails is a row with a word, never an exception. Of every picture the bytes are read and compared with
    the id; only those that the cache does not know are decoded. What is found is kept as the pass goes on, so that a
    killed run is taken up where it was; with the cache and without it, the outcome is the same. Memory grows by some
    0.4 KB a picture.

    Args:
        rows: ``id`` (the sha256 of the bytes) and ``path`` of each picture.
        folder: What the paths are relative to.
        max_pixels: The most pixels of a picture that are decoded.
        limits: What looking at one picture may take; default: anything.
        scratch: Where the cache and a file of greys may lie; default: no cache, and all greys in memory.
        workers: Processes; default: one a processor. 0 is this one, without limits only.
    """
    with ExitStack() as opened:
        cache = None if scratch is None else opened.enter_context(Cache(scratch, version(max_pixels)))
        asked: deque[tuple[str, bytes | None]] = deque()
        results = map_batches(
            _look,
            _rows(rows, folder, max_pixels, cache, asked),
            workers=workers,
            limits=limits,
            lost=None if limits is None else _lost,
        )
        progress = opened.enter_context(Progress("Look at", len(rows)))
        records = opened.enter_context(closing(_records(results, asked, cache, progress)))
        return gather(records, len(rows), scratch)


def _rows(
    rows: pd.DataFrame, folder: Path, max_pixels: int, cache: Cache | None, asked: deque[tuple[str, bytes | None]]
) -> Iterator[_Row]:
    """Yield what workers are asked, and note what was asked of them and is known already."""
    for start in range(0, len(rows), _CHUNK):
        some = rows.iloc[start : start + _CHUNK]
        known = {} if cache is None else cache.read(some["id"].tolist())
        for name, path in zip(some["id"], some["path"], strict=True):
            asked.append((name, known.get(name)))
            yield _Row(Picture(name, folder / path, max_pixels), name in known)


def _records(
    results: Iterable[bytes], asked: deque[tuple[str, bytes | None]], cache: Cache | None, progress: Progress
) -> Generator[bytes]:
    """Yield a record a picture, and keep those that are new."""
    known, fresh, since = 0, {}, time.monotonic()
    try:
        for result in results:
            name, kept = asked.popleft()
            if result != _AS_KNOWN:
                if cache is not None and failure(result) not in _PASSING:
                    fresh[name] = result
                yield result
            else:
                assert kept is not None
                known += 1
                yield kept
            progress.advance(note=f"{known:,} known from before" if known else "")
            if cache is not None and (len(fresh) >= _CHUNK or time.monotonic() - since > _SECONDS):
                cache.write(fresh)
                fresh, since = {}, time.monotonic()
    finally:
        if cache is not None:
            cache.write(fresh)


def _look(rows: Sequence[_Row]) -> list[bytes]:
    """Look at some pictures: what :func:`pixmill.compute.map_batches` runs in workers."""
    return [_record(row) for row in rows]


def _record(row: _Row) -> bytes:
    if not row.known:
        return pack(measure(row.picture))
    try:
        read_verified(row.picture.path, row.picture.id)
    except Undecodable as error:
        return pack(Failure(error.reason))
    return _AS_KNOWN


def _lost(_: _Row, loss: Loss) -> bytes:
    return pack(Failure(loss))
