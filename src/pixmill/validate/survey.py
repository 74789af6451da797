"""Measure all images in one pass, with a cache: each image is decoded once."""

import contextlib
import importlib.metadata
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from pixmill.images.compute import RowLimits, map_batches
from pixmill.images.depth import Window, find_window
from pixmill.images.likeness.hashing import perceptual_hashes
from pixmill.images.records import RECORD, ImageTask, Records, measure_batch, pack
from pixmill.images.verified_reading import load_source
from pixmill.validate.sightings import Flags

_CHUNK = 512
"""Images per read and write of the cache; a killed run loses at most so many measurements."""

_LOCK_TIMEOUT_SECONDS = 10.0
"""Maximum wait of a cache write for that of another process."""

_DECODERS = (
    "jpg",
    "libjpeg_turbo",
    "jpg_2000",
    "zlib",
    "zlib_ng",
    "libtiff",
    "webp",
    "avif",
    "littlecms2",
)

_COLUMNS = (
    "width",
    "height",
    "format",
    "mode",
    "pixels",
    "brightness",
    "contrast",
    "sharpness",
    "entropy",
    "border",
    "unused",
)
_PANDAS = {pa.int32(): pd.Int32Dtype(), pa.large_string(): TEXT}


@dataclass(frozen=True)
class Survey:
    """Measurements of all images in the given order.

    Args:
        table: One row per image, with the columns of :data:`.VALIDATED` from ``width`` to
            ``border``, ``format`` by content, and ``failure``: null, or the reason why the other
            columns are null.
        greys: Small greyscale versions, read-only ``uint8`` of shape (n, 32, 32); black for
            failures.
        values: For each image of more than 8 bits, see :func:`pixmill.images.depth.measure_values`;
            ``float32``.
        window: The window of these images; ``None`` without such images.
    """

    table: pd.DataFrame
    greys: npt.NDArray[np.uint8]
    values: npt.NDArray[np.float32]
    window: Window | None


