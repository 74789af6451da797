"""A small split of two classes, and a model that classifies by brightness."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pixmill.core.manifest import SPLIT, write_table
from pixmill.images.parts import PARTS
from pixmill.metrics.calibration import Calibration
from pixmill.models.classifier import Classifier, Preprocessing
from tests.images.packed import pack_images

LABELS = ("dark", "light")
SIDE = 8
IMAGES = {"train": 12, "val": 6, "test": 8}


def write_split(
    folder: Path,
    *,
    labels: tuple[str, ...] = LABELS,
    side: int = SIDE,
    unlabelled: Sequence[str] = (),
) -> Path:
    """Write manifest and arrays of alternating classes; half of the light test images are wrong.

    Args:
        folder: The folder.
        labels: The classes.
        side: Side of the images in pixels.
        unlabelled: Files of unlabelled images.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for part in PARTS:
        ids = sorted(
            hashlib.sha256(f"{part} {number}".encode()).hexdigest()
            for number in range(IMAGES[part])
        )
        shades = np.arange(IMAGES[part]) % 2
        values = (40 + 160 * shades + np.arange(IMAGES[part])).astype(np.uint8)
        pack_images(
            folder, part, np.broadcast_to(values[:, None, None, None], (len(values), side, side, 3))
        )
        for row, (name, shade) in enumerate(zip(ids, shades, strict=True)):
            wrong = part == "test" and row % 4 == 3
            rows.append(
                {
                    "id": name,
                    "label": labels[shade ^ wrong],
                    "group": name,
                    "cluster": name,
                    "split": part,
                    "row": row,
                }
            )
    rows += [
        {
            "id": hashlib.sha256(name.encode()).hexdigest(),
            "image_url": name,
            "reason": "unlabelled",
        }
        for name in unlabelled
    ]
    frame = pd.DataFrame(rows).sort_values("id", ignore_index=True)
    frame["row"] = frame["row"].astype("Int32")
    frame["group"] = frame["cluster"] = frame["id"]
    write_table(folder / "manifest.parquet", completed(frame), SPLIT)
    return folder


def completed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with all columns of a manifest; columns that evaluate ignores are filled."""
    fillers = {pa.string(): "x", pa.int32(): 1, pa.int64(): 1, pa.float32(): 1.0}
    return frame.assign(
        **{field.name: fillers[field.type] for field in SPLIT if field.name not in frame}
    )


def by_brightness(batch: np.ndarray) -> np.ndarray:
    """Return probabilities of dark and light, proportional to brightness."""
    light = batch.mean(axis=(1, 2, 3)) / 255
    return np.stack([1 - light, light], axis=1)


def logits_by_brightness(batch: np.ndarray) -> np.ndarray:
    """Return the logarithms of :func:`by_brightness`."""
    return np.log(np.maximum(by_brightness(batch), 1e-9)).astype(np.float32)


CLASSIFIER = Classifier(
    LABELS, Preprocessing(SIDE, "pad", "bicubic"), Calibration(), logits_by_brightness
)
"""A classifier whose network uses brightness only."""


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Return the folder ``artifacts/split``."""
    return write_split(tmp_path / "artifacts" / "split")
