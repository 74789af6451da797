"""Each kind of recipe trains for an epoch on images of noise."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pixmill.core.files.writing import write_json
from pixmill.core.manifest import SPLIT, write_table
from pixmill.core.params import Params
from pixmill.project.recipes.recipe import find_recipe
from pixmill.train import train
from tests.images.packed import pack_images
from tests.project.recipes.test_recipes import ROOT

SIZES = {"train": 2, "val": 1, "test": 1}
"""Images per class by split."""
RECIPES = ("best-large", "digits", "finetune", "garments", "scenes")
"""The repository itself trains `best`; the CNNs of the others differ from these only in size.

The network of `strong` is a preset, which `tests/models/test_presets.py` builds, saves and
converts; that of `sports-transfer` is built from its weights by `test_originals.py`.
"""
SIDE = 56
"""Maximum side in pixels; it does not affect the layers."""


def packed(folder: Path, params: Params) -> Path:
    """Write outputs of split with images of noise, and return the folder."""
    noise = np.random.default_rng(7)
    side = params.split.image_size
    rows = []
    folder.mkdir(parents=True)
    for part, each in SIZES.items():
        labels = list(params.classes) * each
        for row, label in enumerate(labels):
            identity = hashlib.sha256(f"{part} {row}".encode()).hexdigest()
            rows.append({"id": identity, "label": label, "split": part, "row": row})
        pack_images(folder, part, noise.integers(0, 256, (len(labels), side, side, 3), np.uint8))
    frame = (
        pd.DataFrame(rows)
        .sort_values("id", ignore_index=True)
        .reindex(columns=SPLIT.names)
        .astype(object)
    )
    frame = frame.where(frame.notna(), None)
    frame["path"] = "images/00/0.png"
    frame["bytes"] = 100
    frame["source"] = "folder"
    frame["snapshot"] = "2026-11-20"
    frame["verdict"] = "keep"
    write_table(folder / "manifest.parquet", frame, SPLIT)
    form = {"image_size": side, "aspect": params.split.aspect, "resize": params.split.resize}
    write_json(folder / "preprocessing.json", form)
    return folder


@pytest.mark.slow
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("name", RECIPES)
def test_recipe_trains_an_epoch(name: str, tmp_path: Path) -> None:
    params = find_recipe(ROOT, name).params()
    side = min(params.split.image_size, SIDE)
    params = params.model_copy(
        update={"split": params.split.model_copy(update={"image_size": side})}
    )
    # Weights that would have to be downloaded are drawn instead.
    drawn = {
        "weights": "imagenet" if params.train.backbone.name == "efficientnet_lite0" else "none"
    }
    backbone = params.train.backbone.model_copy(update=drawn)
    short = params.train.model_copy(update={"epochs": 1, "backbone": backbone})
    trained = train(packed(tmp_path / "split", params), short, classes=params.classes)
    assert trained.labels == params.classes
    assert np.isfinite([trained.best.train_loss, trained.best.val_loss]).all()
    pixels = np.zeros((2, params.split.image_size, params.split.image_size, 3), np.float32)
    answers = trained.classifier.predict_on_batch(pixels)
    assert answers.shape == (2, len(params.classes))
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
