"""What people decide about images: the rows of ``decisions.csv``, and what they say of each image.

A row is about an image and, for ``yes`` and ``no``, one label. What came with an image (its folder,
a table) lies in ``data/``; a row wins over it. Rows hold no file names: they would enter Git's
history, which a purge cannot reach.
"""

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal, get_args

from pixmill.core.errors import DecisionsError
from pixmill.core.names import to_nfc
from pixmill.core.words import count, first_of, printable

FILE = "decisions.csv"

HEADER = ("image", "label", "answer", "split", "by", "why")

Answer = Literal["yes", "no", "keep", "drop"]

ANSWERS = get_args(Answer)

Fate = Literal["", "keep", "drop"]

Key = tuple[str, str]
"""Image and label of a row; the label of ``keep`` and ``drop`` is empty."""

SPLITS = ("", "train", "val", "test")

BY_SPLIT = ("test", "val", "train", "")
"""In order of precedence: an image stays out of training."""

FORGOTTEN = "forgotten"
"""Beginning of the reason of images that were forgotten; no warning says that they are gone."""

MAX_ROWS = 300_000
"""Number of rows above which a table in ``data/metadata.csv`` is the better place."""

MIN_ID_LENGTH = 8
"""Minimum length of an abbreviated id."""

_ID = re.compile(rf"[0-9a-f]{{{MIN_ID_LENGTH},64}}")
"""An id or its beginning."""


@dataclass(frozen=True)
class Row:
    """A decision.

    Args:
        image: Id, at least its first 8 digits, a file such as ``data/coat/0001.png``, or a URL.
        label: Label of ``yes`` and ``no``.
        answer: ``yes``: the image has the label; ``no``: it has not; ``keep`` overrides all rules
            of validate; ``drop`` drops the image.
        split: Split of an image that came without one; only with ``yes`` or ``no``.
        by: Who decided; may be empty.
        why: Reason; may be empty.
        line: Line of the file, from 1; 0 for a new row.
    """

    image: str
    label: str = ""
    answer: Answer = "yes"
    split: str = ""
    by: str = ""
    why: str = ""
    line: int = field(default=0, compare=False)

    @property
    def key(self) -> Key:
        """Image and label."""
        return self.image, self.label

    def __str__(self) -> str:
        return f"{self.answer} {self.label}".strip()

    @property
    def who(self) -> str:
        """Who decided, for messages."""
        return self.by or "unknown"


Changes = dict[Key, Row | None]
"""New rows by key; ``None`` removes a row."""


@dataclass(frozen=True)
class Names:
    """Names of an image that a row may use.

    Args:
        id: Image id.
        places: Path in the manifest, and all URLs or files of its sightings.
    """

    id: str
    places: tuple[str, ...]


