"""Cells: what is known of an image and a label in a project with several labels an image.

A cell is yes (True), no (False) or unknown (absent). In tables, the column ``label`` then holds all
cells of an image as JSON: ``{"dark":true,"long":false}``.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pixmill.core.errors import ManifestError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

Task = Literal["one_label", "labels"]
"""What an image's label is: one class, or yes, no or unknown for each label."""

Cells = dict[str, bool]
"""Answers by label; a label that is absent is unknown."""

Matrix: TypeAlias = "npt.NDArray[np.int8]"
"""Cells of images (rows) and labels (columns): 1 for yes, 0 for no, -1 for unknown."""

YES, NO, UNKNOWN = 1, 0, -1

NONE = "none of these"
"""How an answer without any label is shown."""

WITHOUT = "without a yes"
"""How images are counted that have no label, as far as is known."""


def parse_cells(text: Any) -> Cells:
    """Return the cells of a text; a missing text has none.

    >>> parse_cells('{"dark":true,"long":false}'), parse_cells(None)
    ({'dark': True, 'long': False}, {})

    Raises:
        ManifestError: The text holds no cells.
    """
    if not isinstance(text, str):
        return {}
    try:
        cells = json.loads(text)
        if {*map(type, cells.values())} <= {bool}:
            return dict(cells)
    except (ValueError, AttributeError):
        pass
    raise ManifestError(
        f"the label {text[:80]!r} of a table is not yes and no by label, as task: labels needs",
        next="dvc repro -f",
    )


def task_of(text: str) -> Task:
    """Return the task of a project whose tables have this text in the column ``label``."""
    return "labels" if text.startswith(('{"', "{}")) else "one_label"


def cells_of(text: str | None) -> Cells:
    """Return the cells of a text of a table's column ``label``; a class is the one label.

    >>> cells_of('{"dark":true,"long":false}'), cells_of("saree")
    ({'dark': True, 'long': False}, {'saree': True})
    """
    return {text: True} if text and task_of(text) == "one_label" else parse_cells(text)


def render_cells(cells: Mapping[str, bool]) -> str:
    """Return the text of cells, in the order of the labels: the same bytes each time.

    >>> render_cells({"long": False, "dark": True})
    '{"dark":true,"long":false}'
    """
    return json.dumps(dict(sorted(cells.items())), ensure_ascii=False, separators=(",", ":"))


def read_list(text: str | None) -> list[str]:
    """Return the labels of a list in a table, in their order.

    >>> read_list('dark; "a;b";'), read_list(None)
    (['dark', 'a;b'], [])
    """
    cells = next(csv.reader([text or ""], delimiter=";", skipinitialspace=True), [])
    return [label for cell in cells if (label := cell.strip())]


def render_list(labels: Iterable[str]) -> str:
    """Return labels as a list for a table; one with a sign that may separate them is in quotes.

    >>> render_list(["dark", "a;b"])
    'dark;"a;b"'
    """
    return ";".join(
        '"' + label.replace('"', '""') + '"' if re.search('[;|,"]', label) else label
        for label in labels
    )


def to_matrix(texts: Iterable[Any], labels: Sequence[str]) -> Matrix:
    """Return the cells of texts, shape (images, labels); other labels are left out.

    >>> to_matrix(['{"long":true}', None], ["dark", "long"])
    array([[-1,  1],
           [-1, -1]], dtype=int8)
    """
    import numpy as np  # which takes time, and texts do not need

    places = {label: place for place, label in enumerate(labels)}
    rows = [parse_cells(text) for text in texts]
    matrix = np.full((len(rows), len(labels)), UNKNOWN, np.int8)
    for row, cells in enumerate(rows):
        for label, answer in cells.items():
            place = places.get(label)
            if place is not None:
                matrix[row, place] = answer
    return matrix


def to_indices(texts: Iterable[Any], labels: Sequence[str]) -> npt.NDArray[np.int32]:
    """Return the class index of each text, in a project with one label an image.

    Raises:
        KeyError: A text is not among the labels.
    """
    import numpy as np  # which takes time, and texts do not need

    places = {label: place for place, label in enumerate(labels)}
    return np.array([places[text] for text in texts], np.int32)


def to_texts(matrix: npt.NDArray[np.integer[Any]], labels: Sequence[str]) -> list[str]:
    """Return the text of each row of cells, the inverse of :func:`to_matrix`."""
    return [
        render_cells(
            {label: bool(cell) for label, cell in zip(labels, row, strict=True) if cell != UNKNOWN}
        )
        for row in matrix.tolist()
    ]


def show_labels(labels: Sequence[str]) -> str:
    """Return labels for a page or message; none of them is an answer, too.

    >>> show_labels(["dark", "long"]), show_labels([])
    ('dark, long', 'none of these')
    """
    return ", ".join(labels) or NONE


def by_label(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of images with one row for each label of an image, and the same index.

    Args:
        table: ``label`` is as in the tables of stages. Images that have no label count as
            :data:`WITHOUT`, and those of which nothing is known keep their row.
    """
    lists = table["label"].map(lambda text: yes_labels(text) or [WITHOUT], na_action="ignore")
    found = table.assign(label=lists.astype(object)).explode("label")
    return found.astype({"label": table["label"].dtype})


def merge_cells(several: Iterable[Mapping[str, bool]]) -> tuple[Cells, list[str]]:
    """Return the cells of several sources, and the labels on which they disagree.

    Those are unknown.

    >>> merge_cells([{"dark": True, "long": True}, {"long": False}])
    ({'dark': True}, ['long'])
    """
    merged: Cells = {}
    disputed: dict[str, None] = {}
    for cells in several:
        for label, answer in cells.items():
            if merged.setdefault(label, answer) != answer:
                disputed[label] = None
    return {label: cell for label, cell in merged.items() if label not in disputed}, [*disputed]


def merge_texts(texts: Sequence[str]) -> tuple[str | None, bool]:
    """Return the text of an image for the column ``label``, and whether its sources disagree.

    Where they do, a class is missing, and a cell unknown.

    >>> merge_texts(["coat", "dress"]), merge_texts(['{"dark":true}', '{"long":false}'])
    ((None, True), ('{"dark":true,"long":false}', False))

    Args:
        texts: The distinct texts of its sources, at least one.
    """
    if task_of(texts[0]) == "one_label":
        return (texts[0], False) if len(texts) == 1 else (None, True)
    cells, disputed = merge_cells(map(parse_cells, texts))
    return render_cells(cells), bool(disputed)


def yes_labels(text: str | None) -> list[str]:
    """Return the labels that an image has by a text of a table's column ``label``.

    >>> yes_labels('{"dark":true,"long":false}'), yes_labels("saree")
    (['dark'], ['saree'])
    """
    return [label for label, answer in cells_of(text).items() if answer]


def show_cells(text: str) -> str:
    """Return a text of a table's column ``label`` for a page or message.

    >>> show_cells('{"dark":true,"long":false}'), show_cells('{"long":false}'), show_cells("{}")
    ('dark', 'not long', 'none of these')
    """
    cells = cells_of(text)
    # Of the labels that are not there, nothing is known.
    lacks = [] if True in cells.values() else [f"not {label}" for label in cells]
    return show_labels(lacks or yes_labels(text))
