"""One image by its name, to be reviewed whatever its state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pixmill.core.errors import PixmillError
from pixmill.core.files import file_digest
from pixmill.review.doubts import SHOWN, Case
from pixmill.review.material import ReviewData
from pixmill.review.review_session import ImageTable
from pixmill.validate.decisions import Decision

_DIGITS = 8
"""The fewest digits of an id that name an image."""


def find_image(images: ImageTable, material: ReviewData, name: str) -> int:
    """Return the row of an image.

    Args:
        images: All images, those of the inbox as well.
        material: Tells where images come from.
        name: A file on this machine, at least 8 digits of the image's id, or where it came from: a path or URL.

    Raises:
        PixmillError: It is none of the images, or several.
    """
    if Path(name).is_file():
        ids = [file_digest(Path(name))]
    else:
        ids = [known for known in images.ids if len(name) >= _DIGITS and known.startswith(name.lower())]
        ids += [known.id for known in material.names([Decision(0, name, "keep")]) if name in known.places]
    rows = [row for known in dict.fromkeys(ids) if (row := images.row(known)) is not None]
    if len(rows) == 1:
        return rows[0]
    if rows:
        raise PixmillError(f"{name} names {len(rows)} images", next="pixmill review ID, with more digits of the id")
    raise PixmillError(
        f"{name} is not among the images of artifacts/validate",
        next="if its file has been added since: dvc repro; else name it by its file, URL or id (at least 8 digits)",
    )


def with_image(cases: Sequence[Case], images: ImageTable, row: int) -> list[Case]:
    """Return the cases, and before them one of an image that none of them shows.

    Args:
        cases: What is reviewed.
        images: All images.
        row: The image.
    """
    if any(row in case.members[:SHOWN] for case in cases):
        return list(cases)
    facts = images.facts(row)
    state = {"keep": "Kept", "new": "New in the inbox"}.get(facts["verdict"], f"Dropped: {facts['reason']}")
    return [Case("named", "The image that you named", f"{state}.", (row,)), *cases]
