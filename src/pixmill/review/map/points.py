"""The images of the map as data for the page: where each is, and what can colour it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.cells import show_labels
from pixmill.evaluate.predictions import held_out
from pixmill.review.grid.suggesting import DROPPED
from pixmill.review.map.making import Map
from pixmill.review.review_session import Session

_STEPS = 10_000
"""Positions are whole numbers up to this."""

_COLOURS = {
    "label": ("Label", "no label"),
    "predicted": ("Prediction", "no prediction"),
    "right": ("Right or wrong", "not tested"),
    "split": ("Split", "in no split"),
    "source": ("Source", "unknown"),
    "query": ("Search", "none"),
    "snapshot": ("Collected", "unknown"),
}
"""Name on the page of each column, and of a missing value."""


def list_points(made: Map) -> dict[str, Any]:
    """Return the images on the map, without those that were dropped.

    ``number`` of the session. All lists have one item per image: ``rows`` of the session; ``x`` and
    ``y`` from 0 to 10,000; ``ids`` in one text. ``issues``: numbers of the images whose label may
    be wrong. ``colours``: ``name``, ``values`` and the number ``of`` the value of each image, -1
    for ``none``.

    Args:
        made: The map when it is ready.
    """
    session = made.session
    rows = made.rows
    places = made.places
    labels = [*session.labels]
    is_shown = np.isfinite(places[:, 0])
    is_shown &= np.array([labels[row] != DROPPED for row in rows], bool)
    shown = [rows[place] for place in np.flatnonzero(is_shown).tolist()]
    ids = [str(session.images.ids[row]) for row in shown]
    columns = session.labelling.colours([labels[row] for row in shown], session.classes)
    facts = _facts(session, pd.DataFrame(columns, index=ids))
    steps = np.round(_STEPS * places[is_shown]).astype(int)
    doubtful = {
        row
        for case in session.cases
        if case.kind == "labels"
        for row in case.members
        if session.decided(row) is None
    }
    return {
        "number": session.number,
        "rows": shown,
        "ids": "".join(ids),
        "x": steps[:, 0].tolist(),
        "y": steps[:, 1].tolist(),
        "issues": [place for place, row in enumerate(shown) if row in doubtful],
        "colours": _colours(facts, columns),
    }


def _facts(session: Session, labels: pd.DataFrame) -> pd.DataFrame:
    """Add what the last run knows of images to their labels, by id."""
    tables = session.tables
    if tables is None:
        return labels
    facts = labels.join(tables.manifest.set_index("id")[["source", "query", "snapshot"]])
    if tables.predictions is None:
        return facts
    answers = tables.predictions.set_index("id")[["label", "predicted", "split"]].astype(object)
    wrong = map(session.labelling.is_wrong, answers["label"], answers["predicted"])
    is_right = pd.Series(["wrong" if each else "right" for each in wrong], answers.index)
    # Whether a model is right about the images that it was fitted to says nothing.
    answers["right"] = is_right.where(held_out(tables.predictions).to_numpy(bool))
    labels_of = session.head.labels_of
    answers["predicted"] = [show_labels(labels_of(text)) for text in answers["predicted"]]
    return facts.join(answers.drop(columns="label"))


def _colours(facts: pd.DataFrame, labels: Collection[str]) -> list[dict[str, Any]]:
    """Return the columns that tell images apart, labels first."""
    found = []
    names = {name: (name, "unknown") for name in labels} | _COLOURS
    for column, (name, none) in names.items():
        if column in facts:
            of, values = pd.factorize(facts[column].astype(object), sort=True)
            if column in labels or len(values) + (-1 in of) > 1:
                texts = [str(value) for value in values]
                found.append({"name": name, "none": none, "values": texts, "of": of.tolist()})
    return found
