"""``data/metadata.csv``: labels, splits, groups and origins of the images in ``data/``."""

import csv
import io
import posixpath
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pixmill.core.errors import DataError
from pixmill.core.files.writing import file_mark, write_durably, write_text
from pixmill.core.names import to_nfc

FILE = "metadata.csv"
"""Name of the table in ``data/``."""

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a row says about an image; ``None`` where its cell is empty.

    Args:
        label: Label; ``None``: the folder of the image is its class.
        split: ``train``, ``val`` or ``test`` if people assigned it.
        group: Images of one group (a patient, a clip, a product) stay in one split.
        licence: URL or name of the licence.
        author: Author.
        page_url: Page that shows the image.
    """

    label: str | None = None
    split: str | None = None
    group: str | None = None
    licence: str | None = None
    author: str | None = None
    page_url: str | None = None


COLUMNS = ("file_name", *(field.name for field in fields(Facts)))
"""Columns of the table; others are ignored.

``file_name`` is relative to ``data/``, with slashes.
"""

EXPORTED = (*COLUMNS, "id", "source", "image_url", "snapshot")
"""Columns of the tables that ``pixmill export --data`` writes."""


Cells = dict[str, str]
"""A row of the table by column."""


def read_cells(data: Path) -> tuple[list[str], dict[str, Cells]]:
    """Return the columns of the table, and its rows by path relative to ``data/``, in NFC.

    Args:
        data: The folder ``data/``.

    Raises:
        DataError: As for :func:`read_metadata`.
    """
    path = data / FILE
    if not path.is_file():
        return [], {}
    found: dict[str, Cells] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream, strict=True)
            columns = [*(rows.fieldnames or ())]
            if COLUMNS[0] not in columns:
                raise DataError(
                    f"data/{FILE} has no column file_name", next="name the column of the files so"
                )
            for row in rows:
                cells = {column: row.get(column) or "" for column in columns}
                # Windows writes backslashes.
                path_text = cells["file_name"].strip().replace("\\", "/")
                name = to_nfc(posixpath.normpath(path_text))
                if problem := _problem(name, cells, found):
                    where = f"data/{FILE}, line {rows.line_num}"
                    raise DataError(f"{where}: {problem}", next=f"correct data/{FILE}")
                if name != ".":
                    found[name] = cells
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"data/{FILE} cannot be read: {error}", next="save it as CSV in UTF-8"
        ) from None
    return columns, found


def _problem(name: str, cells: Cells, found: Mapping[str, Cells]) -> str | None:
    """Return what is wrong with a row."""
    if name.startswith(("/", "../")):
        return f"{name} is not below data/"
    if name in found:
        return f"a second row for {name}; an image has one label: several are not supported"
    split = cells.get("split", "").strip()
    if split not in ("", *SPLITS):
        return f"split: expected {', '.join(SPLITS)} or nothing, received {split!r}"
    return None


def read_metadata(data: Path) -> dict[str, Facts]:
    """Return the facts about images by their path relative to ``data/``, in NFC.

    Args:
        data: The folder ``data/``.

    Raises:
        DataError: The table cannot be read, has no column ``file_name``, two rows for a file, a
            path out of ``data/`` or an unknown split.
    """
    rows = read_cells(data)[1]
    return {
        name: Facts(*(row.get(column, "").strip() or None for column in COLUMNS[1:]))
        for name, row in rows.items()
    }


class MetadataTable:
    """The table as cells; other programs may edit it between two changes.

    Args:
        data: The folder ``data/``.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._mark: tuple[int, ...] = ()
        self._columns: list[str] = []
        self._rows: dict[str, Cells] = {}

    def read(self) -> Mapping[str, Cells]:
        """Return the rows by path relative to ``data/``; the same object until the file changes.

        Raises:
            DataError: As for :func:`read_metadata`.
        """
        if self._mark != (mark := file_mark(self._data / FILE)):
            self._columns, self._rows = read_cells(self._data)
            self._mark = mark
        return self._rows

    def change(self, changes: Mapping[str, Cells | None]) -> None:
        """Change rows durably; other rows and columns stay.

        Args:
            changes: New rows by path relative to ``data/``; ``None`` removes a row.

        Raises:
            DataError: As for :func:`read_metadata`; nothing was written.
        """
        merged = {**self.read(), **changes}
        rows = {name: row for name, row in sorted(merged.items()) if row is not None}
        added = (column for row in changes.values() for column in row or ())
        columns = list(dict.fromkeys([*(self._columns or COLUMNS), *added]))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([row.get(column, "") for column in columns] for row in rows.values())
        write_durably(self._data / FILE, text.getvalue().encode())
        self._mark = file_mark(self._data / FILE)
        self._columns = columns
        self._rows = rows


def write_metadata(data: Path, rows: Mapping[str, Facts]) -> None:
    """Write the table atomically, sorted by file.

    Args:
        data: The folder ``data/``.
        rows: Facts by path relative to ``data/``.
    """
    write_text(data / FILE, to_csv(COLUMNS[0], dict(sorted(rows.items()))))


def to_csv(first: str, rows: Mapping[str, Facts]) -> str:
    """Return facts as CSV.

    Args:
        first: Name of the first column.
        rows: Facts by the cell in the first column.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((first, *COLUMNS[1:]))
    writer.writerows((name, *astuple(facts)) for name, facts in rows.items())
    return text.getvalue()
