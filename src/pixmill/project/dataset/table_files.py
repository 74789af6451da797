"""Read tables of people and tools as columns of text: CSV and its kin, JSON, Parquet, Label Studio's exports."""

import csv
import io
import json
import sys
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixmill.core.errors import DataError

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
"""Endings of tables, in lower case."""

SEPARATOR = "\n"
"""Joins the values of a cell that has several; no label has line ends."""

_BATCH_ROWS = 64
"""Images of Parquet in memory."""


@dataclass(frozen=True)
class Table:
    """A table of text.

    Args:
        path: The file.
        columns: Cells by name of the column; all columns have the same length, and empty cells are empty.
        sure: Columns by role, where the format defines them; ``image`` is not in ``columns`` if it has images as bytes.
        kind: What the file is, such as ``a table``.
    """

    path: Path
    columns: Mapping[str, list[str]]
    sure: Mapping[str, str] = field(default_factory=dict)
    kind: str = "a table"


def read_table(path: Path) -> Table:
    """Read a table, except for images in it.

    Args:
        path: A file with one of :data:`SUFFIXES`.

    Raises:
        DataError: It cannot be read, or is not a table.
    """
    try:
        return _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_text(path)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table: {error}", next="save it as CSV") from None


def _read_text(path: Path) -> Table:
    content = path.read_bytes()
    try:
        text = content.decode("utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252")  # of Excel in Western Europe and America
    rows: list[dict[str, Any]]
    match path.suffix.lower():
        case ".json":
            rows = json.loads(text)
        case ".jsonl" | ".ndjson":
            rows = [json.loads(line) for line in text.split("\n") if line.strip()]
        case _:
            head = text.partition("\n")[0]
            delimiter = max(",;\t|", key=lambda sign: len(next(csv.reader([head], delimiter=sign), ())))
            lines = io.StringIO(text, newline="")
            reader = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True, restkey="", restval="")
            rows = [row for row in reader if any(row.values())]
    if not isinstance(rows, list):
        raise TypeError("no list of objects")
    if rows and {"data", "annotations"} <= rows[0].keys():
        return _read_label_studio(path, rows)
    return Table(path, _to_columns(rows))


def _read_label_studio(path: Path, tasks: Sequence[Mapping[str, Any]]) -> Table:
    """Return a row for each annotation, whose choices are empty if it was skipped."""
    rows: list[dict[str, Any]] = []
    questions: set[str] = set()
    for task in tasks:
        for annotation in task["annotations"] or [{"result": []}]:
            results = [] if annotation.get("was_cancelled") else annotation["result"]
            chosen = {each["from_name"]: each["value"] for each in results if each["type"] == "choices"}
            rows.append(task["data"] | chosen)
            questions |= chosen.keys()
    sure = {"label": questions.pop()} if len(questions) == 1 else {}
    return Table(path, _to_columns(rows), sure, "an export of Label Studio")


def _to_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [_to_text(row.get(name)) for row in rows] for name in names}


def _to_text(value: Any) -> str:
    match value:
        case {"choices": choices}:  # of Label Studio
            return _to_text(choices)
        case list():
            return SEPARATOR.join(filter(None, map(_to_text, value)))
        case float() if value.is_integer():  # of pandas, where some rows have no value
            return str(int(value))
    is_missing = value is None or value != value
    return "" if is_missing else sys.intern(" ".join(str(value).splitlines()).strip())  # most values repeat


def _read_parquet(path: Path) -> Table:
    """Read all columns without bytes, with the class names that Hugging Face's ``datasets`` keeps in the schema."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        images = [item.name for item in schema if _has_bytes(item.type)]
        names = [name for name in schema.names if name not in images]
        columns = {name: [*map(_to_text, file.read([name])[name].to_pylist())] for name in names}
    features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    sure = {"image": min(images, key=lambda name: name not in ("image", "img"))} if images else {}
    for name in names:
        match features.get(name):
            case {"_type": "ClassLabel", "names": classes}:
                labels = {str(number): label.strip() for number, label in enumerate(classes)}
                columns[name] = [labels.get(cell, "") for cell in columns[name]]
                sure["label"] = name
    return Table(path, columns, sure, "Parquet with images" if images else "a table")


def _has_bytes(kind: Any) -> bool:
    """Return whether a column of a type of pyarrow holds bytes, or structs of bytes and their path."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _has_bytes(kind.field("bytes").type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def embedded_images(path: Path, column: str) -> Iterator[tuple[bytes | None, str]]:
    """Yield the bytes of each image in Parquet, and its path, which is empty if there is none.

    Only a page of the file and a few images are in memory.

    Args:
        path: The file.
        column: The column of bytes, or of structs of ``bytes`` and ``path``.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=[column]):
            for value in batch.column(0).to_pylist():
                yield (value["bytes"], value.get("path") or "") if isinstance(value, dict) else (value, "")
