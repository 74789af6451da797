"""Which labels are most likely wrong, by confident learning.

A picture's label is in doubt where a model that has not seen the picture finds another class at least as probable as it
finds that class on average for the pictures that carry its label. Such a threshold of each class's own holds for a
model that is timid with one class and bold with another.

Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, 2021,
sections 3.1 (the confident joint) and 3.2 (ranking by the normalised margin).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

__all__ = ["LABELS", "rank_labels", "suggested_classes"]

LABELS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("suggested", pa.string()),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
    ]
)
"""One row a picture of any part, sorted by ``id``.

``suggested`` is the class that it more likely shows, null where its label is not in doubt; ``score`` says how well the
label fits, from 0 (surely wrong) to 1; ``rank`` is its place among all, from 1, the likeliest wrong label first.
"""


def suggested_classes(
    targets: npt.NDArray[np.integer], probabilities: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Return the class that each picture more likely shows, -1 where its label is not in doubt.

    Args:
        targets: Class indices, shape (pictures,).
        probabilities: Of a model that has not seen the picture, shape (pictures, classes).
    """
    classes = probabilities.shape[1]
    sizes = np.bincount(targets, minlength=classes)
    own = probabilities[np.arange(len(targets)), targets]
    # A class without a picture has no threshold that anything could reach.
    thresholds = np.where(sizes > 0, np.bincount(targets, own, classes) / np.maximum(sizes, 1), np.inf)
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    best = reached.argmax(axis=1)
    doubtful = (reached.max(axis=1) >= 0) & (best != targets)
    return np.where(doubtful, best, -1).astype(np.int64)


def rank_labels(
    rows: pd.DataFrame,
    targets: npt.NDArray[np.integer],
    probabilities: npt.NDArray[np.float64],
    labels: Sequence[str],
) -> pd.DataFrame:
    """Return the columns of :data:`LABELS`, sorted by id.

    The likeliest wrong label is the one that is least probable compared with the best other class.

    Args:
        rows: Columns ``id`` and ``split``, one row a picture.
        targets: Class indices, shape (pictures,).
        probabilities: Of a model that has not seen the picture, shape (pictures, classes >= 2).
        labels: The classes' names.
    """
    names = np.asarray(labels, dtype=object)
    suggested = suggested_classes(targets, probabilities)
    places = np.arange(len(targets))
    others = probabilities.copy()
    others[places, targets] = -1
    margin = probabilities[places, targets] - others.max(axis=1, initial=-1)
    # Rounded before it ranks, so that the last bits of a sum do not.
    score = np.round((1 + margin) / 2, 6).astype(np.float32)
    table = pd.DataFrame(
        {
            "id": rows["id"].to_numpy(object),
            "label": names[targets],
            "suggested": [labels[place] if place >= 0 else None for place in suggested.tolist()],
            "score": score,
            "split": rows["split"].to_numpy(object),
        }
    )
    order = np.lexsort((table["id"].to_numpy(str), score))
    rank = np.empty(len(table), np.int32)
    rank[order] = np.arange(1, len(table) + 1)
    ranked: pd.DataFrame = table.assign(rank=rank)[LABELS.names].sort_values("id", ignore_index=True)
    return ranked
