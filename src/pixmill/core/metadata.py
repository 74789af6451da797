"""``data/metadata.csv``: labels, splits, groups and origins of the images in ``data/``."""

import csv
import io
import posixpath
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pixmill.core.cells import read_list, render_list
from pixmill.core.errors import DataError
from pixmill.core.files.writing import file_mark, write_durably, write_text
from pixmill.core.names import to_nfc
from pixmill.core.params import load_params
from pixmill.core.words import first_of

FILE = "metadata.csv"
"""Name of the table in ``data/``."""

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a row says about an image; ``None`` where its cell is empty.

    Args:
        label: Label; ``None``: the folder of the image is its class. In a project with several
            labels an image, the list of those it has, see :func:`pixmill.core.cells.read_list`.
        split: ``train``, ``val`` or ``test`` if people assigned it.
        group: Images of one group (a patient, a clip, a product) stay in one split.
        licence: URL or name of the licence.
        author: Author.
        page_url: Page that shows the image.
        not_label: List of the labels it has not; only with several labels an image.
    """

    label: str | None = None
    split: str | None = None
    group: str | None = None
    licence: str | None = None
    author: str | None = None
    page_url: str | None = None
    not_label: str | None = None

    @property
    def cells(self) -> dict[str, bool]:
        """Whether the image has each label that the row lists."""
        return {
            **dict.fromkeys(read_list(self.not_label), False),
            **dict.fromkeys(read_list(self.label), True),
        }


_EVERY = ("file_name", *(field.name for field in fields(Facts)))

_LISTS = ("label", "not_label")
"""Columns with lists of labels."""

COLUMNS = _EVERY[:-1]
"""Columns of every table; others than these and ``not_label`` are ignored.

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
    several: bool | None = None
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
                first = found.get(name, {})
                if first and several is None:
                    several = _is_of_several(data)
                joined = _join(first, cells)
                is_refused = bool(first) and not several
                if problem := _problem(name, cells, joined, is_refused=is_refused):
                    where = f"data/{FILE}, line {rows.line_num}"
                    raise DataError(f"{where}: {problem}", next=f"correct data/{FILE}")
                if name != ".":
                    found[name] = joined
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"data/{FILE} cannot be read: {error}", next="save it as CSV in UTF-8"
        ) from None
    return columns, found


def _join(first: Cells, second: Cells) -> Cells:
    """Return a row with the labels of two, and otherwise what the first says, if anything."""
    joined = {column: first.get(column) or cell for column, cell in second.items()}
    for column in {*_LISTS} & joined.keys() if first else ():
        labels = [*read_list(first[column]), *read_list(second[column])]
        joined[column] = render_list(dict.fromkeys(labels))
    return joined


def _problem(name: str, cells: Cells, joined: Cells, *, is_refused: bool) -> str | None:
    """Return what is wrong with a row.

    Args:
        name: Its file.
        cells: The row.
        joined: The row with earlier ones of its file.
        is_refused: Whether there are such, and must not be.
    """
    if name.startswith(("/", "../")):
        return f"{name} is not below data/"
    if is_refused:
        return (
            f"a second row for {name}; an image has one label: if it may have several, "
            "set task: labels in params.yaml"
        )
    has, lacks = ({*read_list(joined.get(column))} for column in _LISTS)
    if both := sorted(has & lacks):
        return f"{name} has and has not the label {first_of(both)}"
    for column in ("split", "group"):
        if cells.get(column, "") not in ("", joined.get(column, "")):
            return f"{name} has another {column} in an earlier row"
    split = cells.get("split", "").strip()
    if split not in ("", *SPLITS):
        return f"split: expected {', '.join(SPLITS)} or nothing, received {split!r}"
    return None


def _is_of_several(data: Path) -> bool:
    """Return whether the images of the project may have several labels."""
    if not (data.parent / "params.yaml").is_file():
        return False
    return load_params(data.parent).task == "labels"


def read_metadata(data: Path) -> dict[str, Facts]:
    """Return the facts about images by their path relative to ``data/``, in NFC.

    Args:
        data: The folder ``data/``.

    Raises:
        DataError: The table cannot be read, has no column ``file_name``, a path out of ``data/``,
            an unknown split, or a label that an image has and has not; or two rows for a file, of
            which there may be several with several labels an image.
    """
    rows = read_cells(data)[1]
    return {
        name: Facts(*(row.get(column, "").strip() or None for column in _EVERY[1:]))
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
    columns = _EVERY if any(facts.not_label for facts in rows.values()) else COLUMNS
    writer.writerow((first, *columns[1:]))
    writer.writerows((name, *astuple(facts))[: len(columns)] for name, facts in rows.items())
    return text.getvalue()
