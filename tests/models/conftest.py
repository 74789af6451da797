"""Small classifiers, built with the number of threads that all tests of one process share."""

from __future__ import annotations

import numpy as np
import pytest

from pixmill.models import build_classifier, fix_threads
from pixmill.params import BlockParams, CnnParams, DenseParams, TrainParams

PARAMS = TrainParams(
    model="cnn",
    cnn=CnnParams(blocks=(BlockParams(filters=4), BlockParams(filters=8)), dense=(DenseParams(units=6, dropout=0.5),)),
)
SIZE = 12


@pytest.fixture
def build():
    fix_threads(2)
    return lambda **changes: build_classifier(PARAMS.model_copy(update=changes), labels=3, image_size=SIZE)


@pytest.fixture
def pixels():
    return np.random.default_rng(7).integers(0, 256, (10, SIZE, SIZE, 3)).astype(np.float32)
