"""The change of the confusion matrix; its cells lead to those of their images that the page shows."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pixmill.compare.comparison import Numbers
from pixmill.compare.view import ImageRow
from pixmill.pages.base.chart import shade

_CHANGED = 40
"""Cells in the list of those that changed most."""


@dataclass(frozen=True)
class Cell:
    """One cell of both confusion matrices.

    Args:
        name: Of its anchor, and the class of its images' cards.
        actual: The actual class.
        predicted: The class that base or head predicts.
        base: The images of the base.
        head: The images of the head.
        depth: Its shade, by the share of the row that changed.
        flipped: Its images that flipped, if the count changed.
        shown: Those of them that the page shows.
    """

    name: str
    actual: str
    predicted: str
    base: int
    head: int
    depth: int
    flipped: int
    shown: int

    @property
    def difference(self) -> int:
        """Head minus base."""
        return self.head - self.base

    @property
    def kind(self) -> str:
        """The colour: whether the change is good or bad."""
        return "good" if (self.head > self.base) == (self.actual == self.predicted) else "bad"


class ConfusionChange:
    """The change from the base's confusion matrix to the head's.

    Args:
        numbers: The comparison.
        cards: The rows of its flips that the page shows.
    """

    def __init__(self, numbers: Numbers, cards: Iterable[ImageRow]) -> None:
        self._numbers = numbers
        self._places = {label: place for place, label in enumerate(numbers.labels)}
        self._shown = Counter(place for card in cards for place in self._cells(card))
        self._flipped: Counter[tuple[int, int]] = Counter()
        for revision in ("base", "head"):
            counts = numbers.flips.value_counts(["label", f"{revision}_predicted"])
            for actual, predicted, images in counts.reset_index().itertuples(index=False):
                self._flipped[self._places[actual], self._places[predicted]] += images

    def cell(self, row: int, column: int) -> Cell:
        """Return one cell."""
        labels, matrices = self._numbers.labels, self._numbers.confusion
        before, after = (int(matrix[row, column]) for matrix in matrices)
        images = max(1, *(int(matrix[row].sum()) for matrix in matrices))
        changed = before != after
        return Cell(
            _name(row, column),
            labels[row],
            labels[column],
            before,
            after,
            shade(abs(after - before) / images),
            changed * self._flipped[row, column],
            changed * self._shown[row, column],
        )

    def errors(self) -> list[Cell]:
        """Return the errors whose counts changed, those most first."""
        difference = self._numbers.confusion[1] - self._numbers.confusion[0]
        np.fill_diagonal(difference, 0)
        places = np.argwhere(difference)
        order = np.argsort(-np.abs(difference[tuple(places.T)]), kind="stable")[:_CHANGED]
        return [self.cell(row, column) for row, column in places[order].tolist()]

    def leading(self) -> list[Cell]:
        """Return the cells that lead to images on the page."""
        return [cell for cell in (self.cell(*place) for place in self._shown) if cell.shown]

    def names(self, card: ImageRow) -> list[str]:
        """Return the names of an image's cells: by the base's prediction, and by the head's."""
        return [_name(*place) for place in self._cells(card)]

    def _cells(self, card: ImageRow) -> list[tuple[int, int]]:
        row, *columns = (self._places[card[name]] for name in ("label", "base_predicted", "head_predicted"))
        return [(row, column) for column in columns]


def _name(row: int, column: int) -> str:
    return f"cell-{row}-{column}"
