"""Read tables as columns of text: CSV and its kin, JSON, Parquet, files of annotation tools.

They may come from the web, and a few kilobytes of Parquet may stand for gigabytes, so a process
with limits reads them.
"""

import csv
import io
import json
import re
import sys
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar
from xml.parsers.expat import ExpatError

import pyarrow as pa
import pyarrow.parquet as pq

from pixmill.core.errors import DataError
from pixmill.core.metadata import EXPORTED
from pixmill.core.process.progress import track
from pixmill.core.words import first_of
from pixmill.dataset.archives import Room
from pixmill.dataset.label_files import coco, cvat, datumaro, label_studio, via
from pixmill.images.compute import RowLimits, map_batches
from pixmill.images.formats import EXTENSIONS, sniff

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".xml")
"""Endings of tables, in lower case."""

SEPARATOR = "\n"
"""Joins the values of a cell that has several; no label has line ends."""

_MAX_CELLS = 20_000_000
"""Cells of a table: a million rows of twenty columns."""

_MAX_CELL = 20_000
"""Characters of a cell that are read: no name of a file and no list of labels is longer."""

_MEMORY = 4 << 30
"""Bytes that the process that reads tables and archives may take."""

_SECONDS = 60
_BYTES_A_SECOND = 10**6
"""Its time: so many seconds, and one more for so many bytes of the files."""

_SMALLER = (
    "of a table, save the columns of images and labels alone, as CSV, or move it away; "
    "unpack an archive"
)

NO_TABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    csv.Error,
    ExpatError,
)
"""Raised for files that are no tables, also by Arrow, but for a lack of memory."""

_READERS = (label_studio.read, via.read, coco.read, datumaro.read, cvat.read)

_Result = TypeVar("_Result")

_BATCH_ROWS = 16
"""Images of Parquet in memory."""


Roles = Mapping[str, str]
"""Columns by role, such as ``image``."""


class UnreadError(DataError):
    """A file exceeds limits, or a table has no header; without it, folders may label the images."""

    @property
    def remark(self) -> str:
        """The problem if others give images."""
        return f"left out: {self.message}; {self.next}"


@dataclass(frozen=True)
class Table:
    """A table of text.

    Args:
        path: The file.
        columns: Cells by name of the column; all columns have the same length, and empty cells are
            empty.
        sure: Columns by role, where the format defines them; ``image`` is not in ``columns`` if it
            has images as bytes.
        kind: What the file is, such as ``a table``.
        lacking: Labels that each row's image has not, where columns of labels tell.
        nulls: Whether cells are null, by name of the column, where the format has a null: they say
            nothing, and empty ones that there is none.
    """

    path: Path
    columns: dict[str, list[str]]
    sure: Roles = field(default_factory=dict)
    kind: str = "a table"
    lacking: list[str] = field(default_factory=list)
    nulls: dict[str, list[bool]] = field(default_factory=dict)

    def where(self, number: int) -> str:
        """Return the file and the row, counted from 1 as a spreadsheet does, with the header."""
        has_header = self.path.suffix.lower() in (".csv", ".tsv")
        return f"{self.path}, row {number + 1 + has_header}"


def within_limits(act: Callable[[], _Result], paths: Sequence[Path]) -> _Result:
    """Return the result of a call in a process with limits of time and memory.

    Args:
        act: Reads the files; it must be picklable, and its result no text.
        paths: The files.

    Raises:
        UnreadError: It exceeds the limits.
        DataError: The call raises this.
    """
    seconds = _SECONDS + sum(path.stat().st_size for path in paths) / _BYTES_A_SECOND
    limits = RowLimits(seconds, _MEMORY)
    (result,) = map_batches(
        _call, [act], workers=1, limits=limits, lost=lambda _, loss: loss, local=True
    )
    if isinstance(result, str):
        problem = f"cannot be read in {seconds:,.0f} s with {_MEMORY >> 30} GB of memory"
        raise UnreadError(f"{first_of([*map(str, paths)], 3)} {problem}", next=_SMALLER)
    return result  # type: ignore[no-any-return]


def _call(rows: Sequence[Callable[[], Any]]) -> list[Any]:
    return [act() for act in rows]


def read_tables(
    paths: Sequence[Path],
) -> tuple[list[Table], list[UnreadError], dict[Path, str]]:
    """Read tables, except for images in them; return why others are too large, or are none.

    Args:
        paths: Files with one of :data:`SUFFIXES`.
    """
    tables: list[Table] = []
    problems: list[UnreadError] = []
    reasons: dict[Path, str] = {}
    for path in paths:
        try:
            tables.append(
                _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_text(path)
            )
        except UnreadError as error:
            problems.append(error)
        except NO_TABLE as error:
            reasons[path] = f"{error} is missing" if isinstance(error, KeyError) else f"{error}"
    return tables, problems, reasons


def _check_size(path: Path, cells: int) -> None:
    if cells > _MAX_CELLS:
        raise UnreadError(
            f"{path} has too many cells; at most {_MAX_CELLS:,} are read", next=_SMALLER
        )


