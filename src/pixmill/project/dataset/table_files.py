"""Read tables of people and tools as columns of text: CSV and its kin, JSON, Parquet, Label Studio's exports."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
"""Endings of tables, in lower case."""

SEPARATOR = "\n"
"""Joins the values of a cell that has several; no label has line ends."""


@dataclass(frozen=True)
class Table:
    """A table of text.

    Args:
        path: The file.
        columns: Cells by name of the column; all columns have the same length, and empty cells are empty.
        sure: Columns by role, where the format defines them.
        kind: What the file is, such as ``a table``.
        embedded: Column of Parquet with the bytes of images, which is not in ``columns``.
        rows: Number of rows, if ``embedded`` is given.
    """

    path: Path
    columns: Mapping[str, list[str]]
    sure: Mapping[str, str] = field(default_factory=dict)
    kind: str = "a table"
    embedded: str | None = None
    rows: int = 0


def read_table(path: Path) -> Table:
    """Read a table, except for images in it.

    Args:
        path: A file with one of :data:`SUFFIXES`.

    Raises:
        ValueError: It is not a table.
    """
    match path.suffix.lower():
        case ".parquet":
            return _read_parquet(path)
        case ".jsonl" | ".ndjson":
            with path.open(encoding="utf-8-sig") as lines:
                return Table(path, _to_columns(json.loads(line) for line in lines if line.strip()))
        case ".json":
            content = json.loads(path.read_text(encoding="utf-8-sig"))
            if not isinstance(content, list):
                raise ValueError("no list of objects")
            is_export = content and isinstance(content[0], dict) and {"data", "annotations"} <= content[0].keys()
            return _read_label_studio(path, content) if is_export else Table(path, _to_columns(content))
    with path.open("rb") as stream:
        is_utf_16 = stream.read(2) in (b"\xff\xfe", b"\xfe\xff")
    try:
        return Table(path, _read_delimited(path, "utf-16" if is_utf_16 else "utf-8-sig"))
    except UnicodeDecodeError:
        return Table(path, _read_delimited(path, "cp1252"))  # of Excel in Western Europe and America


def _read_delimited(path: Path, encoding: str) -> dict[str, list[str]]:
    with path.open(encoding=encoding, newline="") as stream:
        head = stream.readline()
        delimiter = max(",;\t|", key=lambda sign: len(next(csv.reader([head], delimiter=sign))))
        stream.seek(0)
        rows = csv.reader(stream, delimiter=delimiter)
        try:
            names = [name.strip() for name in next(rows, [])]
            return _to_columns(dict(zip(names, row, strict=False)) for row in rows if any(row))
        except csv.Error as error:
            raise ValueError(str(error)) from None


def _to_columns(rows: Iterable[Any]) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise ValueError("no list of objects")
        for name, value in row.items():
            columns.setdefault(name, []).extend([""] * (number - len(columns[name])))
            columns[name].append(sys.intern(_to_text(value)))  # most values repeat
    longest = max(map(len, columns.values()), default=0)
    return {name: cells + [""] * (longest - len(cells)) for name, cells in columns.items()}


def _to_text(value: Any) -> str:
    match value:
        case str():
            return " ".join(value.splitlines()).strip()
        case bool():
            return str(int(value))
        case float():
            return "" if value != value else str(int(value)) if value.is_integer() else str(value)
        case dict():  # of Label Studio, if several choices are allowed
            return _to_text(value.get("choices"))
        case list():
            return SEPARATOR.join(filter(None, map(_to_text, value)))
    return "" if value is None else str(value)


def _read_label_studio(path: Path, tasks: Sequence[Mapping[str, Any]]) -> Table:
    """Return a row per annotation that was not skipped; one without labels for a task that has none."""
    rows: list[dict[str, Any]] = []
    questions: set[str] = set()
    for task in tasks:
        answers = []
        for annotation in task["annotations"]:
            if not annotation.get("was_cancelled"):
                chosen = {
                    result["from_name"]: result["value"]["choices"]
                    for result in annotation["result"]
                    if result.get("type") == "choices"
                }
                answers.append(chosen)
                questions |= chosen.keys()
        rows += [{**task["data"], **chosen} for chosen in answers or [{}]]
    sure = {"label": next(iter(questions))} if len(questions) == 1 else {}
    return Table(path, _to_columns(rows), sure, "an export of Label Studio")


def _read_parquet(path: Path) -> Table:
    """Read all columns without bytes, with the class names that Hugging Face's ``datasets`` keeps in the schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            images = [item.name for item in schema if _has_bytes(item.type)]
            columns = {}
            features = (
                json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
            )
            sure = {}
            for name in schema.names:
                if name in images:
                    continue
                cells = _to_columns({name: value} for value in file.read([name]).column(0).to_pylist()).get(name, [])
                if names := _class_names(features.get(name)):
                    labels = dict(enumerate(names))
                    cells = [
                        SEPARATOR.join(labels.get(int(number), "") for number in cell.split(SEPARATOR) if number)
                        for cell in cells
                    ]
                    sure["label"] = name
                columns[name] = cells
    except pa.ArrowException as error:
        raise ValueError(str(error)) from None
    embedded = next((name for name in images if name in ("image", "img")), images[0] if images else None)
    if embedded is None:
        return Table(path, columns, sure)
    return Table(path, columns, {**sure, "image": embedded}, "Parquet with images", embedded, file.metadata.num_rows)


def _has_bytes(kind: Any) -> bool:
    """Return whether a column of a type of pyarrow holds bytes, or structs of bytes and their path."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _has_bytes(kind.field("bytes").type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _class_names(feature: Any) -> list[str] | None:
    """Return the names of a feature ``ClassLabel``, or of a list of it."""
    match feature:
        case {"_type": "ClassLabel", "names": list(names)}:
            return names
        case {"feature": inner} | [inner]:
            return _class_names(inner)
    return None


def embedded_images(path: Path, column: str) -> Iterator[tuple[bytes | None, str | None]]:
    """Yield the bytes of each image in Parquet, with its path in the schema; both ``None`` where the cell is empty.

    Only a page of the file and a few images are in memory.

    Args:
        path: The file.
        column: The column of bytes, or of structs of ``bytes`` and ``path``.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=[column]):
            for value in batch.column(0).to_pylist():
                yield (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)


_BATCH_ROWS = 64
"""Images in memory."""
