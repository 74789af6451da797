"""The tiny model with held-out predictions."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from pixmill.models.held_out import HeldOut, save_held_out
from pixmill.serve.predict.model import Model

COAT = "coat"
KURTA = "kurtā"


def add_held_out(model: Model, folder: Path) -> Model:
    """Return a copy of a model of three classes in a folder, with 600 predictions, most of them right."""
    generator = np.random.default_rng(0)
    given = generator.dirichlet([0.1] * 3, 600).astype(np.float32)
    actual = (generator.random((600, 1)) > given.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    ids = [f"{number:03}" for number in range(600)]
    rows = pd.DataFrame(
        {"id": ids, "cluster": ids, "label": [model.labels[place] for place in actual]}
    )
    shutil.copytree(model.path, folder)
    novelty = np.full(600, np.nan, np.float32)
    save_held_out(folder, HeldOut(rows, actual, given, novelty), model.labels)
    return replace(model, path=folder)
