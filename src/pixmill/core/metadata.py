"""``data/metadata.csv``: labels, splits, groups and origins of the images in ``data/``."""

import csv
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pixmill.core.errors import DataError
from pixmill.core.files.writing import replacing
from pixmill.core.names import fold, to_nfc
from pixmill.core.words import first_of

FILE = "metadata.csv"
"""Name of the table in ``data/``."""

_SPLITS = ("train", "val", "test")


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
"""Columns of the table; others are ignored. ``file_name`` is relative to ``data/``, with slashes."""


def read_metadata(data: Path) -> dict[str, Facts]:
    """Return the facts about images by their path relative to ``data/``; empty without a table.

    Args:
        data: The folder ``data/``.

    Raises:
        DataError: The table cannot be read, has no column ``file_name``, two rows for a file, a path out of ``data/``
            or an unknown split.
    """
    path = data / FILE
    if not path.is_file():
        return {}
    found: dict[str, Facts] = {}
    lines: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream, strict=True)
            if "file_name" not in (names := rows.fieldnames or []):
                has = f"only {first_of(names)}" if names else "no columns"
                raise DataError(f"data/{FILE} has no column file_name, {has}", next="name one so")
            for row in rows:
                if not (cell := (row["file_name"] or "").strip()):
                    continue
                # Windows writes backslashes.
                name, line = posixpath.normpath(cell.replace("\\", "/")), rows.line_num
                facts = Facts(*((row.get(column) or "").strip() or None for column in COLUMNS[1:]))
                if name.startswith(("/", "../")):
                    raise DataError(
                        f"data/{FILE}, line {line}: {cell!r} is not below data/",
                        next=f"write its path relative to data/ in data/{FILE}",
                    )
                if facts.split not in (None, *_SPLITS):
                    raise DataError(
                        f"data/{FILE}, line {line}: split: expected {', '.join(_SPLITS)} or nothing, received "
                        f"{facts.split!r}",
                        next=f"correct it in data/{FILE}",
                    )
                if name in lines:
                    raise DataError(
                        f"data/{FILE} has two rows for {name}: lines {lines[name]} and {line}",
                        next="keep one: an image has one label; several are not supported",
                    )
                found[name], lines[name] = facts, line
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"data/{FILE} cannot be read: {error}", next="save it as CSV in UTF-8") from None
    return found


def match_rows(rows: Mapping[str, Facts], paths: Iterable[str]) -> tuple[dict[str, Facts], list[str]]:
    """Return the facts about files by their actual paths, and the rows without a file.

    Unicode normalization is ignored, and so is case if no path equals that of the row.

    Args:
        rows: Rows by path.
        paths: Paths of files, relative to ``data/`` as in the rows.
    """
    exact = {to_nfc(name): name for name in rows}
    folded = {fold(name): name for name in rows}
    found: dict[str, str] = {}
    alike: dict[str, str] = {}
    for path in paths:
        if name := exact.get(to_nfc(path)):
            found[path] = name
        elif name := folded.get(fold(path)):
            alike[path] = name
    matched = {*found.values()}
    found |= {path: name for path, name in alike.items() if name not in matched}
    matched |= {*alike.values()}
    return {path: rows[name] for path, name in found.items()}, [name for name in rows if name not in matched]


def write_metadata(data: Path, rows: Mapping[str, Facts]) -> None:
    """Write the table atomically, sorted by file.

    Args:
        data: The folder ``data/``.
        rows: Facts by path relative to ``data/``.
    """
    with replacing(data / FILE) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((name, *astuple(rows[name])) for name in sorted(rows))
