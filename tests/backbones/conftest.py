"""Backbones, built with the number of threads that all tests of one process share."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from pixmill.backbones import build_backbone
from pixmill.models import fix_threads
from pixmill.params import BackboneParams

THREADS = 2


@pytest.fixture(scope="session")
def threads():
    fix_threads(THREADS)
    return THREADS


@pytest.fixture(scope="session")
def lite0(threads):
    """Return EfficientNet-Lite0 for pictures of 64 x 64 pixels."""
    return build_backbone(BackboneParams(), image_size=64, seed=7)


def some_pixels(count, side=32, seed=7):
    """Return pictures of random blots: noise of single pixels would look all alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, -(-side // 4), -(-side // 4), 3), dtype=np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)[:, :side, :side]


def some_ids(count, what="picture"):
    return [hashlib.sha256(f"{what} {number}".encode()).hexdigest() for number in range(count)]
