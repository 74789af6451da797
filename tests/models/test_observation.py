"""Measures of images for a log of predictions."""

import numpy as np
import pytest

from pixmill.models.nearest import to_vectors
from pixmill.models.novelty import Novelty
from pixmill.models.observation import VECTOR_SCALE, observe

WIDTH = 8


@pytest.fixture
def directions() -> Novelty:
    """Three directions of the last eight features."""
    chance = np.random.default_rng(7)
    along = np.linalg.qr(chance.normal(size=(WIDTH, 3)))[0]
    parts = (chance.normal(size=WIDTH), 1 + chance.random(WIDTH), along)
    return Novelty(*(part.astype(np.float32) for part in parts))


def test_measures_are_those_of_a_plain_computation(directions: Novelty) -> None:
    chance = np.random.default_rng(8)
    pixels = chance.integers(0, 256, (24, 24, 3), dtype=np.uint8)
    features = chance.normal(size=(1, WIDTH + 2)).astype(np.float32)
    found = observe(1200, (30, 50), pixels, features, np.array([0.25], np.float32), directions)
    assert (found.width, found.height, found.bytes) == (50, 30, 1200)
    assert found.novelty == 0.25
    assert found.brightness == pytest.approx(pixels[::2, ::2, 1].mean())
    flat = observe(1, (1, 1), np.full((24, 24, 3), 90, np.uint8), None, None, directions)
    assert (flat.brightness, flat.novelty, flat.vector) == (90, None, None)
    assert found.sharpness > flat.sharpness
    assert found.vector is not None
    vector = np.frombuffer(found.vector, np.int8) / VECTOR_SCALE
    standard = (features[0, -WIDTH:] - directions.mean) * directions.scale
    along = standard @ directions.directions
    np.testing.assert_allclose(vector, along / np.linalg.norm(along), atol=0.6 / VECTOR_SCALE)
    np.testing.assert_allclose(vector, to_vectors(features, directions)[0], atol=0.6 / VECTOR_SCALE)


def test_no_vector_without_directions() -> None:
    pixels = np.zeros((24, 24, 3), np.uint8)
    assert observe(1, (1, 1), pixels, np.ones((1, 4), np.float32), None, None).vector is None
