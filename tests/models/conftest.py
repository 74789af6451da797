"""Small classifiers and backbones, with the number of threads that all tests of a process share."""

import hashlib

import numpy as np
import pytest

from pixmill.core.params import BackboneParams, BlockParams, CnnParams, DenseParams, TrainParams
from pixmill.models.backbones import build_backbone
from pixmill.models.determinism import fix_threads
from pixmill.models.networks import build_classifier

PARAMS = TrainParams(
    model="cnn",
    cnn=CnnParams(
        blocks=(BlockParams(filters=4), BlockParams(filters=8)),
        dense=(DenseParams(units=6, dropout=0.5),),
    ),
)
SIZE = 12


@pytest.fixture
def build():
    fix_threads(2)
    return lambda **changes: build_classifier(
        PARAMS.model_copy(update=changes), labels=3, image_size=SIZE
    )


@pytest.fixture
def pixels():
    return np.random.default_rng(7).integers(0, 256, (10, SIZE, SIZE, 3)).astype(np.float32)


THREADS = 2


@pytest.fixture(scope="session")
def threads():
    fix_threads(THREADS)
    return THREADS


@pytest.fixture(scope="session")
def lite0(threads):
    """Return EfficientNet-Lite0 for images of 64 x 64 pixels."""
    return build_backbone(BackboneParams(), image_size=64, seed=7)


def some_pixels(count, side=32, seed=7):
    """Return images of random squares; noise of single pixels would look alike."""
    coarse = np.random.default_rng(seed).integers(
        0, 256, (count, -(-side // 4), -(-side // 4), 3), dtype=np.uint8
    )
    return coarse.repeat(4, axis=1).repeat(4, axis=2)[:, :side, :side]


def some_ids(count, what="image"):
    return [hashlib.sha256(f"{what} {number}".encode()).hexdigest() for number in range(count)]
