"""Tables of predictions as files, written as a stream."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from pixmill.core.files.writing import replacing
from pixmill.serve.predict.inputs import FORMULA

Row = Mapping[str, Any]

_VALUES = 1_000_000
"""Values in a row group of Parquet, which is in memory as a whole; but at least 1,000 rows."""


def write_csv(path: Path, rows: Callable[[], Iterable[Row]], labels: Sequence[str]) -> None:
    """Write a table that opens well in spreadsheets, at once or not at all.

    It is UTF-8, with a byte order mark if anything in it is not ASCII: without one, Excel takes it for another
    encoding. Numbers have six significant digits. Text that a spreadsheet would take for a formula gets an apostrophe.

    Args:
        path: The file.
        rows: Returns the rows with the columns of :func:`pixmill.models.inference.answers_schema`, each time anew.
        labels: The classes in the order of the model's outputs.
    """
    names = _names(labels)
    plain = all(map(str.isascii, labels)) and all(row["path"].isascii() for row in rows())
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8" if plain else "utf-8-sig", newline="") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(names)
        table.writerows([_cell(row[name]) for name in names] for row in rows())


def write_jsonl(path: Path, rows: Callable[[], Iterable[Row]], labels: Sequence[str]) -> None:
    """Write one JSON object per line in UTF-8, at once or not at all.

    Args:
        path: The file.
        rows: Returns the rows, each time anew.
        labels: The classes in the order of the model's outputs.
    """
    names = _names(labels)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        for row in rows():
            file.write(json.dumps({name: row[name] for name in names}, ensure_ascii=False, allow_nan=False) + "\n")


def write_parquet(path: Path, rows: Callable[[], Iterable[Row]], labels: Sequence[str]) -> None:
    """Write Parquet, at once or not at all.

    Args:
        path: The file.
        rows: Returns the rows, each time anew.
        labels: The classes in the order of the model's outputs.
    """
    from pixmill.core.manifest import table_writer
    from pixmill.models.inference import answers_schema

    schema = answers_schema(labels)
    stream = iter(rows())
    with table_writer(path, schema) as add:
        while group := list(islice(stream, max(1000, _VALUES // len(schema)))):
            add(group)


def _names(labels: Sequence[str]) -> list[str]:
    return ["path", "id", "predicted", "confidence", "sure", "unlike", *(f"p_{label}" for label in labels), "reason"]


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.6g}"
        case str() if value.startswith(FORMULA):
            return f"'{value}"
    return str(value)
