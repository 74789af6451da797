"""Tables of people's own: CSV or Parquet with an address and a label a row."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pixmill.errors import DataError
from pixmill.scrape.sources.urls.entry import Entry, hexadecimal_md5
from pixmill.scrape.sources.urls.kind import first_line

__all__ = ["read_table"]

_NEEDED = ("url", "label")
_FURTHER = ("page_url", "title", "licence", "author", "bytes", "md5", "split")
_COLUMNS = (*_NEEDED, *_FURTHER)
_SPELLINGS = {"license": "licence"}
_SPLITS = {"train": "train", "val": "val", "validation": "val", "test": "test"}
_ROWS = 10_000

Row = tuple[Any, ...]


def read_table(path: Path) -> Iterator[tuple[str | None, Entry]]:
    """Yield the label of each row, or ``None`` where it is empty, and its entry.

    Args:
        path: A CSV file (with tabs, where its first line has any) or a Parquet file. Its columns: ``url`` and
            ``label``, and those of ``page_url, title, licence, author, bytes, md5, split`` that it has.

    Raises:
        DataError: A column is missing, or a row is not what it must be.
    """
    rows = _parquet_rows if path.suffix == ".parquet" else _csv_rows
    for where, (url, label, page_url, title, licence, author, size, md5, split) in rows(path):
        yield (
            label,
            Entry(
                url,
                None,
                page_url,
                title,
                licence,
                author,
                None if size is None else _size(path, where, size),
                None if md5 is None else _md5(path, where, md5),
                None if split is None else _split(path, where, split),
            ),
        )


def _csv_rows(path: Path) -> Iterator[tuple[str, Row]]:
    header = first_line(path)
    delimiter = "\t" if "\t" in header else ","
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        reader = csv.reader(stream, delimiter=delimiter)
        try:
            names = next(names for names in reader if names)
            picks = _picks(path, names)
            for row in reader:
                where = f"line {reader.line_num}"
                if len(row) == len(names):
                    yield where, tuple(row[pick].strip() or None if pick >= 0 else None for pick in picks)
                elif row:
                    raise _wrong(path, where, f"expected {len(names)} fields, received {len(row)}")
        except csv.Error as error:
            raise _wrong(path, f"line {reader.line_num}", str(error)) from error


def _parquet_rows(path: Path) -> Iterator[tuple[str, Row]]:
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            picks = _picks(path, names)
            columns = [names[pick] for pick in picks if pick >= 0]
            number = 0
            for batch in file.iter_batches(_ROWS, columns=columns):
                values = {name: batch.column(name).to_pylist() for name in columns}
                empty = [None] * batch.num_rows
                for row in zip(*(values[names[pick]] if pick >= 0 else empty for pick in picks), strict=True):
                    number += 1
                    yield f"row {number}", tuple(_text(value) for value in row)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}", next="write it anew") from error


def _picks(path: Path, names: Sequence[str]) -> list[int]:
    """Return the place of each column that is read, or -1 where it is missing."""
    places = {_SPELLINGS.get(name, name): place for place, name in enumerate(name.strip().lower() for name in names)}
    for needed in _NEEDED:
        if needed not in places:
            raise DataError(
                f"{path} has no column '{needed}', but {', '.join(names)}",
                next=f"name the column with the {'addresses' if needed == 'url' else 'labels'} '{needed}'",
            )
    return [places.get(name, -1) for name in _COLUMNS]


def _text(value: object) -> str | None:
    """Return a Parquet value as a CSV file has it: nullable numbers come as floats."""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else None if value != value else str(value)
    return None if value is None else str(value).strip() or None


def _size(path: Path, where: str, text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    raise _wrong(path, where, f"bytes: expected a whole number, received {text!r}")


def _md5(path: Path, where: str, text: str) -> str:
    if md5 := hexadecimal_md5(text):
        return md5
    raise _wrong(path, where, f"md5: expected 32 hexadecimal digits, received {text!r}")


def _split(path: Path, where: str, text: str) -> str:
    if split := _SPLITS.get(text.lower()):
        return split
    raise _wrong(path, where, f"split: expected one of train, val, test, received {text!r}")


def _wrong(path: Path, where: str, what: str) -> DataError:
    return DataError(f"{path}, {where}: {what}", next="mend that row")
