"""Open Images: the image lists, the labels and the names of labels, as they are published.

Format: storage.googleapis.com/openimages/web/download_v7.html. The image lists have had the same columns since the
second version; the fourth added ``Rotation``, which is not read.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from pixmill.errors import DataError
from pixmill.scrape.sources.urls.entry import Entry, hexadecimal_md5
from pixmill.scrape.sources.urls.meaning import Wanted

__all__ = ["Members", "find_members", "read_images", "read_names"]

Ids: TypeAlias = npt.NDArray[np.uint64]
Rows: TypeAlias = npt.NDArray[np.int64]
Members = Mapping[str, Ids]
"""The ids of a class's images, sorted; an id is 16 hexadecimal digits, 8 bytes."""

_BLOCK = 1 << 20
_LABELS = ("ImageID", "LabelName", "Confidence")
_IMAGES = (
    "ImageID", "OriginalURL", "Thumbnail300KURL", "OriginalLandingURL", "Title", "License", "Author", "OriginalSize",
    "OriginalMD5",
)  # fmt: skip


def read_names(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each name of a label, in small letters, with the label; a header is passed over."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        for row in csv.reader(stream):
            if len(row) == 2 and row[0].startswith("/"):
                yield row[1].strip().casefold(), row[0]


def find_members(paths: Sequence[Path], wanted: Wanted) -> Members:
    """Return the images that surely show a class.

    Taken are labels with confidence 1, of people or of boxes. What people have looked for and not found (their
    confidence 0) is never taken, whatever another list says.

    Args:
        paths: The lists of labels, or of boxes.
        wanted: The classes that each label stands for.

    Raises:
        DataError: A list is not what it must be.
    """
    present: dict[str, list[Ids]] = {label: [] for label in wanted}
    absent: dict[str, list[Ids]] = {label: [] for label in wanted}
    looked_for = pa.array([label.encode() for label in wanted], pa.binary())
    for path in paths:
        for batch in _batches(path, (*_LABELS, "Source"), {"Confidence": pa.float64()}, needed=_LABELS):
            batch = batch.filter(pc.is_in(batch["LabelName"], value_set=looked_for))
            ids = _ids(path, batch["ImageID"])
            labels = np.array([label.decode() for label in batch["LabelName"].to_pylist()], dtype=object)
            sure = batch["Confidence"].to_numpy(zero_copy_only=False)
            by_people = _not_by_machine(batch)
            for label in set(labels):
                here = labels == label
                present[label].append(ids[here & (sure == 1)])
                absent[label].append(ids[here & (sure == 0) & by_people])
    members: dict[str, Ids] = {}
    for label, classes in wanted.items():
        shown = np.setdiff1d(_joined(present[label]), _joined(absent[label]))
        for name in classes:
            members[name] = np.union1d(members.get(name, _joined([])), shown)
    return members


def read_images(path: Path, members: Members) -> Iterator[tuple[str, Entry]]:
    """Yield the entries of an image list, each once for every class that it shows.

    Raises:
        DataError: The list is not what it must be.
    """
    for batch in _batches(path, _IMAGES, {}, needed=_IMAGES[:2]):
        ids = _ids(path, batch["ImageID"])
        shows = {label: np.isin(ids, shown) for label, shown in members.items()}
        rows: Rows = np.flatnonzero(np.logical_or.reduce(list(shows.values()))).astype(np.int64)
        columns = {name: _texts(batch, name, rows) for name in _IMAGES[1:]}
        for row, values in zip(rows, zip(*columns.values(), strict=True), strict=True):
            entry = _entry(*values)
            for label, here in shows.items():
                if here[row]:
                    yield label, entry


def _entry(
    url: str | None,
    thumbnail_url: str | None,
    page_url: str | None,
    title: str | None,
    licence: str | None,
    author: str | None,
    size: str | None,
    md5: str | None,
) -> Entry:
    promised = int(size) if size and size.isascii() and size.isdigit() else None
    return Entry(url, thumbnail_url, page_url, title, licence, author, promised, hexadecimal_md5(md5 or ""))


def _batches(
    path: Path, columns: Sequence[str], types: Mapping[str, pa.DataType], *, needed: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Yield those of some columns that a CSV file has, as bytes where no other type is given."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        header, *rest = itertools.islice(csv.reader(stream), 2)
    if missing := [name for name in needed if name not in header]:
        raise DataError(f"{path} has no column '{missing[0]}', but {', '.join(header)}", next="download the list again")
    if not rest:
        return  # a header alone is an error to Arrow
    options = pcsv.ConvertOptions(
        include_columns=[name for name in columns if name in header],
        column_types={name: types.get(name, pa.binary()) for name in columns},
    )
    try:
        with pcsv.open_csv(
            path,
            read_options=pcsv.ReadOptions(block_size=_BLOCK),
            parse_options=pcsv.ParseOptions(newlines_in_values=True),
            convert_options=options,
        ) as reader:
            yield from reader
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read: {error}", next="download the list again") from error


def _ids(path: Path, column: pa.Array) -> Ids:
    texts = column.to_pylist()
    try:
        ids = np.frombuffer(bytes.fromhex(b"".join(texts).decode()), ">u8").astype(np.uint64)
    except ValueError:
        ids = np.empty(0, np.uint64)
    if len(ids) != len(texts) or any(len(text) != 16 for text in texts):
        odd = next((text for text in texts if len(text) != 16), texts[0] if texts else b"")
        raise DataError(f"{path}: expected an ImageID of 16 hexadecimal digits, received {odd.decode('latin-1')!r}")
    return ids


def _not_by_machine(batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
    if "Source" not in batch.schema.names:
        return np.ones(batch.num_rows, bool)
    return np.array([source != b"machine" for source in batch["Source"].to_pylist()], dtype=bool)


def _texts(batch: pa.RecordBatch, name: str, rows: Rows) -> list[str | None]:
    if name not in batch.schema.names:
        return [None] * len(rows)
    values = batch[name].take(pa.array(rows)).to_pylist()
    return [(value or b"").decode("utf-8", "replace").strip() or None for value in values]


def _joined(parts: Sequence[Ids]) -> Ids:
    return np.unique(np.concatenate([np.empty(0, np.uint64), *parts]))