def _tabulate(records: Records, deep: Flags) -> Survey:
    """Convert records to columns; values of failures are null.

    Args:
        records: Records of type :data:`RECORD`.
        deep: Mask of the images of more than 8 bits that share a window.
    """
    absent = records["failure"] != b""
    # Here, since one by one they take ten times as long.
    parts = np.array_split(records["grey"], 1 + len(records) // _CHUNK)
    hashes = np.concatenate([perceptual_hashes(some) for some in parts])
    width = records["width"]
    height = records["height"]
    columns = {name: records[name] for name in _COLUMNS}
    columns["short_side"] = np.minimum(width, height)
    columns["aspect_ratio"] = (width / np.where(absent, 1, height)).astype(np.float32)
    columns["phash"] = np.frombuffer(hashes.astype(">u8").tobytes().hex().encode(), "S16")
    arrays = {name: _column(values, absent) for name, values in columns.items()}
    arrays["failure"] = _column(records["failure"], ~absent)
    frame: pd.DataFrame = pa.table(arrays).to_pandas(types_mapper=_PANDAS.get)
    shared = records[deep]
    window = tuple(
        int(value) if value.is_integer() else value
        for value in shared["window"][:1].ravel().tolist()
    )
    return Survey(frame, records["grey"], shared["values"], window or None)


def _column(values: npt.NDArray[Any], absent: Flags) -> pa.Array:
    column = pa.array(np.ascontiguousarray(values), mask=absent)
    return column.cast(pa.large_string()) if values.dtype.kind == "S" else column


def survey(
    rows: pd.DataFrame,
    folder: Path,
    *,
    max_pixels: int,
    window: Window | None = None,
    limits: RowLimits | None = None,
    scratch: Path | None = None,
    workers: int | None = None,
    labelled: Flags | None = None,
) -> Survey:
    """Measure every image, or read its measurements from the cache.

    A failure is a row with a reason, never an exception. The bytes of every image are read and
    compared with the id; only images that are not in the cache are decoded. The cache is written
    during the pass, so a killed run continues where it stopped. Results are the same without a
    cache. The records, 1.3 KB per image, are in a temporary file beside the cache, so the system can
    free their memory.

    If images of more than 8 bits need another window than each alone, they are decoded a second
    time.

    Args:
        rows: ``id`` (SHA-256 of the bytes) and ``path`` of each image.
        folder: Base folder of the paths.
        max_pixels: Maximum pixels; larger images are not decoded.
        window: Values that become black and white in images of more than 8 bits; default: found
            from all of them.
        limits: Limits per image; default: none.
        scratch: Folder of the cache; default: no cache.
        workers: Number of processes; default: one per CPU. ``0``: this process, which requires
            ``limits=None``.
        labelled: Mask of the images that decide the window, which others only follow; default: all.
    """
    with contextlib.ExitStack() as opened:
        cache = None if scratch is None else opened.enter_context(_open_cache(scratch, max_pixels))

        def run(rows: pd.DataFrame, window: Window | None) -> Records:
            tasks = _rows(rows, folder, max_pixels, window, cache)
            lost = None if limits is None else lambda _, loss: (pack(loss), False)
            results = map_batches(
                measure_batch, tasks, workers=workers, limits=limits, lost=lost, carry=_carry
            )
            return _collect(rows["id"], results, cache, scratch)

        records = run(rows, window)
        deep = np.asarray(records["window"].any(axis=1))
        deciding = deep if labelled is None else deep & labelled
        if window is None and deciding.any():
            window = find_window(records["values"][deciding])
        if window is not None:
            others = np.flatnonzero(deep & (records["window"] != window).any(axis=1))
            if len(others):
                records[others] = run(rows.iloc[others], window)
    return _tabulate(records, deciding)


def _collect(
    names: pd.Series,
    results: Iterator[tuple[bytes, bool]],
    cache: Cache | None,
    scratch: Path | None,
) -> Records:
    """Return the records of images from a temporary file, and write them to cache."""
    fresh: dict[bytes, bytes] = {}
    with (
        tempfile.TemporaryFile(dir=scratch) as file,
        Progress("Validate", len(names)) as progress,
    ):
        try:
            for name, (record, lasting) in zip(names, results, strict=True):
                file.write(record)
                if lasting and cache is not None:
                    fresh[bytes.fromhex(name)] = record
                progress.advance()
                if cache is not None and len(fresh) >= _CHUNK:
                    cache.write(fresh)
                    fresh = {}
        finally:
            if cache is not None:
                cache.write(fresh)
        file.flush()
        # Copy on write, since the window may change some records.
        return np.memmap(file, RECORD, "c") if len(names) else np.empty(0, RECORD)


def _rows(
    rows: pd.DataFrame, folder: Path, max_pixels: int, window: Window | None, cache: Cache | None
) -> Iterator[ImageTask]:
    """Yield the tasks of the workers."""
    for start in range(0, len(rows), _CHUNK):
        some = rows.iloc[start : start + _CHUNK]
        cached = {} if cache is None else cache.read([bytes.fromhex(name) for name in some["id"]])
        known = {name.hex(): record for name, record in cached.items() if _suits(record, window)}
        for name, path in zip(some["id"], some["path"], strict=True):
            yield ImageTask(name, folder / path, max_pixels, window, known.get(name))


def _suits(record: bytes, window: Window | None) -> bool:
    """Return whether a record is intact and, above 8 bits, of the given window."""
    if len(record) != RECORD.itemsize:
        return False
    used = tuple(np.frombuffer(record, RECORD)["window"][0].tolist())
    return window is None or used in (window, (0, 0))


def _carry(row: ImageTask) -> ImageTask:
    return row._replace(file=load_source(row.file)) if isinstance(row.file, Path) else row


def _open_cache(folder: Path, max_pixels: int) -> Cache:
    """Open the cache of measures, and delete outdated ones.

    Measures depend on the code, the versions of the decoders, and ``max_pixels``, but not on the
    limits of time and memory, because exceeded limits are not cached.

    Args:
        folder: Folder of the caches.
        max_pixels: Maximum pixels.
    """
    path = folder / f"measures-{_version(max_pixels)}.sqlite"

    def tidy() -> None:
        for other in folder.glob("measures-*.sqlite*"):
            if not other.name.startswith(path.name):
                other.unlink(missing_ok=True)

    return Cache(path, timeout=_LOCK_TIMEOUT_SECONDS, tidy=tidy)


def _version(max_pixels: int) -> str:
    parts = [f"pixels {max_pixels}", f"numpy {np.__version__}", f"pillow {pillow}"]
    parts += [f"{name} {features.version(name)}" for name in _DECODERS]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        parts.append(f"heif {importlib.metadata.version('pillow-heif')}")
    parts.append(digest_code("measures"))
    return blake3("\n".join(parts).encode()).hexdigest(length=16)
