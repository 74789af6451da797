"""People's decisions on single pictures: read from ``review.csv``, matched with the pictures that are there."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pixmill.errors import ReviewError

__all__ = ["HEADER", "Decision", "Names", "match_decisions", "read_decisions"]

HEADER = ("picture", "decision", "label", "by", "why")

Verb = Literal["keep", "drop", "relabel"]

_DIGITS = re.compile(r"[0-9a-f]{8,64}")
"""An id, or enough of its beginning."""


@dataclass(frozen=True)
class Decision:
    """Hold what a person decided about one picture.

    Args:
        line: The line of ``review.csv``, from 1.
        picture: How the person named it: its id, at least the first 8 digits of it, or where it came from (such as
            ``data/coat/0001.png`` or a URL) or lies (``images/…``).
        verb: ``keep`` overrides every automatic verdict on a picture that decodes and has a declared label; ``drop``
            drops it; ``relabel`` keeps it under another label.
        label: The label of a ``relabel``; empty otherwise.
        by: Who decided; may be empty.
        why: The reason; may be empty.
    """

    line: int
    picture: str
    verb: Verb
    label: str = ""
    by: str = ""
    why: str = ""


@dataclass(frozen=True)
class Names:
    """Hold the names that a person may use for one picture.

    Args:
        id: Its id.
        places: Its path in the manifest, and every URL or file that it came from.
    """

    id: str
    places: tuple[str, ...]


def read_decisions(path: Path, classes: Sequence[str]) -> tuple[Decision, ...]:
    """Read ``review.csv``.

    Args:
        path: The file, with the columns of :data:`HEADER`. An absent file holds no decision.
        classes: The declared labels.

    Raises:
        ReviewError: A line is malformed; the message says which, what was expected and what was received.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refusal(content[: error.start].count(b"\n") + 1, "UTF-8", f"byte 0x{content[error.start]:02x}") from None
    rows = _rows(text)
    line, header = next(rows, (1, []))
    if tuple(header) != HEADER:
        raise _refusal(line, f"the header {','.join(HEADER)}", repr(",".join(header)))
    return tuple(_decision(line, row, classes) for line, row in rows)


def match_decisions(
    decisions: Iterable[Decision], pictures: Iterable[Names]
) -> tuple[dict[str, Decision], list[Decision]]:
    """Find the picture of each decision.

    Args:
        decisions: What people decided.
        pictures: The pictures that are there.

    Returns:
        The decisions by id, and those whose picture is not there.

    Raises:
        ReviewError: A line means several pictures, or two lines the same one.
    """
    decisions = list(decisions)
    by_place: dict[str, set[str]] = {}
    by_start: dict[str, list[str]] = {}
    if decisions:
        for names in pictures:
            by_start.setdefault(names.id[:8], []).append(names.id)
            for place in names.places:
                by_place.setdefault(place, set()).add(names.id)
    found: dict[str, Decision] = {}
    gone: list[Decision] = []
    for decision in decisions:
        meant = set(by_place.get(decision.picture, ()))
        digits = decision.picture.lower()
        if _DIGITS.fullmatch(digits):
            meant |= {name for name in by_start.get(digits[:8], ()) if name.startswith(digits)}
        if len(meant) > 1:
            raise _refusal(decision.line, "the name of one picture", f"{decision.picture!r}, which {len(meant)} have")
        for name in meant:
            if name in found:
                raise _refusal(
                    decision.line, "one decision a picture", f"another for that of line {found[name].line}, {name}"
                )
            found[name] = decision
        if not meant:
            gone.append(decision)
    return found, gone


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank, with the line that it begins in."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise _refusal(line, "comma-separated values", str(error)) from None
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield line, [cell.strip() for cell in row]


def _decision(line: int, row: list[str], classes: Sequence[str]) -> Decision:
    if len(row) != len(HEADER):
        raise _refusal(line, f"{len(HEADER)} values ({', '.join(HEADER)})", str(len(row)))
    picture, verb, label, by, why = row
    if not _DIGITS.fullmatch(picture.lower()) and "/" not in picture:
        raise _refusal(line, "a picture's id, at least 8 digits of it, or where it came from", repr(picture))
    if verb not in get_args(Verb):
        raise _refusal(line, f"a decision of {', '.join(get_args(Verb))}", repr(verb))
    if verb == "relabel" and label not in classes:
        raise _refusal(line, f"a label of {', '.join(classes)}", repr(label))
    if verb != "relabel" and label:
        raise _refusal(line, f"no label with the decision '{verb}'", repr(label))
    return Decision(line, picture, verb, label, by, why)  # type: ignore[arg-type]


def _refusal(line: int, expected: str, received: str) -> ReviewError:
    shown = received if len(received) <= 120 else f"{received[:117]}..."
    return ReviewError(
        f"review.csv, line {line}: expected {expected}, received {shown}",
        next=f"edit line {line} of review.csv, then: dvc repro validate",
    )
