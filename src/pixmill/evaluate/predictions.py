"""What the model says of every picture: the table that all figures follow from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pixmill.metrics import losses
from pixmill.parts import Part
from pixmill.progress import Progress

__all__ = ["Predict", "class_indices", "predict_parts", "predictions_schema", "probabilities_of"]

Predict = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
"""Takes raw values, 0 to 255, of shape (pictures, side, side, 3); gives probabilities (pictures, classes)."""

_BATCH = 64
"""Pictures a step; fixed, since another size may round the last bits differently."""


def predictions_schema(labels: Sequence[str]) -> pa.Schema:
    """Return the columns of ``predictions.parquet``.

    ``predicted`` is the class with the highest probability; ``p_<class>`` what the model gave each; ``loss`` the
    cross-entropy in nats.

    Args:
        labels: The classes in the order of the model's outputs.
    """
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("split", pa.string(), nullable=False),
            pa.field("label", pa.string(), nullable=False),
            pa.field("predicted", pa.string(), nullable=False),
            *(pa.field(f"p_{label}", pa.float32(), nullable=False) for label in labels),
            pa.field("loss", pa.float64(), nullable=False),
        ]
    )


def predict_parts(predict: Predict, parts: Iterable[Part], labels: Sequence[str]) -> pd.DataFrame:
    """Return one row a picture of all parts, sorted by id, with the columns of :func:`predictions_schema`.

    Args:
        predict: The model.
        parts: The packed parts.
        labels: The classes in the order of the model's outputs.
    """
    parts = list(parts)
    with Progress("Predict", sum(map(len, parts))) as progress:
        tables = [_table(part, _probabilities(predict, part, progress), labels) for part in parts]
    return pd.concat(tables).sort_values("id", ignore_index=True)


def probabilities_of(predictions: pd.DataFrame, labels: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return the table's probabilities as an array of shape (pictures, classes)."""
    return predictions[[f"p_{label}" for label in labels]].to_numpy(np.float32)


def class_indices(names: pd.Series, labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return each name's place in the labels."""
    return pd.Index(labels).get_indexer(pd.Index(names)).astype(np.int64)


def _probabilities(predict: Predict, part: Part, progress: Progress) -> npt.NDArray[np.float32]:
    batches = []
    for pixels, _ in part.batches(_BATCH):
        batches.append(np.asarray(predict(pixels), dtype=np.float32))
        progress.advance(len(pixels))
    return np.concatenate(batches)


def _table(part: Part, probabilities: npt.NDArray[np.float32], labels: Sequence[str]) -> pd.DataFrame:
    if probabilities.shape != (len(part), len(labels)):
        raise ValueError(f"expected {len(part)} x {len(labels)} probabilities, received {probabilities.shape}")
    names = np.asarray(labels, dtype=object)
    return pd.DataFrame(
        {
            "id": part.rows["id"],
            "split": part.name,
            "label": part.rows["label"],
            "predicted": names[probabilities.argmax(axis=1)],
            **{f"p_{label}": probabilities[:, index] for index, label in enumerate(labels)},
            "loss": losses(part.targets, probabilities),
        }
    )
