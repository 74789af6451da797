"""One image by its name, to be reviewed whatever its state."""

from collections.abc import Sequence
from pathlib import Path

from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import file_digest
from pixmill.review.decision_log import SHORTEST
from pixmill.review.doubts import SHOWN, Case
from pixmill.review.feedback import WithInbox


def find_image(images: WithInbox, name: str) -> int:
    """Return the row of an image.

    Args:
        images: All images, those of the inbox as well.
        name: A file on this machine, or at least 8 digits of the image's id.

    Raises:
        PixmillError: It is none of the images, or several.
    """
    start = file_digest(Path(name)) if Path(name).is_file() else name.lower()
    rows = [row for row, known in enumerate(images.ids) if len(start) >= SHORTEST and known.startswith(start)]
    if len(rows) == 1:
        return rows[0]
    raise PixmillError(
        f"{name} names {len(rows)} images of artifacts/validate",
        next="if it has been added since: dvc repro; else name it by its file or its id (at least 8 digits)",
    )


def with_image(cases: Sequence[Case], images: WithInbox, row: int) -> list[Case]:
    """Return the cases, and before them one of an image that none of them shows.

    Args:
        cases: What is reviewed.
        images: All images.
        row: The image.
    """
    if any(row in case.members[:SHOWN] for case in cases):
        return list(cases)
    facts = images.facts(row)
    return [Case("named", "The image that you named", facts["reason"] or facts["verdict"], (row,)), *cases]
