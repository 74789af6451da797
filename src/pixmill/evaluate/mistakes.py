"""Where a classifier goes wrong: which classes it takes for which, and the mistakes it was surest of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.parts import Part

__all__ = ["Confusion", "Mistake", "commonest_confusions", "surest_mistakes"]


@dataclass(frozen=True)
class Confusion:
    """Say how often one class was taken for another.

    Args:
        actual: What the pictures show.
        predicted: What they were taken for.
        count: How many.
        of: How many pictures of ``actual`` there are.
    """

    actual: str
    predicted: str
    count: int
    of: int


@dataclass(frozen=True)
class Mistake:
    """Hold one picture that was predicted wrong.

    Args:
        id: The picture's id.
        label: What it shows.
        predicted: What it was taken for.
        confidence: The probability of ``predicted``.
        truth: The probability of ``label``.
        pixels: The picture as the model saw it, ``uint8`` of shape (side, side, 3).
    """

    id: str
    label: str
    predicted: str
    confidence: float
    truth: float
    pixels: npt.NDArray[np.uint8]


def commonest_confusions(
    matrix: npt.NDArray[np.int64], labels: Sequence[str], *, limit: int | None = None
) -> list[Confusion]:
    """Return which class was taken for which, most frequent first; of equals those of the first class.

    Args:
        matrix: Pictures by actual (row) and predicted (column) class.
        labels: The classes' names.
        limit: The most to return; default: all.
    """
    found = [
        Confusion(labels[row], labels[column], int(matrix[row, column]), int(matrix[row].sum()))
        for row, column in np.argwhere(matrix > 0)
        if row != column
    ]
    return sorted(found, key=lambda confusion: -confusion.count)[:limit]


def surest_mistakes(predictions: pd.DataFrame, part: Part, *, limit: int) -> list[Mistake]:
    """Return the pictures of a part that were predicted wrong, those of the highest confidence first.

    Args:
        predictions: One row a picture, of at least this part.
        part: The packed part, which has the pixels.
        limit: The most to return.
    """
    wrong = predictions[(predictions["split"] == part.name) & (predictions["label"] != predictions["predicted"])]
    order = wrong.assign(confidence=[row[f"p_{row['predicted']}"] for _, row in wrong.iterrows()])
    order = order.sort_values(["confidence", "id"], ascending=[False, True]).head(limit)
    place = {name: index for index, name in enumerate(part.rows["id"])}
    return [
        Mistake(
            id=row["id"],
            label=row["label"],
            predicted=row["predicted"],
            confidence=float(row["confidence"]),
            truth=float(row[f"p_{row['label']}"]),
            pixels=np.asarray(part.pixels[place[row["id"]]]),
        )
        for row in order.to_dict("records")
    ]