@dataclass(frozen=True)
class Decided:
    """All rows of one image.

    Args:
        rows: At least one.

    Attributes:
        has_one_label: Whether several labels contradict each other.
    """

    rows: tuple[Row, ...]

    has_one_label: ClassVar[bool] = True

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that people gave it; several if they disagree."""
        return tuple(dict.fromkeys(row.label for row in self.rows if row.answer == "yes"))

    @property
    def refused(self) -> tuple[str, ...]:
        """Labels that people said it does not have."""
        return tuple(row.label for row in self.rows if row.answer == "no")

    @property
    def disputed(self) -> tuple[str, ...]:
        """Labels with yes and no, as after a merge; the empty one stands for keep and drop."""
        if len(self.rows) < 2:
            return ()
        answers = dict.fromkeys((row.label, row.answer) for row in self.rows)
        said = Counter(label for label, _ in answers)
        return tuple(label for label, number in said.items() if number > 1)

    @property
    def contradictions(self) -> tuple[Row, ...]:
        """Rows that contradict each other."""
        torn = self.disputed
        has_others = self.has_one_label and len(self.labels) > 1
        return tuple(
            row for row in self.rows if row.label in torn or (has_others and row.answer == "yes")
        )

    @property
    def is_disputed(self) -> bool:
        """Whether people disagree about it."""
        return bool(self.contradictions)

    @property
    def is_suspended(self) -> bool:
        """Whether it has no part in a run until people agree."""
        return self.is_disputed

    @property
    def label(self) -> str | None:
        """The label that people gave it; ``None`` if there is none, or if they disagree."""
        return None if len(self.labels) != 1 or self.labels[0] in self.disputed else self.labels[0]

    @property
    def split(self) -> str:
        """Split of the given label; empty if there is none. A test image stays one."""
        return min((row.split for row in self.rows), key=BY_SPLIT.index, default="")

    @property
    def fate(self) -> Fate:
        """Whether it is kept or dropped, whatever the rules say; empty: the rules decide.

        Where people disagree, it is empty, unless one of them forgot the image.
        """
        answers = {row.answer for row in self.rows}
        if "" in self.disputed and not self.why.startswith(FORGOTTEN):
            return ""
        if "drop" in answers:
            return "drop"
        return "keep" if "keep" in answers else ""

    @property
    def deciding(self) -> Row:
        """The row that decides: a drop before a keep, a keep before a label."""
        order = ("drop", "keep", "yes", "no")
        return min(self.rows, key=lambda row: order.index(row.answer))

    @property
    def by(self) -> str:
        """Who decided."""
        return self.deciding.by

    @property
    def why(self) -> str:
        """The reason."""
        return self.deciding.why

    def resolve_label(self, came: str | None) -> str | None:
        """Return the label after decisions.

        Args:
            came: The label that came with the image; ``None`` if there was none.

        Returns:
            ``None`` if it has no label, or if people disagree.
        """
        if self.labels:
            return self.label
        return None if came in self.refused else came

    def resolve_cells(self, came: Mapping[str, bool]) -> dict[str, bool]:
        """Return the cells after decisions: rows win over what came.

        Args:
            came: The cells that came with the image.

        Returns:
            Without those about which people disagree: they are unknown.
        """
        given = {row.label: row.answer == "yes" for row in self.rows if row.label}
        unknown = {*self.labels} & {*self.refused}
        return {name: is_yes for name, is_yes in {**came, **given}.items() if name not in unknown}

    def corrects(self, came: str | None) -> bool:
        """Return whether people gave another label than the one that came."""
        return None not in (came, self.label) and came not in (self.label, *self.refused)

    def settles(self, label: str) -> bool:  # noqa: ARG002 (an image has one)
        """Return whether the rows settle a doubt about a label."""
        return True

    @staticmethod
    def is_doubted(text: str, label: str, suggested: str) -> bool:  # noqa: ARG004 (others need it)
        """Return whether evaluate's doubt is about the label that an image has.

        Args:
            text: What the manifest has as the label of the image.
            label: The label in the table of doubtful labels.
            suggested: What that table suggests.
        """
        return text == label

    def dispute(self) -> str:
        """Return who said what; empty if people agree."""
        said = {"yes": "", "no": "not "}
        return " and ".join(
            f"{said.get(row.answer, row.answer)}{row.label} ({row.who})"
            for row in self.contradictions
        )


def read_rows(path: Path) -> tuple[Row, ...]:
    """Read ``decisions.csv``; a missing file has no rows.

    Raises:
        DecisionsError: It cannot be read, or a line is malformed.
    """
    try:
        return parse_rows(path.read_text("utf-8", "surrogateescape"))
    except FileNotFoundError:
        return ()
    except IsADirectoryError as error:
        raise _unreadable(error) from None


def parse_rows(text: str) -> tuple[Row, ...]:
    """Return the rows of a version of the file, from wherever it was read; an empty one has none.

    A byte order mark, as spreadsheets write it, and any line ends are fine.

    Args:
        text: The text; bytes that are not UTF-8 are surrogates.

    Raises:
        DecisionsError: It is not UTF-8, its header is another one, or a line is malformed.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _unreadable(error) from None
    lines = _lines(text.removeprefix("\ufeff"))
    number, header = next(lines, (1, list(HEADER)))
    if tuple(header) != HEADER:
        raise _refusal(number, f"the header {','.join(HEADER)}", repr(",".join(header)))
    return tuple(_row(number, cells) for number, cells in lines)


