"""Sheets of predictions to look at: at random, the least sure, the surest of each class, and the worst mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.evaluate.mistakes import Mistake, commonest_confusions
from pixmill.evaluate.predictions import class_indices, probabilities_of
from pixmill.parts import Part

__all__ = ["Pair", "Shown", "least_sure", "mistakes_by_pair", "random_predictions", "typical_pictures"]

_PAIRS = 6
_OF_PAIR = 6


@dataclass(frozen=True)
class Shown:
    """Hold one picture with what the model said of it.

    Args:
        id: The picture's id.
        label: What it shows.
        predicted: What the model said.
        confidence: The probability of ``predicted``.
        second: The class with the next highest probability.
        second_confidence: Its probability.
        pixels: The picture as the model saw it, ``uint8`` of shape (side, side, 3).
    """

    id: str
    label: str
    predicted: str
    confidence: float
    second: str
    second_confidence: float
    pixels: npt.NDArray[np.uint8]

    @property
    def right(self) -> bool:
        """Whether the model was right."""
        return self.label == self.predicted


@dataclass(frozen=True)
class Pair:
    """Hold the worst mistakes in which one class was taken for another.

    Args:
        label: What the pictures show.
        predicted: What they were taken for.
        count: How many mistakes of this kind there are in all.
        mistakes: The surest of them.
    """

    label: str
    predicted: str
    count: int
    mistakes: tuple[Mistake, ...]


def random_predictions(predictions: pd.DataFrame, part: Part, labels: Sequence[str], *, limit: int) -> list[Shown]:
    """Return pictures at random, the same each time: an impression that nobody has chosen.

    Args:
        predictions: One row a picture of this part.
        part: The packed part, which has the pixels.
        labels: The classes in the order of the model's outputs.
        limit: The most to return.
    """
    # An id is a digest: its last digits are as good as dice, and nothing else hangs on them.
    order = predictions["id"].str[-16:].sort_values(kind="stable").index[:limit]
    return _shown(predictions.loc[order], part, labels)


def least_sure(predictions: pd.DataFrame, part: Part, labels: Sequence[str], *, limit: int) -> list[Shown]:
    """Return the pictures between whose two most probable classes the model could hardly decide.

    Args:
        predictions: One row a picture of this part.
        part: The packed part, which has the pixels.
        labels: The classes in the order of the model's outputs.
        limit: The most to return.
    """
    top = np.sort(probabilities_of(predictions, labels), axis=1)
    order = np.lexsort((predictions["id"].to_numpy(str), top[:, -1] - top[:, -2]))[:limit]
    return _shown(predictions.iloc[order], part, labels)


def typical_pictures(predictions: pd.DataFrame, part: Part, labels: Sequence[str], *, limit: int) -> list[Shown]:
    """Return of each class the picture that the model rightly named with the highest confidence.

    Args:
        predictions: One row a picture of this part.
        part: The packed part, which has the pixels.
        labels: The classes in the order of the model's outputs.
        limit: The most to return.
    """
    right = predictions[predictions["label"] == predictions["predicted"]]
    confidence = probabilities_of(right, labels).max(axis=1) if len(right) else np.zeros(0)
    order = right.assign(confidence=confidence).sort_values(["confidence", "id"], ascending=[False, True])
    first = order.drop_duplicates("label").set_index("label", drop=False)
    return _shown(first.loc[[label for label in labels if label in first.index][:limit]], part, labels)


def mistakes_by_pair(mistakes: Sequence[Mistake], matrix: npt.NDArray[np.int64], labels: Sequence[str]) -> list[Pair]:
    """Return the mistakes that are made most often, with the surest of each.

    Args:
        mistakes: The mistakes to choose from, the surest first; a pair of which there is none among them is left out.
        matrix: Pictures by actual (row) and predicted (column) class.
        labels: The classes' names.
    """
    pairs = []
    for found in commonest_confusions(matrix, labels, limit=_PAIRS):
        kind = (found.actual, found.predicted)
        surest = tuple(item for item in mistakes if (item.label, item.predicted) == kind)[:_OF_PAIR]
        if surest:
            pairs.append(Pair(*kind, found.count, surest))
    return pairs


def _shown(rows: pd.DataFrame, part: Part, labels: Sequence[str]) -> list[Shown]:
    place = {name: row for row, name in enumerate(part.rows["id"])}
    given = probabilities_of(rows, labels)
    predicted = class_indices(rows["predicted"], labels)
    others = given.copy()
    others[np.arange(len(rows)), predicted] = -1
    second = others.argmax(axis=1)
    return [
        Shown(
            id=name,
            label=label,
            predicted=labels[first],
            confidence=float(given[number, first]),
            second=labels[second[number]],
            second_confidence=float(given[number, second[number]]),
            pixels=np.asarray(part.pixels[place[name]]),
        )
        for number, (name, label, first) in enumerate(zip(rows["id"], rows["label"], predicted, strict=True))
    ]
