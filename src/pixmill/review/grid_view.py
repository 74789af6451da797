"""The grid of a session as data for the page."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import BaseModel, Field

from pixmill.review.grid.suggesting import DROPPED, SAMPLE
from pixmill.review.grid.views import View, list_images
from pixmill.review.review_session import Session

_WAIT_SECONDS = 0.25
"""Time that an answer waits for new advice; later one comes with the next answer."""

_BLIND = ("asked:random", "asked:disagreement")
"""Scopes without suggestions and in the order of drawing, since the answers judge a model."""


class Selection(BaseModel):
    """Images by id that a person selected on another page, and where, such as ``on the map``.

    ``window`` identifies the browser's tab, which alone shows it.
    """

    ids: list[Annotated[str, Field(max_length=64)]]
    where: Annotated[str, Field(max_length=40)] = ""
    window: Annotated[str, Field(max_length=40)] = ""


def grid_state(
    session: Session, view: View, window: str, known: str = "", selection: Selection | None = None
) -> dict[str, Any]:
    """Return what the grid shows.

    Args:
        session: The session.
        view: What it shows.
        window: Identifies the window.
        known: ``order`` of an earlier answer. If it is still the order, ``rows`` and the like are
            left out.
        selection: Images of the scope ``selection``. Default: none.
    """
    is_blind = view.scope in _BLIND
    if is_blind:
        view = view._replace(sort="files")
    session.images.begin()
    session.look_at(view.focus)
    session.renew()
    if view.sort != "files":
        session.advisor.wait(_WAIT_SECONDS)
    with session.lock:
        advice = session.advisor.about(session.focus)
        order = f"{session.number}.{advice.number}{session.focus}"
        # Until there is advice about its label again, a window keeps what it has.
        is_kept = not advice.number and known.startswith(f"{session.number}.")
        selection = selection or Selection(ids=[])
        answer = {"order": order, **_facts(session), "view": view._asdict()}
        answer["selected"] = {"count": len(selection.ids), "where": selection.where}
        if order != known and not is_kept:
            labels = session.answers()[: len(advice.learnt)]
            classes = session.labelling.answers(session.shown_classes())
            queries = session.images.queries
            listed = _listed(session, view, selection.ids)
            answer |= list_images(view, advice, labels, classes, queries, listed)
            answer |= session.labelling.tiles([session.labels[row] for row in answer["rows"]])
            if is_blind:
                answer |= dict.fromkeys(("guess", "word"), [-1] * len(answer["rows"]))
                for section in answer["sections"]:
                    section["kind"] = "asked"
            elif listed is not None:
                answer |= _said(session, answer["rows"])
        return answer | session.after(window)


def _said(session: Session, rows: Sequence[int]) -> dict[str, list[str]]:
    """Return what the model says of images, if it has answered."""
    if session.tables is None:
        return {}
    answers = session.tables.answers(session.labelling.tell)
    return {"said": [answers.get(row, "") for row in rows]}


def _listed(session: Session, view: View, selected: Sequence[str]) -> list[int] | None:
    """Return the rows of a scope that is a list of images; ``None`` for other scopes."""
    (scope, _, kind) = view.scope.partition(":")
    rows: Iterable[int]
    if scope == "selection":
        rows = (row for name in selected for row in session.images.rows_of(name)[:1])
    elif scope == "asked":
        rows = _open(session, kind)
    elif scope == "errors":
        tables = session.tables
        is_wrong = partial(session.labelling.is_wrong, label=view.label, said=view.predicted)
        rows = tables.errors(is_wrong) if tables else ()
    elif scope == "doubt":
        rows = (row for case in session.cases if case.kind == kind for row in case.members)
    else:
        return None
    return list(dict.fromkeys(rows))


def _open(session: Session, reason: str) -> list[int]:
    """Return the rows without an answer that people are asked about, in the order of drawing."""
    answers = session.answers()
    rows = [row for row in session.images.asked.get(reason, ()) if answers[row] is None]
    # By the end of the id, which ends the name.
    return sorted(rows, key=lambda row: PurePath(session.images.places[row]).stem[::-1])


def _facts(session: Session) -> dict[str, Any]:
    """Return what the page shows around the images of the grid."""
    labels = session.answers()
    counts = Counter(labels)
    of_labels = session.count_labels()
    advice = session.advisor.about(session.focus)
    sample = advice.sample
    progress = session.images.progress()
    return {
        "number": session.number,
        "by": session.by,
        "task": session.params.task,
        "focus": session.focus,
        "classes": [{"name": name, "count": of_labels[name]} for name in session.shown_classes()],
        "answers": [
            {"name": name, "count": counts[name]}
            for name in session.labelling.answers(session.shown_classes())
        ],
        "doubts": [kind for kind in session.labelling.kinds if kind != "feedback"]
        if session.tables
        else [],
        "asked": [reason for reason in session.images.asked if _open(session, reason)],
        "queries": sorted({query for query in session.images.queries if query}),
        "progress": progress,
        "labelled": counts.total() - counts[None] - counts[DROPPED],
        "left": counts[None],
        "dropped": counts[DROPPED] - len(session.images.hidden),
        "sample": {
            "size": len(sample),
            "left": sum(labels[row] is None for row in sample),
            "labelled": sum(
                labels[row] not in (None, DROPPED) and bool(session.images.featured[row])
                for row in sample
            ),
            "before": sum(row in session.held and bool(labels[row]) for row in sample),
            "grows": len(sample) + SAMPLE // 2 <= len(session.labels) // 3,
        },
        # Before the sample is drawn, what to label next is not known.
        "waits": advice.number == 0 or not (sample or progress["hashed"] == progress["files"]),
        "stage": _stage({section.kind for section in advice.proposal.sections}),
        "accuracy": advice.accuracy and advice.accuracy._asdict(),
    }


def _stage(kinds: Collection[str]) -> int:
    """Return what to do: 1 to label the sample, 2 to name clusters, 3 to confirm suggestions."""
    for number, kind in enumerate(("sample", "cluster"), 1):
        if kind in kinds:
            return number
    return 3 if kinds else 0
