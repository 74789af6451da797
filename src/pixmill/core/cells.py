"""Cells: what is known of an image and a label in a project with several labels an image.

A cell is yes (True), no (False) or unknown (absent). In tables, the column ``label`` then holds all
cells of an image as JSON: ``{"dark":true,"long":false}``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pixmill.core.words import first_of

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


def parse_cells(text: Any) -> Cells:
    """Return the cells of a text; a missing text has none.

    >>> parse_cells('{"dark":true,"long":false}'), parse_cells(None)
    ({'dark': True, 'long': False}, {})
    """
    return json.loads(text) if isinstance(text, str) else {}


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
    """Return labels as a list for a table; a label that contains ``;`` is in double quotes.

    >>> render_list(["dark", "a;b"])
    'dark;"a;b"'
    """
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="").writerow(labels)
    return text.getvalue()


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


def yes_labels(text: Any) -> list[str]:
    """Return the labels that an image has."""
    return [label for label, answer in parse_cells(text).items() if answer]


def show_labels(labels: Sequence[str]) -> str:
    """Return labels for a page or message; none of them is an answer, too.

    >>> show_labels(["dark", "long"]), show_labels([])
    ('dark, long', 'none of these')
    """
    return first_of(labels, len(labels)) if labels else NONE


def by_label(
    table: pd.DataFrame, labels_of: Callable[[Any], Collection[str]], otherwise: str | None = None
) -> pd.DataFrame:
    """Return a table of images with one row for each label of an image, and the same index.

    Args:
        table: ``label`` holds cells.
        labels_of: Returns the labels of a text.
        otherwise: Label of images without any; default: they have no row. Those without cells have
            one without a label.
    """
    lists = table["label"].map(
        lambda text: [*labels_of(text)] or ([otherwise] if otherwise else []), na_action="ignore"
    )
    some = lists.map(len, na_action="ignore") != 0
    found = table.assign(label=lists.astype(object))[some].explode("label")
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


def listed_labels(text: str) -> list[str]:
    """Return the labels that a text of a table's column ``label`` names: cells, or a class.

    >>> listed_labels('{"dark":true,"long":false}'), listed_labels("saree")
    (['dark'], ['saree'])
    """
    return yes_labels(text) if text.startswith("{") else [text]


def show_cells(text: str) -> str:
    """Return a text of a table's column ``label`` for a page or message.

    >>> show_cells('{"dark":true,"long":false}'), show_cells("{}"), show_cells("saree")
    ('dark', 'none of these', 'saree')
    """
    return show_labels(listed_labels(text))