def render_rows(rows: Iterable[Row]) -> str:
    """Return the text of ``decisions.csv``: in order, one line a row, the same bytes each time."""
    # Rows of one key are in order, too: they are what a merge kept of two sides.
    ordered = sorted(rows, key=lambda row: (row.key, row.answer, row.split, row.by, row.why))
    lines = dict.fromkeys(render_row(row) for row in ordered)
    return "".join([",".join(HEADER) + "\n", *lines])


def render_row(row: Row) -> str:
    """Return the line of a row; white space and invisible characters become single spaces."""
    text = io.StringIO(newline="")
    texts = (" ".join(printable(cell, instead=" ").split()) for cell in (row.by, row.why))
    csv.writer(text, lineterminator="\n").writerow(
        [row.image, row.label, row.answer, row.split, *texts]
    )
    return text.getvalue()


def require_labels(rows: Iterable[Row], classes: Sequence[str]) -> None:
    """Check that all labels are among the classes.

    Raises:
        DecisionsError: A label is not.
    """
    known = {"", *classes}
    unknown = [row for row in rows if row.label not in known]
    if not unknown:
        return
    first, *others = unknown
    received = repr(first.label)
    if others:
        received += f" (and {count(len(others), 'further row')} with an unknown label)"
    raise _refusal(first.line, f"one of the labels {first_of(classes)}", received)


def match_images(rows: Iterable[Row], images: Iterable[Names]) -> dict[str, str]:
    """Return the ids of the images that rows name, by what the rows name.

    Args:
        rows: The rows.
        images: Images that rows may refer to; what names none of them is missing.

    Raises:
        DecisionsError: A row matches several images.
    """
    by_name: dict[str, set[str]] = defaultdict(set)
    for image in images:
        for name in (image.id[:MIN_ID_LENGTH], *image.places):
            by_name[name].add(image.id)
    found = {}
    for row in rows:
        ids = {*by_name[row.image]}
        if is_id(row.image):
            same = by_name[row.image[:MIN_ID_LENGTH]]
            ids.update(name for name in same if name.startswith(row.image))
        if len(ids) > 1:
            raise _refusal(row.line, "one image", f"{row.image!r}, which matches {len(ids)}")
        if ids:
            found[row.image] = ids.pop()
    return found


def with_ids(rows: Iterable[Row], ids: Mapping[str, str]) -> Iterator[Row]:
    """Yield rows with the ids of their images.

    Args:
        rows: The rows.
        ids: Ids by other spellings; an image without one is known by its spelling.
    """
    for row in rows:
        name = ids.get(row.image, row.image)
        yield row if row.image == name else replace(row, image=name)


def group_rows(
    rows: Iterable[Row], ids: Mapping[str, str], kind: type[Decided] = Decided
) -> dict[str, Decided]:
    """Return what is decided by image.

    Rows that say the same, which merging two branches may produce, count once.

    Args:
        rows: The rows.
        ids: Ids by other spellings, from :func:`pixmill.core.spellings.resolve`; an image without
            one is known by its spelling.
        kind: Of :data:`pixmill.core.decided_cells.DECIDED`. Default: that of one label an image.
    """
    found: dict[str, dict[tuple[str, str, str], Row]] = defaultdict(dict)
    for row in with_ids(rows, ids):
        found[row.image].setdefault((row.label, row.answer, row.split), row)
    return {name: kind(tuple(of.values())) for name, of in found.items()}


def disputes(decided: Mapping[str, Decided]) -> dict[str, str]:
    """Return who said what, by id of each image about whose labels people disagree."""
    return {
        name: of.dispute() for name, of in decided.items() if of.is_disputed and of.fate != "drop"
    }


