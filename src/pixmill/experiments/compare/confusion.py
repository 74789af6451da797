"""The change of the confusion matrix."""

from dataclasses import dataclass

import numpy as np

from pixmill.experiments.compare.comparison import Numbers
from pixmill.pages.chart import shade

_CHANGED = 40
"""Cells in the list of those that changed most."""


@dataclass(frozen=True)
class Cell:
    """One cell of both confusion matrices.

    Args:
        actual: The actual class.
        predicted: The class that base or head predicts.
        base: The images of the base.
        head: The images of the head.
        depth: Its shade, by the share of the row that changed.
    """

    actual: str
    predicted: str
    base: int
    head: int
    depth: int

    @property
    def difference(self) -> int:
        """Head minus base."""
        return self.head - self.base

    @property
    def kind(self) -> str:
        """The colour: whether the change is good or bad."""
        return "good" if (self.head > self.base) == (self.actual == self.predicted) else "bad"


def cell(numbers: Numbers, row: int, column: int) -> Cell:
    """Return one cell."""
    before, after = (int(matrix[row, column]) for matrix in numbers.confusion)
    images = max(1, *(int(matrix[row].sum()) for matrix in numbers.confusion))
    return Cell(numbers.labels[row], numbers.labels[column], before, after, shade(abs(after - before) / images))


def changed_errors(numbers: Numbers) -> list[Cell]:
    """Return the errors whose counts changed, those most first."""
    difference = numbers.confusion[1] - numbers.confusion[0]
    np.fill_diagonal(difference, 0)
    places = np.argwhere(difference)
    order = np.argsort(-np.abs(difference[tuple(places.T)]), kind="stable")[:_CHANGED]
    return [cell(numbers, row, column) for row, column in places[order].tolist()]
