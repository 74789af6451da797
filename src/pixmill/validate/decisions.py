"""People's decisions on single images: read from ``review.csv``, matched with the images that are there."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from pixmill.core.errors import ReviewError
from pixmill.core.params.names import to_nfc

HEADER = ("image", "decision", "label", "by", "why")

Verb = Literal["keep", "drop", "relabel"]

_SHORTEST = 8
"""The fewest digits of an id that name an image."""

_DIGITS = re.compile(rf"[0-9a-f]{{{_SHORTEST},64}}")
"""An id, or enough of its beginning."""


@dataclass(frozen=True)
class Decision:
    """The decision about one image.

    Args:
        line: The line of ``review.csv``, from 1.
        image: How the person named it: its id, at least the first 8 digits of it, or where it came from (such as
            ``data/coat/0001.png`` or a URL) or lies (``images/…``).
        verb: ``keep`` overrides every automatic verdict on an image that decodes and has a declared label; ``drop``
            drops it; ``relabel`` keeps it under another label.
        label: The label of a ``relabel``; empty otherwise.
        by: Who decided; may be empty.
        why: The reason; may be empty.
    """

    line: int
    image: str
    verb: Verb
    label: str = ""
    by: str = ""
    why: str = ""


@dataclass(frozen=True)
class Names:
    """The names that a decision may use for one image.

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
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return ()
    except (IsADirectoryError, UnicodeDecodeError) as error:
        raise ReviewError(f"{path.name} cannot be read: {error}", next=f"save {path.name} as CSV in UTF-8") from None
    rows = _rows(text)
    line, header = next(rows, (1, []))
    if tuple(header) != HEADER:
        raise _refusal(line, f"the header {','.join(HEADER)}", repr(",".join(header)))
    return tuple(_decision(line, row, classes) for line, row in rows)


def render_decisions(decisions: Iterable[Decision]) -> str:
    """Return decisions as ``review.csv`` holds them: sorted by image, one line each, so that two branches merge.

    Reading it gives the same decisions again, but for their lines and for white space in ``by`` and ``why``, of which
    any is as good as one blank.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for item in sorted(decisions, key=lambda item: (item.image, item.line)):
        writer.writerow([item.image, item.verb, item.label, " ".join(item.by.split()), " ".join(item.why.split())])
    return text.getvalue()


def match_decisions(
    decisions: Iterable[Decision], images: Iterable[Names]
) -> tuple[dict[str, Decision], list[Decision]]:
    """Find the image of each decision.

    A line that repeats another word for word, as two merged branches may, counts once.

    Args:
        decisions: What people decided.
        images: The images that decisions may mean.

    Returns:
        The decisions by id, and those whose image is not there.

    Raises:
        ReviewError: A line means several images, or two lines mean the same one and are not the same.
    """
    first = list({replace(decision, line=0): decision for decision in reversed(list(decisions))}.values())[::-1]
    by_name: dict[str, set[str]] = {}
    for image in images:
        for name in (image.id[:_SHORTEST], *image.places):
            by_name.setdefault(name, set()).add(image.id)
    found: dict[str, Decision] = {}
    gone: dict[str, Decision] = {}
    for decision in first:
        ids = set(by_name.get(decision.image, ()))
        if _DIGITS.fullmatch(start := decision.image.lower()):
            ids |= {name for name in by_name.get(start[:_SHORTEST], ()) if name.startswith(start)}
        if len(ids) > 1:
            raise _refusal(decision.line, "one image", f"{decision.image!r}, which matches {len(ids)}")
        # Of images that are gone, nobody knows whether they are the same but by what people call them.
        name, known = (ids.pop(), found) if ids else (decision.image, gone)
        if name in known:
            other = f"a second one for {name}, already in line {known[name].line}"
            raise _refusal(decision.line, "one decision per image", other)
        known[name] = decision
    return found, list(gone.values())


def names_of(decisions: Iterable[Decision], images: pd.DataFrame, sightings: pd.DataFrame) -> list[Names]:
    """Return the images that decisions may mean, of a million perhaps three, with the names by which they do.

    Args:
        decisions: What people decided.
        images: ``id`` and ``path`` of the images that are there.
        sightings: ``id`` and ``image_url`` of their sightings.
    """
    wanted = {decision.image for decision in decisions}
    if not wanted:
        return []
    starts = {image[:_SHORTEST].lower() for image in wanted if _DIGITS.fullmatch(image.lower())}
    by_path = images.loc[images["path"].isin(wanted), ["id", "path"]].set_axis(["id", "place"], axis=1)
    by_url = sightings.loc[sightings["image_url"].isin(wanted), ["id", "image_url"]].set_axis(["id", "place"], axis=1)
    by_id = images.loc[images["id"].str[:_SHORTEST].isin(starts), ["id"]]
    places: dict[str, list[str]] = {name: [] for name in by_id["id"]}
    for name, place in pd.concat([by_path, by_url]).dropna().itertuples(index=False):
        places.setdefault(name, []).append(place)
    there = images.loc[images["id"].isin(set(places)), "id"]
    return [Names(name, tuple(dict.fromkeys(places[name]))) for name in there]


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
    image, verb, label, by, why = row
    label = to_nfc(label)
    if not _DIGITS.fullmatch(image.lower()) and "/" not in image:
        raise _refusal(line, "an image's id (at least 8 digits of it), path or URL", repr(image))
    if verb not in get_args(Verb):
        raise _refusal(line, f"one of the decisions {', '.join(get_args(Verb))}", repr(verb))
    if verb == "relabel" and label not in classes:
        raise _refusal(line, f"one of the labels {', '.join(classes)}", repr(label))
    if verb != "relabel" and label:
        raise _refusal(line, f"no label for the decision '{verb}'", repr(label))
    return Decision(line, image, verb, label, by, why)  # type: ignore[arg-type]


def _refusal(line: int, expected: str, received: str) -> ReviewError:
    received = received if received.isprintable() else repr(received)
    shown = received if len(received) <= 120 else f"{received[:117]}..."
    return ReviewError(
        f"review.csv, line {line}: expected {expected}, received {shown}",
        next=f"edit line {line} of review.csv, then: dvc repro validate",
    )
