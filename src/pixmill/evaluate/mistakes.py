"""Images to look at: where the classifier goes wrong, where it is least sure, and what it names at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.evaluate.predictions import class_indices, probabilities_of
from pixmill.images.parts import Part

__all__ = [
    "Confusion",
    "Example",
    "commonest_confusions",
    "least_sure",
    "mistakes_by_pair",
    "random_predictions",
    "surest_mistakes",
    "typical_images",
]

_PAIRS = 6
_OF_PAIR = 6


@dataclass(frozen=True)
class Confusion:
    """Say how often one class was taken for another.

    Args:
        actual: What the images show.
        predicted: What they were taken for.
        count: How many.
        of: How many images of ``actual`` there are.
    """

    actual: str
    predicted: str
    count: int
    of: int


@dataclass(frozen=True)
class Example:
    """Hold one image with what the model said of it.

    Args:
        id: The image's id.
        label: What it shows.
        predicted: What the model said.
        confidence: The probability of ``predicted``.
        truth: The probability of ``label``.
        second: The class with the next highest probability.
        second_confidence: Its probability.
        pixels: The image as the model saw it, ``uint8`` of shape (side, side, 3).
    """

    id: str
    label: str
    predicted: str
    confidence: float
    truth: float
    second: str
    second_confidence: float
    pixels: npt.NDArray[np.uint8]

    @property
    def right(self) -> bool:
        """Whether the model was right."""
        return self.label == self.predicted


def commonest_confusions(matrix: npt.NDArray[np.int64], labels: Sequence[str]) -> list[Confusion]:
    """Return which class was taken for which, most frequent first; of equals those of the first class.

    Args:
        matrix: Images by actual (row) and predicted (column) class.
        labels: The classes' names.
    """
    confusions = [
        Confusion(labels[row], labels[column], int(matrix[row, column]), int(matrix[row].sum()))
        for row, column in np.argwhere(matrix > 0)
        if row != column
    ]
    return sorted(confusions, key=lambda confusion: -confusion.count)


def surest_mistakes(predictions: pd.DataFrame, part: Part, labels: Sequence[str], *, limit: int) -> list[Example]:
    """Return the images of a part that were predicted wrong, those of the highest confidence first.

    Args:
        predictions: One row an image, of at least this part.
        part: The packed part, which has the pixels.
        labels: The classes in the order of the model's outputs.
        limit: The most to return.
    """
    wrong = predictions[(predictions["split"] == part.name) & (predictions["label"] != predictions["predicted"])]
    return _examples(_by_confidence(wrong, labels).head(limit), part, labels)


def random_predictions(predictions: pd.DataFrame, part: Part, labels: Sequence[str], *, limit: int) -> list[Example]:
    """Return images at random, the same each time: an impression that nobody has chosen.

    Args:
        predictions: One row an image of this part.
        part: The packed part, which has the pixels.
        labels: The classes in the order of the model's outputs.
        limit: The most to return.
    """
    # An id is a digest: its last digits are as good as dice, and nothing else hangs on them.
    order = predictions["id"].str[-16:].sort_values(kind="stable").index[:limit]
    return _examples(predictions.loc[order], part, labels)


def least_sure(predictions: pd.DataFrame, part: Part, labels: Sequence[str], *, limit: int) -> list[Example]:
    """Return the images between whose two most probable classes the model could hardly decide.

    Args:
        predictions: One row an image of this part.
        part: The packed part, which has the pixels.
        labels: The classes in the order of the model's outputs.
        limit: The most to return.
    """
    top = np.sort(probabilities_of(predictions, labels), axis=1)
    order = np.lexsort((predictions["id"].to_numpy(str), top[:, -1] - top[:, -2]))[:limit]
    return _examples(predictions.iloc[order], part, labels)


def typical_images(predictions: pd.DataFrame, part: Part, labels: Sequence[str], *, limit: int) -> list[Example]:
    """Return of each class the image that the model rightly named with the highest confidence.

    Args:
        predictions: One row an image of this part.
        part: The packed part, which has the pixels.
        labels: The classes in the order of the model's outputs.
        limit: The most to return.
    """
    right = predictions[predictions["label"] == predictions["predicted"]]
    first = _by_confidence(right, labels).drop_duplicates("label").set_index("label", drop=False)
    return _examples(first.loc[[label for label in labels if label in first.index][:limit]], part, labels)


def mistakes_by_pair(
    mistakes: Sequence[Example], matrix: npt.NDArray[np.int64], labels: Sequence[str]
) -> list[tuple[Confusion, list[Example]]]:
    """Return the confusions that are made most often, with the surest mistakes of each.

    Args:
        mistakes: The mistakes to choose from, the surest first; a pair of which there is none among them is left out.
        matrix: Images by actual (row) and predicted (column) class.
        labels: The classes' names.
    """
    pairs = []
    for confusion in commonest_confusions(matrix, labels)[:_PAIRS]:
        kind = (confusion.actual, confusion.predicted)
        surest = [item for item in mistakes if (item.label, item.predicted) == kind][:_OF_PAIR]
        if surest:
            pairs.append((confusion, surest))
    return pairs


def _by_confidence(rows: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Return the rows of the highest confidence first; of equals by id."""
    confidence = probabilities_of(rows, labels).max(axis=1, initial=0)
    return rows.assign(confidence=confidence).sort_values(["confidence", "id"], ascending=[False, True])


def _examples(rows: pd.DataFrame, part: Part, labels: Sequence[str]) -> list[Example]:
    place = {name: row for row, name in enumerate(part.rows["id"])}
    probabilities = probabilities_of(rows, labels)
    actual, predicted = (class_indices(rows[column], labels) for column in ("label", "predicted"))
    others = probabilities.copy()
    others[np.arange(len(rows)), predicted] = -1
    second = others.argmax(axis=1)
    return [
        Example(
            id=name,
            label=labels[truth],
            predicted=labels[first],
            confidence=float(row[first]),
            truth=float(row[truth]),
            second=labels[other],
            second_confidence=float(row[other]),
            pixels=np.asarray(part.pixels[place[name]]),
        )
        for name, row, truth, first, other in zip(rows["id"], probabilities, actual, predicted, second, strict=True)
    ]
