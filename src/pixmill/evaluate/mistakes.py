"""Images to inspect: confident errors, unsure predictions, typical images and a random sample."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.files.writing import file_digest
from pixmill.core.manifest import table_schema
from pixmill.evaluate.labels import with_pixels
from pixmill.evaluate.predictions import class_indices, probabilities_of
from pixmill.evaluate.results import Images
from pixmill.images.parts import Part, PartName
from pixmill.metrics.arrays import Ints
from pixmill.models.model_folder import NOVELTY_FILE
from pixmill.models.nearest import most_similar, to_vectors
from pixmill.models.novelty import load_novelty
from pixmill.models.scaling import Features

VECTORS = table_schema("row!:int32 id! label! vector!:binary novelty!")
"""One row per training image, in the order of the packed split.

``vector`` has the bytes of :func:`pixmill.models.nearest.to_vectors`; ``novelty`` is the MD5 of the
model's file of that name, which tells whether the vectors are those of a model.
"""

_MAX_CONFUSIONS = 40
_MAX_CLASSES = 30
_MAX_PER_CELL = 4
"""Maximum confusions with images, classes with correct predictions, and images per cell."""


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


def commonest_confusions(matrix: Ints, labels: Sequence[str]) -> list[Confusion]:
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


def with_confidence(predictions: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Return predictions with further columns, most confident first.

    Args:
        predictions: Columns as in :func:`pixmill.evaluate.predictions.predictions_schema`.
        labels: The classes in the order of the model's outputs.

    Returns:
        The predictions with ``right``, whether the class is; ``confidence`` and ``truth``, the
        calibrated probabilities of the predicted and the actual class; ``second``, the class with
        the second highest probability, and ``second_confidence``, the latter.
    """
    probabilities = probabilities_of(predictions, labels).astype(np.float64)
    rows = np.arange(len(predictions))
    actual, predicted = (
        class_indices(predictions[column], labels) for column in ("label", "predicted")
    )
    others = probabilities.copy()
    others[rows, predicted] = -1
    return predictions.assign(
        right=actual == predicted,
        confidence=probabilities[rows, predicted],
        truth=probabilities[rows, actual],
        second=np.asarray(labels, object)[others.argmax(axis=1)],
        second_confidence=others.max(axis=1),
    ).sort_values(["confidence", "id"], ascending=[False, True])


def nearest_to_errors(
    errors: Images,
    parts: Mapping[PartName, Part],
    features: Features | None,
    trained: Path,
) -> tuple[pd.DataFrame | None, dict[str, list[dict[str, Any]]]]:
    """Return the vectors of the training images, and the most similar ones of each error.

    Args:
        errors: Images of the test split.
        parts: The packed splits.
        features: Features of all images in the order of splits and rows; ``None``: no results.
        trained: ``artifacts/train``.

    Returns:
        A table with the columns of :data:`VECTORS`; and by id of the error, the results of
        :func:`pixmill.models.nearest.most_similar` with ``pixels``.
    """
    novelty = load_novelty(trained)
    if features is None or novelty is None:
        return None, {}
    train = parts["train"]
    test = parts["test"]
    vectors = [row.tobytes() for row in to_vectors(features, novelty)]
    digest = file_digest(trained / NOVELTY_FILE, "md5")
    training = train.rows[["id", "label"]].assign(
        row=range(len(train)), vector=vectors[: len(train)], novelty=digest
    )
    own = dict(zip(test.rows["id"], vectors[-len(test) :], strict=True))
    columns = {name: training[name].tolist() for name in ("id", "label", "vector")}
    return training, {
        item["id"]: [
            each | {"pixels": train.pixels[each["row"]]}
            for each in most_similar(columns, own[item["id"]])
        ]
        for item in errors
    }


def least_sure(tested: pd.DataFrame) -> pd.DataFrame:
    """Return the rows by margin between the two most probable classes, smallest first."""
    margin = tested["confidence"] - tested["second_confidence"]
    return tested.assign(margin=margin).sort_values(["margin", "id"])


def typical_images(tested: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Return the most confident correct prediction of each class, in the order of the classes."""
    return (
        tested[tested["right"]]
        .drop_duplicates("label")
        .sort_values("label", key=lambda names: class_indices(names, labels))
    )


def examples_by_cell(
    tested: pd.DataFrame,
    parts: Mapping[PartName, Part],
    matrix: Ints,
    labels: Sequence[str],
) -> list[tuple[Confusion, Images]]:
    """Return the non-empty cells of the confusion matrix with their most confident predictions.

    Confusions come first, most frequent first, then correct predictions by class (with at most 30
    classes).

    Args:
        tested: Result of :func:`with_confidence` for this split.
        parts: The packed splits.
        matrix: Images by actual (row) and predicted (column) class.
        labels: The classes.
    """
    cells = commonest_confusions(matrix, labels)[:_MAX_CONFUSIONS]
    if len(labels) <= _MAX_CLASSES:
        counts = zip(labels, np.diag(matrix), matrix.sum(axis=1), strict=True)
        cells += [
            Confusion(label, label, int(right), int(n)) for label, right, n in counts if right
        ]
    kinds = [(cell.actual, cell.predicted) for cell in cells]
    first = (
        tested.groupby(["label", "predicted"])
        .head(_MAX_PER_CELL)
        .set_index(["label", "predicted"], drop=False)
    )
    shown = with_pixels(first[first.index.isin(kinds)], parts)
    return [
        (cell, [item for item in shown if (item["label"], item["predicted"]) == kind])
        for cell, kind in zip(cells, kinds, strict=True)
    ]
