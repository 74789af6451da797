"""How well a model's confidence in a class ranks its pictures before the others: areas under two curves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pixmill.metrics.probabilities import normalised

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Ranking", "pr_auc", "rankings", "roc_auc"]


def roc_auc(actual: npt.NDArray[np.integer], probabilities: npt.ArrayLike) -> float | None:
    """Return how often a picture of a class is ranked before one of another class: 0.5 is chance, 1 is always.

    With two classes it is that of the second (the first's is the same), else the mean of each class against the rest.

    Args:
        actual: Class indices, shape (pictures,).
        probabilities: Shape (pictures, classes).
    """
    from sklearn.metrics import roc_auc_score

    values = normalised(probabilities)
    columns = [1] if values.shape[1] == 2 else range(values.shape[1])
    areas = [float(roc_auc_score(actual == column, values[:, column])) for column in _ranked(actual, columns)]
    return float(np.mean(areas)) if areas else None


def pr_auc(actual: npt.NDArray[np.integer], probabilities: npt.ArrayLike) -> float | None:
    """Return the mean over the classes of their average precision, the area under precision by recall.

    Unlike that under the ROC curve, it tells of false alarms in a class that is rare. Chance is the class's share.

    Args:
        actual: Class indices, shape (pictures,).
        probabilities: Shape (pictures, classes).
    """
    from sklearn.metrics import average_precision_score

    values = normalised(probabilities)
    columns = _ranked(actual, range(values.shape[1]))
    areas = [float(average_precision_score(actual == column, values[:, column])) for column in columns]
    return float(np.mean(areas)) if areas else None


class Ranking:
    """Hold the order of the pictures by one class's probability, ready to be weighted anew many times.

    Both areas change with weights only through sums over the stretches between pictures of the class: so much less than
    a sort is needed for each draw.

    Args:
        members: Whether each picture is of the class, shape (pictures,), some but not all.
        given: What the model gave the class, shape (pictures,).
        group_of: Each picture's group by number.
        groups: How many groups there are.
    """

    def __init__(
        self,
        members: npt.NDArray[np.bool_],
        given: npt.NDArray[np.float64],
        group_of: npt.NDArray[np.intp],
        groups: int,
    ) -> None:
        values = np.unique(given[members])[::-1]
        # A picture's place is that of the highest value of the class that is not above its own.
        place = np.searchsorted(-values, -given, side="left")
        tied = ~members & (place < len(values)) & (given == values[np.minimum(place, len(values) - 1)])
        below = place == len(values)
        row = np.where(members, place, np.where(tied, 2 * len(values) + place, len(values) + place))
        self._steps = len(values)
        self._sums = _matrix(row[~below], group_of[~below], 3 * len(values), groups)
        self._others = _matrix(np.zeros((~members).sum(), np.intp), group_of[~members], 1, groups)

    def areas(self, weights: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the areas under the ROC curve and under precision by recall, one each a column of weights.

        They are not-a-number where the class, or all others, have no weight.

        Args:
            weights: How often each group counts, whole numbers of shape (groups, draws).
        """
        inside, between, tied = np.split(self._sums @ weights, [self._steps, 2 * self._steps])
        others = (self._others @ weights)[0]
        alarms = np.cumsum(between + tied, axis=0)
        found = np.cumsum(inside, axis=0)
        total = found[-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            roc = (inside * (others - alarms + tied / 2)).sum(axis=0) / (total * others)
            # Nothing found and no alarm: that step counts nothing, whatever it is divided by.
            precision = found / np.maximum(found + alarms, 1)
            average = np.where(others > 0, (inside * precision).sum(axis=0) / total, np.nan)
        return roc, average


def rankings(
    actual: npt.NDArray[np.integer], values: npt.NDArray[np.float64], group_of: npt.NDArray[np.intp], groups: int
) -> Iterator[tuple[int, Ranking]]:
    """Yield each class that has pictures, but not all of them, with its ranking.

    Args:
        actual: Class indices, shape (pictures,).
        values: Probabilities, shape (pictures, classes).
        group_of: Each picture's group by number.
        groups: How many groups there are.
    """
    for column in _ranked(actual, range(values.shape[1])):
        yield column, Ranking(actual == column, values[:, column], group_of, groups)


def _ranked(actual: npt.NDArray[np.integer], columns: range | list[int]) -> Iterator[int]:
    """Yield the classes that have pictures and are not all that there is."""
    for column in columns:
        if 0 < np.count_nonzero(actual == column) < len(actual):
            yield column


def _matrix(rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], height: int, width: int) -> csr_array:
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(height, width))
