"""Images to inspect: confident errors, unsure predictions, typical images and a random sample."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.evaluate.predictions import class_indices, probabilities_of
from pixmill.images.parts import Part

_MAX_CONFUSIONS, _MAX_CLASSES, _MAX_PER_CELL = 40, 30, 4
"""Maximum number of confusions with images, of classes for showing correct predictions, and of images per cell."""


@dataclass(frozen=True)
class Confusion:
    """Number of images of one class predicted as another.

    Args:
        actual: The actual class.
        predicted: The predicted class.
        count: Number of such images.
        of: Number of all images of ``actual``.
    """

    actual: str
    predicted: str
    count: int
    of: int


@dataclass(frozen=True)
class PredictedImage:
    """An image with its prediction.

    Args:
        id: The image's id.
        label: The actual class.
        predicted: The predicted class.
        confidence: The calibrated probability of ``predicted``.
        truth: The calibrated probability of ``label``.
        second: The class with the second highest probability.
        second_confidence: The calibrated probability of ``second``.
        pixels: Input of the model, ``uint8`` of shape (image_size, image_size, 3).
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
        """True if the prediction is correct."""
        return self.label == self.predicted


def commonest_confusions(matrix: npt.NDArray[np.int64], labels: Sequence[str]) -> list[Confusion]:
    """Return the confusions, most frequent first; ties in the order of the classes.

    Args:
        matrix: Images by actual (row) and predicted (column) class.
        labels: The classes.
    """
    confusions = [
        Confusion(labels[row], labels[column], int(matrix[row, column]), int(matrix[row].sum()))
        for row, column in np.argwhere(matrix > 0)
        if row != column
    ]
    return sorted(confusions, key=lambda confusion: -confusion.count)


def surest_mistakes(
    predictions: pd.DataFrame, part: Part, labels: Sequence[str], *, limit: int
) -> list[PredictedImage]:
    """Return the misclassified images of a split, most confident first.

    Args:
        predictions: One row per image, including all of this split.
        part: The packed split.
        labels: The classes in the order of the model's outputs.
        limit: Maximum number to return.
    """
    wrong = predictions[(predictions["split"] == part.name) & (predictions["label"] != predictions["predicted"])]
    return _examples(_by_confidence(wrong, labels).head(limit), part, labels)


def random_predictions(
    predictions: pd.DataFrame, part: Part, labels: Sequence[str], *, limit: int
) -> list[PredictedImage]:
    """Return a random but reproducible sample of images.

    Args:
        predictions: One row per image of this split.
        part: The packed split.
        labels: The classes in the order of the model's outputs.
        limit: Maximum number to return.
    """
    # Ids are digests, so their last digits are a random order.
    order = predictions["id"].str[-16:].sort_values(kind="stable").index[:limit]
    return _examples(predictions.loc[order], part, labels)


def least_sure(predictions: pd.DataFrame, part: Part, labels: Sequence[str], *, limit: int) -> list[PredictedImage]:
    """Return the images with the smallest margin between the two most probable classes.

    Args:
        predictions: One row per image of this split.
        part: The packed split.
        labels: The classes in the order of the model's outputs.
        limit: Maximum number to return.
    """
    top = np.sort(probabilities_of(predictions, labels), axis=1)
    order = np.lexsort((predictions["id"].to_numpy(str), top[:, -1] - top[:, -2]))[:limit]
    return _examples(predictions.iloc[order], part, labels)


def typical_images(predictions: pd.DataFrame, part: Part, labels: Sequence[str], *, limit: int) -> list[PredictedImage]:
    """Return the most confident correct prediction of each class.

    Args:
        predictions: One row per image of this split.
        part: The packed split.
        labels: The classes in the order of the model's outputs.
        limit: Maximum number to return.
    """
    right = predictions[predictions["label"] == predictions["predicted"]]
    first = _by_confidence(right, labels).drop_duplicates("label").set_index("label", drop=False)
    return _examples(first.loc[[label for label in labels if label in first.index][:limit]], part, labels)


def examples_by_cell(
    predictions: pd.DataFrame, part: Part, matrix: npt.NDArray[np.int64], labels: Sequence[str]
) -> list[tuple[Confusion, list[PredictedImage]]]:
    """Return the non-empty cells of the confusion matrix with their most confident predictions.

    Confusions come first, most frequent first, then correct predictions by class (with at most 30 classes).

    Args:
        predictions: One row per image of this split.
        part: The packed split.
        matrix: Images by actual (row) and predicted (column) class.
        labels: The classes.
    """
    cells = commonest_confusions(matrix, labels)[:_MAX_CONFUSIONS]
    if len(labels) <= _MAX_CLASSES:
        counts = zip(labels, np.diag(matrix), matrix.sum(axis=1), strict=True)
        cells += [Confusion(label, label, int(right), int(n)) for label, right, n in counts if right]
    first = _by_confidence(predictions, labels).groupby(["label", "predicted"]).head(_MAX_PER_CELL)
    shown: dict[tuple[str, str], list[PredictedImage]] = {(cell.actual, cell.predicted): [] for cell in cells}
    wanted = [kind in shown for kind in zip(first["label"], first["predicted"], strict=True)]
    for example in _examples(first[wanted], part, labels):
        shown[example.label, example.predicted].append(example)
    return [(cell, shown[cell.actual, cell.predicted]) for cell in cells]


def _by_confidence(rows: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Return the rows sorted by confidence, highest first; ties by id."""
    confidence = probabilities_of(rows, labels).max(axis=1, initial=0)
    return rows.assign(confidence=confidence).sort_values(["confidence", "id"], ascending=[False, True])


def _examples(rows: pd.DataFrame, part: Part, labels: Sequence[str]) -> list[PredictedImage]:
    place = {name: row for row, name in enumerate(part.rows["id"])}
    probabilities = probabilities_of(rows, labels)
    actual, predicted = (class_indices(rows[column], labels) for column in ("label", "predicted"))
    others = probabilities.copy()
    others[np.arange(len(rows)), predicted] = -1
    second = others.argmax(axis=1)
    return [
        PredictedImage(
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
