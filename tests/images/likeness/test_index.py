"""The index finds every image that correlates with a view."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixmill.images.likeness.hashing import SIDE
from pixmill.images.likeness.index import Index, Projection, principal_directions
from pixmill.images.likeness.similarity import VIEWS, views


def unit_vectors(greys):
    vectors = greys.reshape(-1, SIDE * SIDE).astype(float)
    vectors -= vectors.mean(axis=1, keepdims=True)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@settings(max_examples=8)
@given(
    st.integers(1, 150), st.integers(1, 9), st.sampled_from([2, 20, 120]), st.integers(0, 2**32 - 1)
)
def test_all_correlated_images_are_found_once(
    count: int, clumps: int, noise: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    middles = generator.integers(0, 256, (clumps, SIDE, SIDE))
    greys = middles[generator.integers(0, clumps, count)] + generator.integers(
        -noise, noise + 1, (count, SIDE, SIDE)
    )
    greys = np.clip(greys, 0, 255).astype(np.uint8)
    seen = greys[generator.integers(0, count, (20, VIEWS))]
    everything = np.arange(count)
    projection = Projection(principal_directions(greys, everything))
    index = Index(projection.points(greys), everything, 0.97)
    covered = projection.cover(seen)
    found = [
        pair
        for rows, places in index.near(covered)
        for pair in zip(rows.tolist(), places.tolist(), strict=True)
    ]
    assert len(found) == len(set(found))
    correlations = (unit_vectors(seen) @ unit_vectors(greys).T).reshape(20, VIEWS, count)
    row, place = np.nonzero((correlations >= 0.97).any(axis=1))
    assert set(zip(row.tolist(), place.tolist(), strict=True)) <= set(found)
    assert set(row.tolist()) <= set(index.may_match(covered.centres, covered.radii).tolist())


@pytest.mark.parametrize("mirror", [False, True])
def test_covers_are_near_the_views(mirror: bool) -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    greys = np.stack([np.asarray(Image.fromarray(one).resize((SIDE, SIDE))) for one in coarse])
    projection = Projection(principal_directions(greys, np.arange(60)), mirror=mirror)
    covered = projection.cover(views(greys, mirror=mirror))
    of_view = covered.centres[:, projection.cover_of_view]
    distance = np.linalg.norm(covered.points - of_view, axis=2)
    assert (distance <= covered.radii[:, projection.cover_of_view]).all()
    assert np.median(covered.radii) < 0.5
