"""What the label of an image is by task: what a search says about it, and what the page says."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pixmill.core.cells import Task, cells_of, render_cells


class Labelling(NamedTuple):
    """How images are labelled.

    Args:
        text: Returns the text for the column ``label`` from the label of a candidate.
        kinds: What the page calls one and several labels.
        counted: What the page counts by label.
        disputed: What the page says of images whose sightings disagree.
    """

    text: Callable[[str], str]
    kinds: tuple[str, str]
    counted: str
    disputed: str


LABELLINGS: dict[Task, Labelling] = {
    "one_label": Labelling(
        str,
        ("class", "classes"),
        "images found for several classes are not counted",
        "found under several labels; dropped until you decide",
    ),
    "labels": Labelling(
        lambda label: render_cells(cells_of(label)),
        ("label", "labels"),
        "an image counts for each label it has",
        "one source gives a label, another denies it; unknown until you decide",
    ),
}
"""By ``task``."""