def label_as(
    image: str,
    label: str | None,
    now: Decided | None,
    *,
    split: str = "",
    by: str = "",
    why: str = "",
) -> Changes:
    """Return the changes that give an image a label, or take it.

    Args:
        image: Its id.
        label: The label; ``None`` takes the labels that people gave.
        now: Its rows; ``None`` if there are none.
        split: Split of an image that came without one.
        by: Who decides.
        why: The reason.

    Returns:
        The new row by key; ``None`` removes a row.
    """
    changes: Changes = {
        row.key: None for row in (now.rows if now else ()) if row.answer in ("yes", "no")
    }
    if label is not None:
        changes[image, label] = Row(image, label, "yes", split, by, why)
    return changes


def set_cell(
    image: str, label: str, answer: bool | None, *, split: str = "", by: str = "", why: str = ""
) -> Changes:
    """Return the change that answers whether an image has a label; its other labels stay.

    Args:
        image: Its id.
        label: The label.
        answer: ``None`` takes back what people said: then what came counts.
        split: Split of an image that came without one.
        by: Who decides.
        why: The reason.

    Returns:
        The new row by key; ``None`` removes a row.
    """
    if answer is None:
        return {(image, label): None}
    row = Row(image, label, "yes" if answer else "no", split, by, why)
    return {row.key: row}


def set_fate(image: str, fate: Literal["keep", "drop"], *, by: str = "", why: str = "") -> Changes:
    """Return the change that keeps or drops an image; its labels stay."""
    return {(image, ""): Row(image, "", fate, "", by, why)}


def clear(now: Decided) -> Changes:
    """Return the changes that remove all rows of an image."""
    return {row.key: None for row in now.rows}


def is_id(image: str) -> bool:
    """Return whether a text is an id, or at least 8 digits of one."""
    return _ID.fullmatch(image) is not None


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank with its first line number."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if stripped and stripped[0].startswith(("<" * 7, "=" * 7, ">" * 7)):
                raise DecisionsError(
                    f"{FILE}, line {line}: a conflict of a merge", next="pixmill doctor --fix"
                )
            if any(stripped):
                yield line, stripped
            line = reader.line_num + 1
    except csv.Error as error:
        raise _refusal(line, "comma-separated values", str(error)) from None


def _row(line: int, cells: list[str]) -> Row:
    if len(cells) != len(HEADER):
        raise _refusal(line, f"{len(HEADER)} values ({', '.join(HEADER)})", str(len(cells)))
    image, label, answer, split, by, why = cells
    label = to_nfc(label)
    if is_id(image.lower()):
        image = image.lower()
    elif "/" not in image:
        raise _refusal(line, "an image's id (at least 8 digits of it), path or URL", repr(image))
    if answer not in ANSWERS:
        raise _refusal(line, f"one of the answers {', '.join(ANSWERS)}", repr(answer))
    if (answer in ("yes", "no")) != bool(label):
        wanted = "a label" if not label else "no label"
        raise _refusal(line, f"{wanted} for the answer '{answer}'", repr(label))
    if split not in SPLITS or (split and not label):
        wanted = f"one of the splits {', '.join(SPLITS[1:])}" if label else "no split"
        raise _refusal(line, f"{wanted} for the answer '{answer}'", repr(split))
    return Row(image, label, answer, split, by, why, line)  # type: ignore[arg-type]


def _unreadable(error: Exception) -> DecisionsError:
    return DecisionsError(f"{FILE} cannot be read: {error}", next=f"save {FILE} as CSV in UTF-8")


def _refusal(line: int, expected: str, received: str) -> DecisionsError:
    received = received if received.isprintable() else repr(received)
    shown = received if len(received) <= 120 else f"{received[:117]}..."
    return DecisionsError(
        f"{FILE}, line {line}: expected {expected}, received {shown}",
        next=f"edit line {line} of {FILE}, then: dvc repro validate",
    )
