"""Parquet of a revision, read within bounds: a megabyte of it can claim to be terabytes.

The footer tells rows, columns and their types; the headers of the pages tell what these unpack to, as Arrow will take
it, whatever the footer says. What is too much is refused before anything is unpacked.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pixmill.state.documents import MalformedError

Kind = Literal["key", "text", "text?", "number", "number?", "flag?"]
"""Of a column: ``key`` is a text that is never null, and not twice if it is ``id``; ``?`` may be absent."""

_TEXTS = ("key", "text", "text?")
_WORDS = {"number": "numbers", "flag": "true and false"}

_ROWS = 1_000_000
_COLUMNS = 12_000
"""More rows than anyone labels images, and more columns than params allow classes."""

_CHUNKS = 100_000
"""The most parts of columns."""

_BYTES = 512 << 20
"""The most bytes of a file, of its pages, and of its values."""

_FOOTER = 4 << 20
"""The most bytes of a footer, which Arrow holds as objects of a kilobyte each."""

_ENCODINGS = frozenset({0, 2, 3, 4, 8, 9})
"""Those of values that take no more memory than a page and its dictionary: not the deltas, where each value may repeat
the one before it."""


def read_table(content: bytes, columns: Mapping[str, Kind]) -> pd.DataFrame:
    """Return those columns of a table that are known; pandas' own metadata are ignored.

    Args:
        content: The file.
        columns: Kinds by name; ``p_*`` stands for all that begin so.

    Raises:
        MalformedError: It is no Parquet, too large, or columns are absent or of another kind.
    """
    if len(content) > _BYTES:
        raise MalformedError(f"is larger than {_BYTES >> 20} MiB")
    try:
        return _read(content, columns)
    except (ArithmeticError, LookupError, MemoryError, OSError, TypeError, ValueError, pa.ArrowException):
        raise MalformedError("is broken") from None


def _read(content: bytes, columns: Mapping[str, Kind]) -> pd.DataFrame:
    if content[-4:] == b"PAR1" and int.from_bytes(content[-8:-4], "little") > _FOOTER:
        raise MalformedError("has too many columns or parts")
    source = pa.BufferReader(content)
    footer = pq.read_metadata(source)
    if footer.num_columns * footer.num_row_groups > _CHUNKS:
        raise MalformedError("has too many columns or parts")
    rows = [max(0, footer.row_group(place).num_rows) for place in range(footer.num_row_groups)]
    if sum(rows) > _ROWS or footer.num_columns > _COLUMNS:
        raise MalformedError(f"has too many rows ({sum(rows):,}) or columns ({footer.num_columns:,})")
    groups = [place for place, count in enumerate(rows) if count]
    schema = footer.schema.to_arrow_schema()
    kinds = _kinds(schema, footer, columns)
    # A page of a dictionary may be tiny, whatever the column takes in memory.
    widths = (4 if kind in _TEXTS or schema.field(name).type == pa.float32() else 8 for name, kind in kinds.items())
    if sum(rows) * sum(widths) > _BYTES:
        raise MalformedError(f"holds more than {_BYTES >> 20} MiB")
    _check_pages(content, footer, groups, [place for place, name in enumerate(schema.names) if name in kinds])
    # The words of a dictionary are held once until it is known how much they are together.
    texts = [name for name, kind in kinds.items() if kind in _TEXTS]
    file = pq.ParquetFile(source, read_dictionary=texts)
    table = file.read_row_groups(groups, columns=list(kinds), use_threads=False).select(list(kinds))
    arrays = {name: _text(table[name]) if name in texts else _number(table[name]) for name in kinds}
    if sum(array.nbytes for array in arrays.values()) > _BYTES:
        raise MalformedError(f"holds more than {_BYTES >> 20} MiB")
    result = pa.table(arrays)
    result.validate(full=True)
    for name, kind in kinds.items():
        if kind == "key" and result[name].null_count:
            raise MalformedError(f"lacks values of {name}")
    if kinds.get("id") == "key" and len(pc.unique(result["id"])) < len(result):
        raise MalformedError("lists an image twice")
    frame: pd.DataFrame = result.to_pandas()
    return frame


def _kinds(schema: pa.Schema, footer: pq.FileMetaData, columns: Mapping[str, Kind]) -> dict[str, Kind]:
    """Return the kinds of those columns that are there, in the file's order."""
    kinds = {name: columns.get(name) or columns.get("p_*" if name.startswith("p_") else "") for name in schema.names}
    found = {name: kind for name, kind in kinds.items() if kind}
    if lacking := sorted(
        name for name, kind in columns.items() if not kind.endswith("?") and name not in (*found, "p_*")
    ):
        raise MalformedError(f"lacks {', '.join(lacking)}")
    if len(kinds) < len(schema.names) or footer.num_columns != len(schema.names):
        raise MalformedError("has columns twice or nested")
    for name, kind in found.items():
        leaf, type_ = footer.schema.column(schema.names.index(name)), schema.field(name).type
        if pa.types.is_dictionary(type_):
            type_ = type_.value_type
        text = pa.types.is_string(type_) or pa.types.is_large_string(type_)
        fits = pa.types.is_null(type_) or {
            "number": pa.types.is_integer(type_) or pa.types.is_floating(type_),
            "flag": pa.types.is_boolean(type_),
        }.get(kind.removesuffix("?"), text)
        if not fits or leaf.max_repetition_level or leaf.max_definition_level > 1:
            raise MalformedError(f"has {type_} in {name[:60]}, not {_WORDS.get(kind.removesuffix('?'), 'texts')}")
    return found


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    size = 0
    for chunk in column.chunks if pa.types.is_dictionary(column.type) else ():
        lengths = pc.binary_length(chunk.dictionary)
        size += pc.sum(lengths.take(chunk.indices)).as_py() or 0
        if size > _BYTES:
            raise MalformedError(f"holds more than {_BYTES >> 20} MiB")
    return column.cast(pa.string())


