"""The grid of a session as data for the page."""

from collections.abc import Collection
from typing import Any

from pixmill.review.cases import KINDS
from pixmill.review.grid.suggesting import DROPPED, SAMPLE
from pixmill.review.grid.views import View, list_images
from pixmill.review.review_session import Session

_WAIT_SECONDS = 0.25
"""Time that an answer waits for new advice; later one comes with the next answer."""


def grid_state(session: Session, view: View, window: str, known: str = "") -> dict[str, Any]:
    """Return what the grid shows.

    Args:
        session: The session.
        view: What it shows.
        window: Identifies the window.
        known: ``order`` of an earlier answer. If it is still the order, ``rows`` and the like are
            left out.
    """
    session.images.begin()
    session.renew()
    session.advisor.wait(_WAIT_SECONDS)
    with session.lock:
        advice = session.advisor.last
        order = f"{session.number}.{advice.number}"
        answer = {"order": order, **_facts(session), "view": view._asdict()}
        if order != known:
            labels = session.labels[: len(advice.learnt)]
            classes = session.shown_classes()
            queries = session.images.queries
            answer |= list_images(
                view, advice, labels, classes, queries, lambda kind: _doubts(session, kind)
            )
        return answer | session.after(window)


def _doubts(session: Session, kind: str) -> list[int]:
    """Return the rows of the images of a kind of case, most urgent first."""
    rows = (row for case in session.cases if case.kind == kind for row in case.members)
    return list(dict.fromkeys(rows))


def _facts(session: Session) -> dict[str, Any]:
    """Return what the page shows around the images of the grid."""
    counts = session.counts
    advice = session.advisor.last
    sample = advice.sample
    return {
        "number": session.number,
        "by": session.by,
        "classes": [{"name": name, "count": counts[name]} for name in session.shown_classes()],
        "doubts": [kind for kind in KINDS if kind != "feedback"] if session.tables else [],
        "queries": sorted({query for query in session.images.queries if query}),
        "progress": session.images.progress(),
        "labelled": counts.total() - counts[None] - counts[DROPPED],
        "left": counts[None],
        "dropped": counts[DROPPED] - len(session.images.hidden),
        "sample": {
            "size": len(sample),
            "left": sum(session.labels[row] is None for row in sample),
            "grows": len(sample) + SAMPLE // 2 <= len(session.labels) // 3,
        },
        # Before the first advice the grid lists no image.
        "waits": advice.number == 0,
        "stage": _stage({section.kind for section in advice.proposal.sections}),
        "accuracy": advice.accuracy and advice.accuracy._asdict(),
    }


def _stage(kinds: Collection[str]) -> int:
    """Return what to do: 1 to label the sample, 2 to name clusters, 3 to confirm suggestions."""
    for number, kind in enumerate(("sample", "cluster"), 1):
        if kind in kinds:
            return number
    return 3 if kinds else 0