def _read_text(path: Path) -> Table:
    rows = _parse(path.read_bytes(), path.suffix.lower())
    for read in _READERS:
        if found := read(rows):
            table = _read_rows(path, found.rows)
            if not {*found.sure.values()} <= table.columns.keys():
                raise TypeError(f"{found.kind} without labels of images; boxes are none")
            return replace(table, sure=found.sure, kind=found.kind)
    if not isinstance(rows, list):
        raise TypeError("none of the formats that are read")
    table = _read_rows(path, rows)
    if {*EXPORTED} <= table.columns.keys():  # There, formulas begin with an apostrophe.
        for name, cells in table.columns.items():
            table.columns[name] = [re.sub("^'(?=[=+@-])", "", cell) for cell in cells]
    return table


def _parse(content: bytes, suffix: str) -> Any:
    if suffix == ".xml":
        return content
    text = _decode(content)
    if suffix == ".json":
        return json.loads(text)
    if suffix in (".jsonl", ".ndjson"):
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    return _read_csv(text)


def _decode(content: bytes) -> str:
    is_utf16 = content.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252")  # of Excel in Western Europe and America


def _read_csv(text: str) -> list[dict[str, Any]]:
    """Return the rows of a table whose delimiter gives its first line the most columns."""
    head = text.partition("\n")[0]
    delimiter = max(",;\t|", key=lambda sign: len(next(csv.reader([head], delimiter=sign), ())))
    lines = io.StringIO(text, newline="")
    reader = csv.DictReader(
        lines, delimiter=delimiter, skipinitialspace=True, restkey="", restval=""
    )
    return [row for row in reader if any(row.values())]


def _read_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Table:
    names = dict.fromkeys(chain.from_iterable(rows))
    _check_size(path, len(names) * len(rows))
    return _read_columns(path, ((name, [row.get(name) for row in rows]) for name in names))


def _read_columns(path: Path, columns: Iterable[tuple[str, Sequence[Any]]]) -> Table:
    table = Table(path, {})
    for name, values in columns:
        table.columns[name] = [*map(_to_text, values)]
        table.nulls[name] = [*map(_is_null, values)]
    return table


def _is_null(value: Any) -> bool:
    return value is None or value != value


def _to_text(value: Any) -> str:
    match value:
        case {"choices": choices}:  # of Label Studio
            return _to_text(choices)
        case str() if value.startswith('{"choices":'):  # of its CSV
            return _to_text(json.loads(value))
        case list():
            return SEPARATOR.join(filter(None, map(_to_text, value)))
        case float() if value.is_integer():  # of pandas, where some rows have no value
            return str(int(value))
    if _is_null(value):
        return ""
    text = str(value)[:_MAX_CELL]
    return sys.intern(" ".join(text.splitlines()).strip())  # most values repeat


def _read_parquet(path: Path) -> Table:
    """Read all columns without bytes; class names are in the schema of ``datasets``."""
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        images = [item.name for item in schema if _has_bytes(item.type)]
        names = [name for name in schema.names if name not in images]
        _check_size(path, len(names) * file.metadata.num_rows)
        table = _read_columns(path, ((name, file.read([name])[name].to_pylist()) for name in names))
    features = (
        json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        .get("info", {})
        .get("features", {})
    )
    sure = {"image": min(images, key=lambda name: name not in ("image", "img"))} if images else {}
    for name in names:
        match features.get(name):
            case (
                {"_type": "ClassLabel", "names": classes}
                | {"feature": {"_type": "ClassLabel", "names": classes}}
                | [{"_type": "ClassLabel", "names": classes}]
            ):
                labels = {str(number): label.strip() for number, label in enumerate(classes)}
                table.columns[name] = [
                    SEPARATOR.join(labels.get(each, "") for each in cell.split(SEPARATOR))
                    for cell in table.columns[name]
                ]
                sure["label"] = name
    return replace(table, sure=sure, kind="Parquet with images" if images else "a table")


def _has_bytes(kind: Any) -> bool:
    """Return whether a type of pyarrow holds bytes, or structs of bytes and their path."""
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _has_bytes(kind.field("bytes").type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def unpack_images(
    path: Path, column: str, folder: Path, room: Room
) -> list[tuple[str, str] | None]:
    """Write the images in Parquet as files. Only a page of it and a few images are in memory.

    Args:
        path: The Parquet file.
        column: The column of bytes, or of structs of ``bytes`` and ``path``.
        folder: Target.
        room: Bytes that may be written.

    Returns:
        For each row the written file and the name of the image; ``None`` if it has no image.

    Raises:
        DataError: There is no room.
    """
    files: list[tuple[str, str] | None] = []
    folder.mkdir(parents=True, exist_ok=True)
    with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
        batches = file.iter_batches(_BATCH_ROWS, columns=[column])
        values = chain.from_iterable(batch.column(0).to_pylist() for batch in batches)
        for number, value in enumerate(
            track(values, f"Unpack {path.name}", file.metadata.num_rows)
        ):
            image = value if isinstance(value, dict) else {"bytes": value}
            content = image["bytes"]
            if content is None:
                files.append(None)
                continue
            ending = EXTENSIONS.get(sniff(content[:4096]), "")
            place = folder / f"{number}{ending}"
            room.take(len(content))
            place.write_bytes(content)
            name = (image.get("path") or "").replace("\\", "/").rpartition("/")[2]
            files.append((str(place), name or f"{path.stem}-{number}{ending}"))
    return files
