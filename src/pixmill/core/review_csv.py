"""Read ``review.csv``, which held decisions in earlier versions, as rows of ``decisions.csv``."""

import csv
import io
import re
from pathlib import Path

from pixmill.core.decisions import FILE as DECISIONS
from pixmill.core.decisions import Row, is_id, parse_rows
from pixmill.core.errors import DataError, DecisionsError
from pixmill.core.files.writing import read_if_any
from pixmill.core.names import to_nfc
from pixmill.core.repository.git import git
from pixmill.core.words import count

FILE = "review.csv"
HEADER = ("image", "decision", "label", "by", "why")

_IMAGE = re.compile(r"[0-9a-f]{8,64}|.*/.*", re.DOTALL)
"""An id, at least its first 8 digits, a path or a URL."""


def rows_of_review(text: str) -> tuple[Row, ...]:
    """Return the rows of decisions that mean the same; a relabel is a label and ``keep``.

    Args:
        text: Content of the file; empty: no decisions.

    Raises:
        DecisionsError: A line is malformed.
    """
    rows: list[Row] = []
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    is_first = True
    line = 1
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if is_first and any(cells):
                _require(tuple(cells) == HEADER, line, f"expected the header {','.join(HEADER)}")
                is_first = False
            elif any(cells):
                rows += _rows_of_line(line, cells)
            line = reader.line_num + 1
    except csv.Error as error:
        raise DecisionsError(f"{FILE}, line {line}: {error}", next=_advice(line)) from None
    return tuple(rows)


def rows_of(text: str) -> tuple[Row, ...]:
    """Return the rows of a text in either form: Git may follow a file that was converted.

    Raises:
        DecisionsError: A line is malformed.
    """
    is_old = text.removeprefix("\ufeff").lstrip().startswith(",".join(HEADER[:2]))
    return rows_of_review(text) if is_old else parse_rows(text)


def committed_rows(root: Path, revision: str, file: str = DECISIONS) -> tuple[Row, ...] | None:
    """Return the rows of a commit; ``None`` if they are malformed, since nobody can mend them there.

    Args:
        root: Project folder.
        revision: The commit, such as ``HEAD``.
        file: Name of the file; a commit without it has no rows.
    """
    try:
        return rows_of(git(root, "show", f"{revision}:./{file}") or "")
    except DecisionsError:
        return None


def require_converted(root: Path) -> None:
    """Refuse to go on where ``review.csv`` has decisions, since nothing applies them.

    Raises:
        DataError: It has.
        DecisionsError: It is malformed.
    """
    if rows := rows_of_review(read_if_any(root / FILE) or ""):
        raise DataError(
            f"{FILE} has {count(len(rows), 'decision')} of an earlier version; they belong into "
            f"{DECISIONS}",
            next="pixmill upgrade",
        )


def _rows_of_line(line: int, cells: list[str]) -> list[Row]:
    _require(len(cells) == len(HEADER), line, f"expected {len(HEADER)} values")
    image, verb, label, by, why = cells
    label = to_nfc(label)
    image = image.lower() if is_id(image.lower()) else image
    _require(_IMAGE.fullmatch(image) is not None, line, f"expected an image, received {image!r}")
    _require(verb in ("keep", "drop", "relabel"), line, f"unknown decision {verb!r}")
    _require(bool(label) == (verb == "relabel"), line, "a relabel has a label, others have none")
    if verb == "drop":
        return [Row(image, answer="drop", by=by, why=why, line=line)]
    kept = Row(image, answer="keep", by=by, why=why, line=line)
    if verb == "keep":
        return [kept]
    return [Row(image, label, answer="yes", by=by, why=why, line=line), kept]


def _require(holds: bool, line: int, problem: str) -> None:
    if not holds:
        raise DecisionsError(f"{FILE}, line {line}: {problem}", next=_advice(line))


def _advice(line: int) -> str:
    return f"edit line {line} of {FILE}, then: the same command"
