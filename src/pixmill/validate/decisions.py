"""Decisions on single images: reading ``review.csv`` and matching decisions with images."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from pixmill.core.errors import DecisionsError
from pixmill.core.names import to_nfc
from pixmill.core.words import first_of

HEADER = ("image", "decision", "label", "by", "why")

Verb = Literal["keep", "drop", "relabel"]

FORGOTTEN = "forgotten"
"""Beginning of the reason of images that `pixmill forget` took out; no warning says that they are gone."""

UNLABELLED = "unlabelled"
"""Reason of drops of images without a label, which no run reads; no warning says that they are not there."""

_MIN_ID_LENGTH = 8
"""Minimum length of an abbreviated id."""

_ID = re.compile(rf"[0-9a-f]{{{_MIN_ID_LENGTH},64}}")
"""An id or its beginning."""


@dataclass(frozen=True)
class Decision:
    """A decision on one image.

    Args:
        line: Line of ``review.csv``, from 1.
        image: Id or at least its first 8 digits, source (such as ``data/coat/0001.png`` or a URL),
            or path (``images/…``).
        verb: ``keep`` overrides all automatic verdicts on a readable image with a declared label;
            ``drop`` drops it; ``relabel`` keeps it with another label.
        label: Label of a ``relabel``; otherwise empty.
        by: Reviewer; may be empty.
        why: Reason; may be empty.
    """

    line: int
    image: str
    verb: Verb
    label: str = ""
    by: str = ""
    why: str = ""


@dataclass(frozen=True)
class Names:
    """Names of an image that a decision may use.

    Args:
        id: Image id.
        places: Path in the manifest, and all URLs or files of its sightings.
    """

    id: str
    places: tuple[str, ...]


def read_decisions(path: Path, classes: Sequence[str]) -> tuple[Decision, ...]:
    """Read ``review.csv``.

    Args:
        path: File with the columns of :data:`HEADER`. A missing file has no decisions.
        classes: The classes.

    Raises:
        DecisionsError: A line is malformed.
    """
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return ()
    except (IsADirectoryError, UnicodeDecodeError) as error:
        raise DecisionsError(
            f"{path.name} cannot be read: {error}", next=f"save {path.name} as CSV in UTF-8"
        ) from None
    rows = _rows(text)
    line, header = next(rows, (1, []))
    if tuple(header) != HEADER:
        raise _refusal(line, f"the header {','.join(HEADER)}", repr(",".join(header)))
    return tuple(_decision(line, row, classes) for line, row in rows)


def render_decisions(decisions: Iterable[Decision]) -> str:
    """Return the text of ``review.csv``, sorted by image with one line each to avoid merge conflicts.

    Line numbers and white space in ``by`` and ``why`` are normalised.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for item in sorted(decisions, key=lambda item: (item.image, item.line)):
        writer.writerow(
            [
                item.image,
                item.verb,
                item.label,
                " ".join(item.by.split()),
                " ".join(item.why.split()),
            ]
        )
    return text.getvalue()


def match_decisions(
    decisions: Iterable[Decision], images: Iterable[Names]
) -> tuple[dict[str, Decision], list[Decision]]:
    """Find the image of each decision.

    Identical lines, which merging two branches may produce, count once.

    Args:
        decisions: The decisions.
        images: Images that decisions may refer to.

    Returns:
        Decisions by image id, and decisions whose image does not exist.

    Raises:
        DecisionsError: A line matches several images, or two different lines match the same image.
    """
    first = list(
        {replace(decision, line=0): decision for decision in reversed(list(decisions))}.values()
    )[::-1]
    by_name: dict[str, set[str]] = {}
    for image in images:
        for name in (image.id[:_MIN_ID_LENGTH], *image.places):
            by_name.setdefault(name, set()).add(image.id)
    found: dict[str, Decision] = {}
    gone: dict[str, Decision] = {}
    for decision in first:
        ids = set(by_name.get(decision.image, ()))
        if _ID.fullmatch(start := decision.image.lower()):
            ids |= {
                name for name in by_name.get(start[:_MIN_ID_LENGTH], ()) if name.startswith(start)
            }
        if len(ids) > 1:
            raise _refusal(
                decision.line, "one image", f"{decision.image!r}, which matches {len(ids)}"
            )
        # Missing images are compared by the given name.
        name, known = (ids.pop(), found) if ids else (decision.image, gone)
        if name in known:
            other = f"a second one for {name}, already in line {known[name].line}"
            raise _refusal(decision.line, "one decision per image", other)
        known[name] = decision
    return found, list(gone.values())


def names_of(
    decisions: Iterable[Decision], images: pd.DataFrame, sightings: pd.DataFrame
) -> list[Names]:
    """Return the images that decisions may refer to, with their names.

    Args:
        decisions: The decisions.
        images: ``id`` and ``path`` of all images.
        sightings: ``id`` and ``image_url`` of the sightings.
    """
    wanted = {decision.image for decision in decisions}
    if not wanted:
        return []
    starts = {image[:_MIN_ID_LENGTH].lower() for image in wanted if _ID.fullmatch(image.lower())}
    by_path = images.loc[images["path"].isin(wanted), ["id", "path"]].set_axis(
        ["id", "place"], axis=1
    )
    by_url = sightings.loc[sightings["image_url"].isin(wanted), ["id", "image_url"]].set_axis(
        ["id", "place"], axis=1
    )
    by_id = images.loc[images["id"].str[:_MIN_ID_LENGTH].isin(starts), ["id"]]
    places: dict[str, list[str]] = {name: [] for name in by_id["id"]}
    for name, place in pd.concat([by_path, by_url]).dropna().itertuples(index=False):
        places.setdefault(name, []).append(place)
    existing = images.loc[images["id"].isin(set(places)), "id"]
    return [Names(name, tuple(dict.fromkeys(places[name]))) for name in existing]


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank with its first line number."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield line, [cell.strip() for cell in row]
            line = reader.line_num + 1
    except csv.Error as error:
        raise _refusal(line, "comma-separated values", str(error)) from None


def _decision(line: int, row: list[str], classes: Sequence[str]) -> Decision:
    if len(row) != len(HEADER):
        raise _refusal(line, f"{len(HEADER)} values ({', '.join(HEADER)})", str(len(row)))
    image, verb, label, by, why = row
    label = to_nfc(label)
    if not _ID.fullmatch(image.lower()) and "/" not in image:
        raise _refusal(line, "an image's id (at least 8 digits of it), path or URL", repr(image))
    if verb not in get_args(Verb):
        raise _refusal(line, f"one of the decisions {', '.join(get_args(Verb))}", repr(verb))
    if verb == "relabel" and label not in classes:
        raise _refusal(line, f"one of the labels {first_of(classes)}", repr(label))
    if verb != "relabel" and label:
        raise _refusal(line, f"no label for the decision '{verb}'", repr(label))
    return Decision(line, image, verb, label, by, why)  # type: ignore[arg-type]


def _refusal(line: int, expected: str, received: str) -> DecisionsError:
    received = received if received.isprintable() else repr(received)
    shown = received if len(received) <= 120 else f"{received[:117]}..."
    return DecisionsError(
        f"review.csv, line {line}: expected {expected}, received {shown}",
        next=f"edit line {line} of review.csv, then: dvc repro validate",
    )
