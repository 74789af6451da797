"""How the labels of an image are written: its class, or what it has and what it has not."""

from collections.abc import Callable
from dataclasses import dataclass

from pixmill.core.cells import parse_cells, yes_labels
from pixmill.core.metadata import EXPORTED
from pixmill.core.names import to_slug

Answers = dict[str, str] | dict[str, list[str]]
"""What the columns of labels hold for an image."""


@dataclass(frozen=True)
class Labelling:
    """How labels are written for one ``task`` of params.yaml.

    Args:
        columns: Columns of the tables of metadata.
        lists: Those that hold lists of labels.
        balance: Template of the card's table of labels and splits.
        answers: Return the answers of a text in the column ``label`` of the split.
        folder: Return the name of the image's folder for this text.
    """

    columns: tuple[str, ...]
    lists: tuple[str, ...]
    balance: str
    answers: Callable[[str], Answers]
    folder: Callable[[str], str]


def _to_lists(text: str) -> dict[str, list[str]]:
    """Return what an image has and has not; an unknown label is in neither list."""
    lacks = [label for label, answer in parse_cells(text).items() if not answer]
    return {"label": yes_labels(text), "not_label": lacks}


LABELLINGS = {
    "one_label": Labelling(EXPORTED, (), "classes.md", lambda text: {"label": text}, to_slug),
    "labels": Labelling(
        (*EXPORTED[:2], "not_label", *EXPORTED[2:]),
        ("label", "not_label"),
        "labels.md",
        _to_lists,
        lambda _: "images",
    ),
}
"""How labels are written, by ``task``."""
