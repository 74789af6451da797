"""Rows that a watch is about: those of a model in a log, and those of its held-out images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pixmill import __version__
from pixmill.core.errors import DataError
from pixmill.core.manifest import SPLIT, read_table
from pixmill.core.process.progress import track
from pixmill.dataset.log_writer import PredictionLog
from pixmill.dataset.prediction_log import SCHEMA, read_log
from pixmill.metrics.arrays import Floats
from pixmill.models.inference import predict_images
from pixmill.models.observation import VECTOR_SCALE
from pixmill.serve.predict.model import Model

_MOST = 1000
"""Maximum number of images of each split that new ones are compared with."""


def read_rows(folder: Path, model: Model) -> tuple[pd.DataFrame, int]:
    """Return the rows of a model in order of time, and the number of those of others.

    They have the digest of the ``second`` model, if there is one.

    Raises:
        DataError: There are none of it, or a file is malformed.
    """
    own = []
    others: dict[str, int] = {}
    for about, table in read_log(folder):
        if about.get("digest") == model.digest:
            second = (about.get("shadow") or {}).get("digest")
            own.append(table.to_pandas().assign(second=second))
        else:
            title = f"{about.get('name')} {about.get('version') or ''}".strip()
            others[title] = others.get(title, 0) + len(table)
    if not own:
        raise DataError(
            f"{folder} has no prediction of {model.title}, but of {', '.join(others)}",
            next=f"name the model: pixmill watch {folder} --model models:/NAME/VERSION or a folder",
        )
    rows = pd.concat(own).sort_values(["time", "id"], ignore_index=True)
    return rows, sum(others.values())


def predict_held_out(root: Path, model: Model) -> pd.DataFrame:
    """Return rows of a log of validation and test images, with ``split``, ``label`` and ``right``.

    They are kept in ``.pixmill/``. Images with a label that the model does not know are left out.

    Args:
        root: Project folder, with the images and splits of the last run.
        model: The model.

    Raises:
        DataError: The images are missing.
        ManifestError: The splits are missing.
    """
    manifest = read_table(root / "artifacts/split/manifest.parquet", SPLIT, stage="split")
    known = {*model.labels}
    manifest = manifest[manifest["split"].isin(("val", "test"))]
    is_known = [known.issuperset(model.head.labels_of(each)) for each in manifest["label"]]
    # By id, which is as good as random.
    wanted = manifest[is_known].groupby("split").head(_MOST)
    # Another version may measure images in another way.
    folder = root / ".pixmill/watch" / f"{__version__}-{model.digest[:16]}"
    log = _known_rows(folder)
    lacking = wanted[~wanted["id"].isin(log["id"])]
    if len(lacking):
        files = [root / "artifacts/scrape" / path for path in lacking["path"]]
        answers = predict_images(model.path, files, observes=True)
        with PredictionLog(folder) as writer:
            for answer in track(answers, "Predict test images", len(files)):
                writer.add({}, answer)
        log = _known_rows(folder)
    rows = wanted[["id", "label", "split"]].merge(log, on="id")
    if rows["split"].nunique() < 2:
        raise DataError(
            f"{root / 'artifacts'} has no validation and test images to compare with",
            next="dvc pull, or: dvc repro",
        )
    right = model.head.right(rows["label"], rows["predicted"], model.labels)
    return rows.assign(right=right)


def _known_rows(folder: Path) -> pd.DataFrame:
    rows: pd.DataFrame = SCHEMA.empty_table().to_pandas()
    if folder.exists():
        rows = pd.concat([table.to_pandas() for _, table in read_log(folder)])
    return rows[rows["reason"].isna()].drop_duplicates("id")


def features(rows: pd.DataFrame) -> Floats:
    """Return the features of rows, shape (rows, width); the last is the novelty.

    Without vectors, probabilities stand for them.
    """
    if rows["vector"].notna().all():
        vectors = np.frombuffer(b"".join(rows["vector"]), np.int8).reshape(len(rows), -1)
        main = vectors / VECTOR_SCALE
    else:
        main = np.log(np.maximum(np.vstack([*rows["probabilities"]]), 1e-6))
    confidence = np.clip(rows["confidence"], 1e-6, 1 - 1e-6)
    return np.column_stack(
        [
            main,
            np.log(confidence / (1 - confidence)),
            rows["brightness"] / 255,
            np.log1p(rows["sharpness"]),
            rows["novelty"].fillna(0),
        ]
    )
