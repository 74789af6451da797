"""Packed images that are learnt in seconds: the label is the brightest colour."""

import hashlib
import shutil

import numpy as np
import pandas as pd
import pytest

from pixmill.core.files.writing import write_json
from pixmill.core.manifest import SPLIT, write_table
from pixmill.core.params import BlockParams, CnnParams, DenseParams, TrainParams
from pixmill.images.parts import load_parts
from pixmill.train import Callback
from tests.images.packed import pack_images

CLASSES = ("blue", "green", "red")
SIZES = {"train": 150, "val": 45, "test": 30}
SIZE = 16
FOLDS = 2
PARAMS = TrainParams(
    model="cnn",
    cnn=CnnParams(
        blocks=(BlockParams(filters=4), BlockParams(filters=8)),
        dense=(DenseParams(units=8, dropout=0.2),),
    ),
    epochs=6,
    learning_rate=0.003,
)


class EpochCallback(Callback):
    """Call a function with each epoch and its timing."""

    def __init__(self, on_epoch_end):
        self.on_epoch_end = on_epoch_end


def write_packed(folder):
    """Write the artifacts of split, and return their folder."""
    noise = np.random.default_rng(7)
    folder.mkdir(parents=True)
    rows = []
    for part, count in SIZES.items():
        pixels = noise.integers(0, 160, (count, SIZE, SIZE, 3), dtype=np.uint8)
        for row in range(count):
            pixels[row, ..., 2 - row % 3] += 90
            identity = hashlib.sha256(f"{part} {row:03d}".encode()).hexdigest()
            fold = None if part == "test" else row % FOLDS
            rows.append(
                {"id": identity, "label": CLASSES[row % 3], "split": part, "row": row, "fold": fold}
            )
        pack_images(folder, part, pixels)
    frame = pd.DataFrame(rows).sort_values("id", ignore_index=True)
    for name in SPLIT.names:
        if name not in frame:
            frame[name] = None
    frame["path"] = "images/00/0.png"
    frame["bytes"] = 100
    frame["source"] = "folder"
    frame["snapshot"] = "2026-11-20"
    frame["verdict"] = "keep"
    frame["group"] = frame["id"]
    frame["cluster"] = frame["id"]
    write_table(folder / "manifest.parquet", frame, SPLIT)
    write_json(
        folder / "preprocessing.json", {"image_size": SIZE, "aspect": "pad", "resize": "bicubic"}
    )
    return folder


@pytest.fixture(scope="session")
def packed_once(tmp_path_factory):
    return write_packed(tmp_path_factory.mktemp("packed") / "split")


@pytest.fixture
def packed(packed_once, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(packed_once, tmp_path / "artifacts" / "split")


@pytest.fixture
def parts(packed):
    return load_parts(packed, CLASSES, image_size=SIZE)


def sklearn_probabilities(seen, targets, queries, **options):
    """Return the probabilities of scikit-learn's logistic regression on scaled features."""
    from sklearn.linear_model import LogisticRegression

    mean = seen.mean(axis=0, dtype=np.float64)
    deviation = seen.std(axis=0, dtype=np.float64)
    deviation = np.maximum(deviation, 0.2 * np.median(deviation[deviation > 0]))
    model = LogisticRegression(C=0.01, max_iter=1000, **options)
    return model.fit((seen - mean) / deviation, targets).predict_proba((queries - mean) / deviation)