def _number(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the column with what no ``float32`` holds as infinite."""
    if pa.types.is_integer(column.type) or pa.types.is_null(column.type):
        column = column.cast(pa.float64(), safe=False)
    if pa.types.is_float64(column.type):
        most = float("3.4e38")
        over = pc.greater(pc.abs(column), most)
        column = pc.if_else(over, pc.multiply(pc.sign(column), float("inf")), column)
    return column


def _check_pages(content: bytes, footer: pq.FileMetaData, groups: list[int], columns: list[int]) -> None:
    """Refuse pages that would unpack to too much, or to more values than there are rows."""
    total = 0
    for group in map(footer.row_group, groups):
        for chunk in map(group.column, columns):
            if chunk.num_values != group.num_rows or chunk.file_path:
                raise ValueError("values that are no rows, or elsewhere")
            for page in _pages(content, chunk):
                unpacked, header = page[2], page.get(5) or page.get(7) or page.get(8) or {}
                values, encoding = header.get(1, 0), header.get(4 if 8 in page else 2)
                most = unpacked if 7 in page else chunk.num_values
                if encoding not in _ENCODINGS or not 0 <= values <= most or unpacked < 0:
                    raise ValueError("pages that are not what they seem")
                total += unpacked
                if total > _BYTES:
                    raise MalformedError(f"holds more than {_BYTES >> 20} MiB")


def _pages(content: bytes, chunk: pq.ColumnChunkMetaData) -> Iterator[dict[int, Any]]:
    """Yield the headers of a column's pages, by the numbers of their fields in ``parquet.thrift``."""
    at = chunk.data_page_offset
    if chunk.dictionary_page_offset is not None and 0 < chunk.dictionary_page_offset < at:
        at = chunk.dictionary_page_offset
    end = at + chunk.total_compressed_size
    if not 0 < at <= end <= len(content):
        raise ValueError("a column beyond the file")
    while at < end:
        header, at = _struct(content, at)
        if header[3] < 0:
            raise ValueError("a page of negative size")
        at += header[3]
        yield header


def _struct(content: bytes, at: int, depth: int = 0) -> tuple[dict[int, Any], int]:
    """Return a struct in Thrift's compact protocol, without its texts, and the place behind it."""
    fields: dict[int, Any] = {}
    number = 0
    while kind := content[at]:
        at += 1
        if kind >> 4:
            number += kind >> 4
        else:
            number, at = _integer(content, at)
        match kind & 15:
            case 1 | 2:
                pass
            case 3:
                at += 1
            case 4 | 5 | 6:
                fields[number], at = _integer(content, at)
            case 7:
                at += 8
            case 8:
                length, at = _varint(content, at)
                at += length
            case 12 if depth < 4:
                fields[number], at = _struct(content, at, depth + 1)
            case _:
                raise ValueError("a field that no page has")
    return fields, at + 1


def _integer(content: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(content, at)
    return (value >> 1) ^ -(value & 1), at


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        value |= (content[at] & 127) << shift
        at += 1
        if content[at - 1] < 128:
            return value, at
    raise ValueError("a number that never ends")
