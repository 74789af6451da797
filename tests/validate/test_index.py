"""The index misses nothing: whoever is near is found, whatever the points are like."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.validate.greys import SIDE
from pixmill.validate.index import DIRECTIONS, Directions, Index


def unit(points):
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


@given(st.integers(1, 3000), st.integers(1, 9), st.sampled_from([0.01, 0.1, 1.0]), st.integers(0, 2**32 - 1))
def test_all_that_are_near_are_found_each_once(count: int, clumps: int, spread: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    middles = generator.standard_normal((clumps, 8))
    points = unit(middles[generator.integers(0, clumps, count)] + spread * generator.standard_normal((count, 8)))
    queries = points[generator.integers(0, count, 40)]
    places = np.arange(count) * 2
    found = [
        pair
        for rows, near in Index(points, places).near(queries, 0.99)
        for pair in zip(rows.tolist(), near.tolist(), strict=True)
    ]
    assert len(found) == len(set(found))
    row, column = np.nonzero(queries @ points.T >= 0.99)
    assert set(zip(row.tolist(), (2 * column).tolist(), strict=True)) <= set(found)


def test_an_index_of_fewer_points_finds_only_these() -> None:
    points = unit(np.random.default_rng(0).standard_normal((500, 4)))
    kept = np.zeros(500, bool)
    kept[::3] = True
    fewer = Index(points, np.arange(500)).only(kept)
    assert len(fewer) == kept.sum()
    found = {int(place) for _, near in fewer.near(points, 0.9) for place in near}
    assert found == set(range(0, 500, 3))


@pytest.mark.parametrize("count", [1, 5, 300])
def test_points_are_never_further_apart_than_the_pictures(count: int) -> None:
    generator = np.random.default_rng(count)
    greys = generator.integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)
    points, lively = Directions.of(greys).points(greys)
    assert points.shape == (count, DIRECTIONS + 1)
    assert lively.all()
    vectors = greys.reshape(count, -1).astype(float)
    vectors -= vectors.mean(axis=1, keepdims=True)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert (points @ points.T >= vectors @ vectors.T - 1e-5).all()
