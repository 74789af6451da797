"""The one pass over all images: each is decoded once, ever, and the results become one table."""

import contextlib
import importlib.metadata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from blake3 import blake3
from PIL import __version__ as pillow
from PIL import features

from pixmill.core.files.cache import Cache
from pixmill.core.manifest import TEXT
from pixmill.core.process.progress import Progress
from pixmill.core.provenance.results import digest_code
from pixmill.images import UndecodableError, read_verified
from pixmill.images.compute import Loss, RowLimits, map_batches
from pixmill.images.likeness.hashing import SIDE
from pixmill.images.measures import Measures, measure
from pixmill.images.verified_reading import Source, load_source

RECORD = np.dtype(
    [
        ("failure", "S24"),
        ("width", "<i4"),
        ("height", "<i4"),
        ("format", "S8"),
        ("mode", "S16"),
        ("pixels", "u1", 32),
        ("phash", "<u8"),
        ("brightness", "<f4"),
        ("contrast", "<f4"),
        ("sharpness", "<f4"),
        ("entropy", "<f4"),
        ("border", "<f4"),
        ("grey", "u1", (SIDE, SIDE)),
    ]
)
"""The fields of :class:`pixmill.images.measures.Measures`; ``failure`` is empty, or why all others are zero."""

_CHUNK = 512
"""Images that the cache is asked for at a time, and records that are written to it: what a kill may cost."""

_PASSING = {"missing_file", "changed_bytes", "not_a_file", "too_many_bytes", "no_decoder"}
"""What is not a matter of an image's bytes alone: another day may do better, so it is not kept."""

_PATIENCE = 10.0
"""Seconds that a write waits for another process to end its own."""

_DECODERS = ("jpg", "libjpeg_turbo", "jpg_2000", "zlib", "zlib_ng", "libtiff", "webp", "avif", "littlecms2")

_PLAIN = tuple(name for name in Measures._fields if name not in ("pixels", "grey"))
_REAL = ("brightness", "contrast", "sharpness", "entropy", "border")
_PANDAS = {pa.int32(): pd.Int32Dtype(), pa.large_string(): TEXT}


def pack(measures: Measures | str) -> bytes:
    """Return a record of measures, or of the reason why there are none."""
    record = np.zeros((), RECORD)
    if isinstance(measures, str):
        record["failure"] = measures
    else:
        for name in _PLAIN:
            record[name] = getattr(measures, name)
        record["pixels"] = np.frombuffer(bytes.fromhex(measures.pixels), np.uint8)
        record["grey"] = np.frombuffer(measures.grey, np.uint8).reshape(SIDE, SIDE)
    return record.tobytes()


@dataclass(frozen=True)
class Survey:
    """The measurements of all images, in the order in which they were given.

    Args:
        table: One row an image, with the columns of :data:`.VALIDATED` from ``width`` to ``border``,
            ``format`` by content, and ``failure``: absent, or the word for why all others are absent.
        hashes: Perceptual hashes, ``uint64`` of shape (n,); 0 where there is none.
        greys: Small greys, ``uint8`` of shape (n, 32, 32), not to be written to; black where there is none.
    """

    table: pd.DataFrame
    hashes: npt.NDArray[np.uint64]
    greys: npt.NDArray[np.uint8]


def tabulate(records: npt.NDArray[np.void]) -> Survey:
    """Make columns of records, of type :data:`RECORD`, absent where there was a failure."""
    absent = records["failure"] != b""
    width, height = records["width"], records["height"]
    ratio = (width / np.where(absent, 1, height)).astype(np.float32)
    numbers = {"width": width, "height": height, "short_side": np.minimum(width, height), "aspect_ratio": ratio}
    numbers |= {name: records[name] for name in _REAL}
    texts = {name: records[name] for name in ("format", "mode")}
    texts |= {"pixels": _hexadecimal(records["pixels"], 32), "phash": _hexadecimal(records["phash"].astype(">u8"), 8)}
    columns = {name: pa.array(np.ascontiguousarray(values), mask=absent) for name, values in numbers.items()}
    columns |= {name: _text(values, absent) for name, values in texts.items()}
    columns["failure"] = _text(records["failure"], ~absent)
    frame: pd.DataFrame = pa.table(columns).to_pandas(types_mapper=_PANDAS.get)
    return Survey(frame, records["phash"].copy(), records["grey"])


def _text(values: npt.NDArray[np.bytes_], absent: npt.NDArray[np.bool_]) -> pa.Array:
    return pa.array(np.ascontiguousarray(values), mask=absent).cast(pa.large_string())


def _hexadecimal(values: npt.NDArray[np.generic], size: int) -> npt.NDArray[np.bytes_]:
    """Return the digits of numbers or digests of a size in bytes."""
    return np.frombuffer(values.tobytes().hex().encode(), f"S{2 * size}")


