"""Views of the grid: which images it shows, in which sections and order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pixmill.review.grid.advice import Advice
from pixmill.review.grid.suggesting import DROPPED, Labels, Rows, Section, fit_head, likes

_EXAMPLES = 1000
"""Maximum number of labelled images that others are compared with."""


class View(NamedTuple):
    """What a page shows.

    Args:
        scope: ``unlabelled``, ``all``, ``class:NAME`` or ``query:TEXT``; or a list of images:
            ``doubt:KIND``, ``errors``, ``selection``, or ``asked:REASON``: of a log, without a label.
        sort: ``next``: what to label next. ``files``: as they are, doubts by urgency. ``belief``:
            the probability of ``label``. ``sure``: how unsure the head is. ``unlike``: how unlike
            the labelled images they are. ``like``: nearness to ``like``.
        label: A class, for ``belief``; for ``errors``, their label. Default: any.
        like: A row, for ``like``.
        predicted: The class that the model says, for ``errors``. Default: any.
        focus: The label that is asked about, if images have several; then the classes of the other
            arguments are ``yes`` and ``no``. Default: the first one.
    """

    scope: str = "unlabelled"
    sort: str = "next"
    label: str = ""
    like: int = -1
    predicted: str = ""
    focus: str = ""


def list_images(
    view: View,
    advice: Advice,
    labels: Labels,
    classes: Sequence[str],
    queries: Sequence[str | None],
    listed: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Return the images of a view in order: sections, and row, guess, belief and word of each.

    Args:
        view: The view.
        advice: The advice that it follows.
        labels: Label of each row that the advice knows.
        classes: Classes that the page shows.
        queries: Query of each row.
        listed: Rows of a scope that is a list of images, in its order; ``None`` for others.
    """
    found = _scope(view.scope, labels, queries, listed)
    # Before the first advice, nothing is shown in an order that depends on it.
    is_known = advice.number > 0 or view.sort == "files"
    parts = _sections(view, advice, labels, found) if is_known else []
    proposal = advice.proposal
    places = {name: place for place, name in enumerate(classes)}
    rows = np.concatenate([np.zeros(0, np.int64), *(part.rows for part in parts)])
    starts = np.cumsum([0, *(len(part.rows) for part in parts)]).tolist()
    return {
        "sections": [
            {"kind": part.kind, "label": part.label, "start": start, "count": len(part.rows)}
            for part, start in zip(parts, starts, strict=False)
        ],
        "rows": rows.tolist(),
        "guess": proposal.guess[rows].tolist(),
        "belief": np.round(100 * proposal.belief[rows]).astype(int).tolist(),
        "words": proposal.words,
        "word": proposal.word[rows].tolist(),
        "given": [places.get(labels[row] or "", -1) for row in rows.tolist()],
    }


def _scope(
    scope: str,
    labels: Labels,
    queries: Sequence[str | None],
    listed: Sequence[int] | None,
) -> Rows:
    """Return the rows of a scope."""
    (kind, _, name) = scope.partition(":")
    if listed is not None:
        rows = [row for row in listed if row < len(labels) and labels[row] != DROPPED]
        return np.array(rows, np.int64)
    is_in: dict[str, Callable[[int], bool]] = {
        "unlabelled": lambda row: labels[row] is None,
        "class": lambda row: labels[row] == name,
        "query": lambda row: queries[row] == name,
    }
    test = is_in.get(kind)
    shown = [row for row, label in enumerate(labels) if label != DROPPED]
    return np.array([row for row in shown if test is None or test(row)], np.int64)


def _sections(view: View, advice: Advice, labels: Labels, found: Rows) -> list[Section]:
    """Return the sections of a view of these rows."""
    inside = np.zeros(len(labels), bool)
    inside[found] = True
    if view.sort == "next":
        # Images to label again have a label.
        parts = [
            section._replace(rows=section.rows[inside[section.rows] | (section.kind == "again")])
            for section in advice.proposal.sections
        ]
        for part in parts:
            inside[part.rows] = False
        waiting = [row for row in found.tolist() if inside[row] and labels[row] is None]
        parts.append(Section("waiting", None, np.array(waiting, np.int64)))
    else:
        # Without a label, images of the sample get no suggestion, and an order would be one.
        if view.sort != "files":
            inside[[row for row in advice.sample if labels[row] is None]] = False
        ranking = _ranking(view, advice, labels, found)
        ranked = ranking[inside[ranking]]
        inside[ranked] = False
        parts = [Section(view.sort, view.label, np.concatenate([ranked, found[inside[found]]]))]
    return [part for part in parts if len(part.rows)]


def _ranking(view: View, advice: Advice, labels: Labels, found: Rows) -> Rows:
    """Return rows by the order of a view; the images that have no place in it are missing."""
    vectors = advice.vectors
    known = np.array([bool(label) for label in advice.learnt], bool)
    known[list(advice.sample)] = False
    known &= np.isfinite(vectors[:, 0])
    examples = np.flatnonzero(known)
    if view.sort == "like" and 0 <= view.like < len(known) and np.isfinite(vectors[view.like, 0]):
        return likes(vectors, [view.like])
    if view.sort == "unlike" and len(examples):
        return likes(vectors, examples[:: max(1, len(examples) // _EXAMPLES)].tolist())[::-1]
    if view.sort in ("belief", "sure") and len({labels[row] for row in examples.tolist()}) > 1:
        return _by_belief(view, advice, labels, found, examples)
    return found


def _by_belief(view: View, advice: Advice, labels: Labels, found: Rows, examples: Rows) -> Rows:
    """Return the rows with features by what a head believes that is fitted to the examples."""
    rows: Rows = found[np.isfinite(advice.vectors[found, 0])]
    if not len(rows):
        return rows
    head = fit_head(advice.vectors[examples], [str(labels[row]) for row in examples.tolist()])
    shares = head.predict_proba(advice.vectors[rows])
    if view.sort == "sure":
        return rows[np.argsort(shares.max(axis=1), kind="stable")]
    names = head.classes_.tolist()
    if view.label not in names:
        return found
    # Among the images of the class, the doubtful ones come first.
    sign = 1 if view.scope == f"class:{view.label}" else -1
    beliefs = shares[:, names.index(view.label)]
    return rows[np.argsort(sign * beliefs, kind="stable")]
