"""Build revisions without a project."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pixmill.evaluate.predictions import CALIBRATED
from pixmill.experiments.compare.comparison import Revision

LABELS = ("coat", "shirt", "sneaker")


def make_predictions(
    actual: Sequence[int] | npt.NDArray[np.integer],
    predicted: Sequence[int] | npt.NDArray[np.integer],
    *,
    labels: Sequence[str] = LABELS,
    ids: Sequence[str] | None = None,
    split: str = "test",
    certainty: float | npt.NDArray[np.floating] = 0.8,
) -> pd.DataFrame:
    """Return ``predictions.parquet`` with this probability for predicted classes.

    ``actual`` and ``predicted`` are indices into the labels; the ids default to ``image-00000`` and
    so on.
    """
    truth = np.asarray(actual, int)
    answers = np.asarray(predicted, int)
    sure = np.broadcast_to(np.asarray(certainty, float), truth.shape)
    given = np.repeat(((1 - sure) / (len(labels) - 1))[:, None], len(labels), axis=1)
    given[np.arange(len(truth)), answers] = sure
    return from_probabilities(truth, given, labels=labels, ids=ids, split=split)


def from_probabilities(
    actual: npt.NDArray[np.integer],
    given: npt.NDArray[np.floating],
    *,
    labels: Sequence[str] = LABELS,
    ids: Sequence[str] | None = None,
    split: str = "test",
) -> pd.DataFrame:
    """Return ``predictions.parquet`` with these probabilities, shape (images, classes)."""
    names = np.asarray(labels, dtype=object)
    values = np.asarray(given, np.float32)
    columns: dict[str, Any] = {
        "id": [f"image-{place:05d}" for place in range(len(actual))] if ids is None else list(ids),
        "split": split,
        "label": names[actual],
        "predicted": names[values.argmax(axis=1)],
        **{f"p_{label}": values[:, place] for place, label in enumerate(labels)},
        "loss": -np.log(
            np.maximum(values[np.arange(len(actual)), actual].astype(float), np.finfo(float).eps)
        ),
    }
    return pd.DataFrame(columns)


def write_predictions(path: Path, table: pd.DataFrame) -> None:
    """Write ``predictions.parquet`` as evaluate does, marked as calibrated."""
    # Do not write through a link into DVC's cache.
    path.unlink(missing_ok=True)
    pq.write_table(
        pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(CALIBRATED), path
    )


def make_revision(
    predictions: pd.DataFrame | None, manifest: pd.DataFrame | None = None, **over: Any
) -> Revision:
    """Return a revision with these predictions and other fields."""
    named = {"name": "head", "title": "head (1a2b3c4 Train longer)", "commit": "1a2b3c4" + 33 * "0"}
    return Revision(predictions=predictions, manifest=manifest, **{**named, **over})