@dataclass(frozen=True, slots=True)
class _Row:
    """An image that is looked at.

    Args:
        id: The sha256 of the bytes that it must have.
        file: The file.
        max_pixels: The most pixels that are decoded.
        known: Its record, where the cache has one.
    """

    id: str
    file: Source
    max_pixels: int
    known: bytes | None


def survey(
    rows: pd.DataFrame,
    folder: Path,
    *,
    max_pixels: int,
    limits: RowLimits | None = None,
    scratch: Path | None = None,
    workers: int | None = None,
) -> Survey:
    """Look at every image, or take from the cache what an earlier run has found of it.

    An image that fails is a row with a word, never an exception. Of every image the bytes are read and compared with
    the id; only those that the cache does not know are decoded. What is found is kept as the pass goes on, so that a
    killed run is taken up where it was; with the cache and without it, the outcome is the same. Memory grows by some
    1.5 KB an image.

    Args:
        rows: ``id`` (the sha256 of the bytes) and ``path`` of each image.
        folder: What the paths are relative to.
        max_pixels: The most pixels of an image that are decoded.
        limits: What looking at one image may take; default: anything.
        scratch: Where the cache may lie; default: no cache.
        workers: Processes; default: one a processor. 0 is this one, without limits only.
    """
    with contextlib.ExitStack() as opened:
        cache = None if scratch is None else opened.enter_context(_open_cache(scratch, max_pixels))
        lost = None if limits is None else _record_loss
        asked = _rows(rows, folder, max_pixels, cache)
        results = map_batches(_look, asked, workers=workers, limits=limits, lost=lost, carry=_carry)
        progress = opened.enter_context(Progress("Validate", len(rows)))
        records = np.empty(len(rows), RECORD)
        fresh: dict[bytes, bytes] = {}
        try:
            for place, (name, (record, lasting)) in enumerate(zip(rows["id"], results, strict=True)):
                records[place] = np.frombuffer(record, RECORD)[0]
                if lasting and cache is not None:
                    fresh[bytes.fromhex(name)] = record
                progress.advance()
                if cache is not None and len(fresh) >= _CHUNK:
                    cache.write(fresh)
                    fresh = {}
        finally:
            if cache is not None:
                cache.write(fresh)
    return tabulate(records)


def _rows(rows: pd.DataFrame, folder: Path, max_pixels: int, cache: Cache | None) -> Iterator[_Row]:
    """Yield what workers are asked."""
    for start in range(0, len(rows), _CHUNK):
        some = rows.iloc[start : start + _CHUNK]
        cached = {} if cache is None else cache.read([bytes.fromhex(name) for name in some["id"]])
        known = {name.hex(): record for name, record in cached.items() if len(record) == RECORD.itemsize}
        for name, path in zip(some["id"], some["path"], strict=True):
            yield _Row(name, folder / path, max_pixels, known.get(name))


def _carry(row: _Row) -> _Row:
    return replace(row, file=load_source(row.file)) if isinstance(row.file, Path) else row


def _look(rows: Sequence[_Row]) -> list[tuple[bytes, bool]]:
    """Look at some images: what :func:`pixmill.images.compute.map_batches` runs in workers."""
    return [_record(row) for row in rows]


def _record(row: _Row) -> tuple[bytes, bool]:
    """Return an image's record, and whether the cache should keep it."""
    try:
        if row.known is None:
            return pack(measure(row.file, row.id, max_pixels=row.max_pixels)), True
        read_verified(row.file, row.id)
    except UndecodableError as error:
        return pack(error.reason), error.reason not in _PASSING
    return row.known, False


def _record_loss(_: _Row, loss: Loss) -> tuple[bytes, bool]:
    return pack(loss), False


def _open_cache(folder: Path, max_pixels: int) -> Cache:
    """Return the cache of measures, and delete those that other code, decoders or limits have made.

    An image's measures depend on the code of the pass, the decoders' versions, and the limit of pixels; not on the
    limits of time and memory, since what is lost to them is never kept.

    Args:
        folder: Where caches lie.
        max_pixels: The most pixels that are decoded.
    """
    path = folder / f"measures-{_version(max_pixels)}.sqlite"

    def tidy() -> None:
        for other in folder.glob("measures-*.sqlite*"):
            if not other.name.startswith(path.name):
                other.unlink(missing_ok=True)

    return Cache(path, timeout=_PATIENCE, tidy=tidy)


def _version(max_pixels: int) -> str:
    parts = [f"pixels {max_pixels}", f"numpy {np.__version__}", f"pillow {pillow}"]
    parts += [f"{name} {features.version(name)}" for name in _DECODERS]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        parts.append(f"heif {importlib.metadata.version('pillow-heif')}")
    parts.append(digest_code("measures"))
    return blake3("\n".join(parts).encode()).hexdigest(length=16)
