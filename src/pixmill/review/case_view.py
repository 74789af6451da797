"""The cases of a session as data for the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pixmill.core.decisions import Decided
from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import file_digest
from pixmill.core.spellings import resolve
from pixmill.review.cases import KINDS, MAX_SHOWN, Case
from pixmill.review.review_session import Session

_AHEAD = 8
"""Number of cases whose images are decoded before they are shown."""

_COMPARED = 2
"""Training images of each class that an image is compared with."""

_QUESTIONS = ("labels", "flips", "errors", "uncertain")
"""Kinds of cases that question the label of one image."""


def find_row(session: Session, name: str) -> int:
    """Return the row of an image of the last run, or of the inbox.

    Args:
        session: The session.
        name: File on this machine, or at least 8 digits of the image's id.

    Raises:
        PixmillError: The name fits no image.
    """
    if Path(name).is_file():
        name = file_digest(Path(name))
    image = resolve(session.root, [name]).get(name, name)
    for row in session.images.rows_of(image):
        if not session.images.is_new_file(row):
            return row
    raise PixmillError(
        f"{name} names no image of artifacts/validate",
        next="if it was added since: dvc repro; else name its file, or 8 digits of its id",
    )


def overview(session: Session, row: int | None = None) -> dict[str, Any]:
    """Return facts about a session: reviewer, classes, number of cases, first case.

    Args:
        session: The session.
        row: The image to begin with, in any state; default: the first open case.
    """
    first = None if row is None else session.find_case(row)
    settled = _settled(session)
    return {
        "number": session.number,
        "task": session.params.task,
        "by": session.by,
        "total": len(session.cases),
        "first": _next_open(settled, -1) if first is None else first,
        "image": row,
        "trained": bool(session.tables and session.tables.training),
        "inbox": any(case.kind == "feedback" for case in session.cases),
    }


def case_content(session: Session, number: int) -> dict[str, Any]:
    """Return a case with its images and what is decided about them.

    Args:
        session: The session.
        number: Index of the case.

    Raises:
        IndexError: There is no such case.
    """
    session.refresh()
    case = session.cases[number]
    settled = _settled(session)
    return {
        "number": number,
        "total": len(session.cases),
        "kind": case.kind,
        "title": case.title,
        "why": case.why,
        "suggestion": case.suggestion,
        "label": case.label,
        "settled": settled[number],
        "next": _next_open(settled, number),
        "done": sum(settled),
        "kinds": _kinds(session, settled),
        "classes": session.shown_classes(),
        "images": [_image(session, row) for row in case.members[:MAX_SHOWN]],
        "hidden": case.members[MAX_SHOWN:],
        "comparison": [_image(session, row) for row in _compared(session, case)],
    }


def next_images(session: Session, number: int) -> list[int]:
    """Return the rows of the images of this and the following cases, in display order."""
    cases = session.cases[number : number + _AHEAD]
    return [row for case in cases for row in (*case.members[:MAX_SHOWN], *_compared(session, case))]


def _compared(session: Session, case: Case) -> Sequence[int]:
    """Return the rows of the images to compare a case with.

    If it questions a label, these are the training images of the label, and of the suggestion,
    that are most like its image; none until the features are known.
    """
    tables = session.tables
    if case.kind not in _QUESTIONS or tables is None:
        return case.comparison
    (row,) = case.members
    vectors = session.advisor.last.vectors
    if not np.isfinite(vectors[row, 0]):
        session.images.begin()
        session.renew()
        return []
    found: list[int] = []
    labelling = session.labelling
    answers = labelling.about([*tables.training], case.label)
    for answer in labelling.answers([tables.labels[row] or "", case.suggestion or ""]):
        of = [
            at for at, one in zip(tables.training.values(), answers, strict=True) if one == answer
        ]
        rows = np.concatenate([np.zeros(0, np.intp), *of])
        others = rows[(rows != row) & np.isfinite(vectors[rows, 0])]
        order = np.argsort(-(vectors[others] @ vectors[row]), kind="stable")
        found += others[order[:_COMPARED]].tolist()
    return found


def _settled(session: Session) -> list[bool]:
    """Return whether each case is settled."""
    rows = {row for case in session.cases for row in case.members}
    decided = {row: of for row in rows if (of := session.decided(row)) is not None}
    labels = [*(session.tables.labels if session.tables else ())]
    if session.corrections is not None:
        labels += [session.corrections.label(name) for name in session.corrections.new]
    unsure = session.unsure
    return [
        number in unsure or case.is_settled(labels, decided)
        for number, case in enumerate(session.cases)
    ]


def _kinds(session: Session, settled: Sequence[bool]) -> list[dict[str, Any]]:
    found = []
    for kind in ("named", *KINDS):
        numbers = [number for number, case in enumerate(session.cases) if case.kind == kind]
        if numbers:
            waiting = [number for number in numbers if not settled[number]]
            found.append(
                {
                    "kind": kind,
                    "total": len(numbers),
                    "done": len(numbers) - len(waiting),
                    "first": (waiting or numbers)[0],
                }
            )
    return found


def _image(session: Session, row: int) -> dict[str, Any]:
    name = str(session.images.ids[row])
    is_new = session.images.correction(row) is not None
    facts: Mapping[str, Any] = {}
    if is_new and session.corrections is not None:
        facts = session.corrections.facts(name)
    elif session.tables is not None:
        facts = session.tables.facts(row)
    decided = session.decided(row)
    show = session.labelling.show
    shown = {
        "label": show(facts.get("label")),
        "came_as": [show(text) or text for text in facts.get("came_as", ())],
    }
    decision = None
    if decided is not None:
        decision = _describe(decided, show(session.labelling.resolve((), decided)) or "")
    return {"id": name, "row": row, **facts, **shown, "decision": decision}


def _describe(decided: Decided, label: str) -> dict[str, str]:
    verb: str = decided.fate or "label"
    if decided.fate != "drop" and decided.is_disputed:
        verb = "disputed"
        label = decided.dispute()
    elif decided.fate != "drop" and label:
        verb = "relabel"
    return {"verb": verb, "label": label, "by": decided.by, "why": decided.why}


def _next_open(settled: Sequence[bool], number: int) -> int | None:
    """Return the next open case after this one, wrapping around; ``None`` if all are settled."""
    order = [*range(number + 1, len(settled)), *range(number + 1)]
    return next((place for place in order if not settled[place]), None)
