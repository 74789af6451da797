"""Predictions of images that a classifier has not been fitted to, which calibrate it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pixmill.core.files.writing import write_json
from pixmill.core.manifest import read_table, table_schema, write_table
from pixmill.core.params import TrainParams
from pixmill.heads import Head
from pixmill.heads.head import Targets
from pixmill.images.parts import Part
from pixmill.metrics.calibration import novelty_limit
from pixmill.models.classifier import load_networks, to_probabilities
from pixmill.models.model_folder import CALIBRATION_FILE, HELD_OUT_FILE

_BATCH_SIZE = 64

_MAX_COPIED = 2_000_000
"""Maximum number of probabilities in a copy: 8 MB."""

Features = npt.NDArray[np.float32]


@dataclass(frozen=True)
class HeldOut:
    """Predictions of images by a classifier that was not fitted to them.

    Args:
        rows: Columns ``id``, ``label`` and ``cluster`` of each image.
        targets: What each image shows.
        probabilities: Uncalibrated probabilities, ``float32`` of shape (images, labels).
        novelty: Novelty of each image, ``float32`` of shape (images,); NaN if unknown.
    """

    rows: pd.DataFrame
    targets: Targets
    probabilities: Features
    novelty: Features


def predict_held_out(
    folder: Path, part: Part, head: Head, *, features: Features | None = None
) -> HeldOut:
    """Return the predictions of a saved classifier for a split that it was not fitted to.

    Args:
        folder: ``artifacts/train``, with the network.
        part: The split.
        head: What the classifier answers.
        features: Features of the split. Default: computed from its pixels, if needed.
    """
    network, backbone, scorer = load_networks(folder)
    source, extract = (
        (part.pixels, backbone) if features is None or backbone is None else (features, None)
    )
    batches = (source[start : start + _BATCH_SIZE] for start in range(0, len(source), _BATCH_SIZE))
    inputs = (batch if extract is None else extract(batch) for batch in batches)
    if scorer:
        logits, novelty = map(np.concatenate, zip(*map(scorer, inputs), strict=True))
    else:
        logits = np.concatenate(list(map(network, inputs)))
        novelty = np.full(len(part), np.nan, np.float32)
    return HeldOut(part.rows, part.targets, to_probabilities(logits, head), novelty)


def save_calibration(
    folder: Path, held_out: HeldOut, head: Head, params: TrainParams, labels: Sequence[str]
) -> None:
    """Calibrate a classifier, and write its calibration next to its weights.

    Args:
        folder: ``artifacts/train``.
        held_out: The predictions to calibrate on.
        head: What the classifier answers.
        params: The section ``train``.
        labels: The labels, in the order of the outputs.
    """
    clusters = held_out.rows["cluster"].astype(str)
    known = ~np.isnan(held_out.novelty)
    limit = novelty_limit(held_out.novelty[known], clusters[known]) if known.any() else None
    calibration: Any = head.calibrate(
        held_out.probabilities,
        held_out.targets,
        clusters,
        params.target_accuracy,
        params.labels.thresholds(labels),
    )
    write_json(folder / CALIBRATION_FILE, asdict(replace(calibration, novelty_limit=limit)))


def save_held_out(folder: Path, held_out: HeldOut, labels: Sequence[str]) -> None:
    """Write the predictions, from which evaluate takes those of these images.

    Args:
        folder: ``artifacts/train``.
        held_out: The predictions.
        labels: The classes, in the order of the model's outputs.
    """
    columns = {f"p_{label}": held_out.probabilities[:, place] for place, label in enumerate(labels)}
    rows = held_out.rows[["id", "label", "cluster"]].reset_index(drop=True)
    table = rows.assign(**columns, novelty=held_out.novelty).sort_values("id", ignore_index=True)
    table["cluster"] = pd.factorize(table["cluster"])[0].astype(np.int32)
    write_table(folder / HELD_OUT_FILE, table, _schema(labels))


def load_held_out(folder: Path, labels: Sequence[str]) -> pd.DataFrame:
    """Return the predictions, sorted by id.

    Columns: ``id``, ``label``, ``cluster`` (numbered here), ``p_<class>`` of each class, and
    ``novelty``, NaN if unknown.

    Args:
        folder: ``artifacts/train``.
        labels: The classes, in the order of the model's outputs.

    Raises:
        ManifestError: The file is missing or malformed.
    """
    return read_table(folder / HELD_OUT_FILE, _schema(labels), stage="train")


def copy_held_out(folder: Path, target: Path, labels: Sequence[str]) -> None:
    """Copy the predictions with numbers as ids; of very many, a random sample.

    Args:
        folder: ``artifacts/train``.
        target: Target folder.
        labels: The classes, in the order of the model's outputs.
    """
    rows = load_held_out(folder, labels)[: _MAX_COPIED // len(labels)]
    write_table(
        target / HELD_OUT_FILE, rows.assign(id=rows.index.map("{:09}".format)), _schema(labels)
    )


def _schema(labels: Sequence[str]) -> pa.Schema:
    return pa.schema(
        [
            *table_schema("id! label! cluster!:int32"),
            *(pa.field(f"p_{label}", pa.float32(), nullable=False) for label in labels),
            *table_schema("novelty:float32"),
        ]
    )
